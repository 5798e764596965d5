"""Files are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_zoo.io.files import atomic_write, draft_of


def test_what_breaks_off_changes_nothing(tmp_path: Path) -> None:
    """A reader finds the old content until the new one is whole; a draft that was given up leaves nothing."""
    atomic_write(tmp_path / "deep" / "file", b"old")

    def break_off() -> None:
        with draft_of(tmp_path / "deep" / "file") as stream:
            stream.write(b"half")
            stream.flush()
            assert (tmp_path / "deep" / "file").read_bytes() == b"old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert (tmp_path / "deep" / "file").read_bytes() == b"old"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]
    with draft_of(tmp_path / "deep" / "file") as stream:
        stream.write(b"new")
    assert (tmp_path / "deep" / "file").read_bytes() == b"new"


def test_a_draft_makes_no_folder(tmp_path: Path) -> None:
    """What was removed meanwhile stays removed: a job's chunk must not bring its folder back."""
    with pytest.raises(FileNotFoundError), draft_of(tmp_path / "gone" / "file"):
        pass

    assert not (tmp_path / "gone").exists()
