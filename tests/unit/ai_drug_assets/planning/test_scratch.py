"""What killed processes were making goes, and what living ones make stays."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from ai_drug_assets.planning import scratch
from ai_drug_assets.planning.scratch import clear_scratch, scratch_prefix


def test_folders_of_processes_that_are_gone_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the process, at once; whatever else is there after a day."""
    place = tmp_path / "scratch"
    place.mkdir()
    mine = Path(tempfile.mkdtemp(prefix=scratch_prefix("trained_model"), dir=place))
    with monkeypatch.context() as patch:
        patch.setattr(scratch, "this_process", lambda: "a-host:with-dashes:1")
        elsewhere = Path(tempfile.mkdtemp(prefix=scratch_prefix("dataset"), dir=place))
        patch.setattr(scratch, "this_process", lambda: f"{os.uname().nodename}:999999:1.1")
        dead = Path(tempfile.mkdtemp(prefix=scratch_prefix("dataset"), dir=place))
    earlier, old = place / "dataset-abcdefgh", place / "features-abcdefgh"
    for folder in (earlier, old):
        folder.mkdir()
    os.utime(old, (1, 1))
    assert clear_scratch(tmp_path) == 2
    assert sorted(place.iterdir()) == sorted([mine, elsewhere, earlier])
    assert not dead.exists()
