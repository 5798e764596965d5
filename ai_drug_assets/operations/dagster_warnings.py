"""What Dagster warns of that nobody here can act on."""

from __future__ import annotations

import warnings


def keep_quiet() -> None:
    """Keep out of people's terminals what Dagster says of parts of it that we chose to use."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message=".*is currently in (beta|preview).*")
