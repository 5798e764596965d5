"""What a model's file says of endpoints that do not exist: of one that was removed, or of a misspelt one.

This is none, so that removing an endpoint's file needs no other edit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path


def of_no_effect(model: str, named: Mapping[str, Sequence[str]], endpoints: Collection[str], folder: Path) -> list[str]:
    """Warn of the endpoints that a model's file names, by key, and that are not there."""
    warnings = []
    for key, name in ((key, name) for key, names in named.items() for name in names):
        if name not in endpoints:
            alike = get_close_matches(name, endpoints, n=1)
            meant = f"; did you mean {alike[0]!r}?" if alike else ""
            file = folder / "models" / f"{model}.yaml"
            warnings.append(f"{file}: {key}: there is no endpoint {name!r}, so this is of no effect{meant}")
    return warnings
