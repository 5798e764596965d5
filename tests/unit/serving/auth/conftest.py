"""What all tests of keys begin from."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.auth import guard
from serving.auth.keys import KeyStore


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    """Return the file of keys of the service under test."""
    return KeyStore(tmp_path / "service" / "keys.sqlite")


@pytest.fixture(autouse=True)
def forget_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look keys up each time."""
    monkeypatch.setattr(guard, "FRESH_SECONDS", 0.0)
