"""An installation, and the command as somebody types it there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ai_drug_assets.cli import aidrug
from tests.command_factory import Installation, make_installation


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    """Return an installation of one endpoint, in which nothing was trained."""
    return make_installation(tmp_path)


@pytest.fixture
def command(made: Installation) -> Callable[..., Result]:
    """Return the command, as somebody types it there."""
    return lambda *words: CliRunner().invoke(aidrug, list(words), env=made.environment)
