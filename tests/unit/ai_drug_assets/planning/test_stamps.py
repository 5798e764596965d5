"""A look at folders notices whatever comes, goes or is replaced in them, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_drug_assets.planning import stamps
from ai_drug_assets.planning.stamps import Folders


def replaced(home: Path) -> None:
    """Replace a file as everything here is written."""
    new = home / "a" / "new"
    new.write_text("another", encoding="utf-8")
    new.rename(home / "a" / "file")


CHANGES: tuple[Callable[[Path], object], ...] = (
    lambda home: (home / "a" / "file").unlink(),
    lambda home: (home / "a" / "inner" / "deep" / "one").unlink(),
    lambda home: (home / "a" / "inner" / "deeper").mkdir(),
    lambda home: (home / "a").rename(home / "elsewhere"),
    lambda home: (home / "later").mkdir(),
    replaced,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Some folders that were made a while ago."""
    (tmp_path / "a" / "inner" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "file").write_text("x", encoding="utf-8")
    (tmp_path / "a" / "inner" / "deep" / "one").write_text("x", encoding="utf-8")
    age(tmp_path)
    return tmp_path


def age(home: Path) -> None:
    """Let all folders have been changed a minute ago."""
    for folder, _, _ in os.walk(home):
        at = os.stat(folder).st_mtime - 60  # noqa: PTH116
        os.utime(folder, (at, at))


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed_wherever_it_is(home: Path, change: Callable[[Path], object]) -> None:
    """A digest equals the last one, by whichever process, exactly while nothing changes."""
    watched = [home / "a", home / "later"]
    folders = Folders(watched)
    before = folders.digest()
    assert folders.digest() == Folders(watched).digest() == before
    change(home)
    assert folders.digest() != before
    assert Folders(watched).digest() != before


def test_what_changes_twice_within_a_tick_of_the_clock_is_noticed(home: Path) -> None:
    """The file system's clock does not move for some milliseconds: what was changed just now is looked at again."""
    folders = Folders([home / "a"])
    folders.digest()
    (home / "a" / "second").write_text("x", encoding="utf-8")
    assert folders.digest() != folders.digest()


def test_nothing_is_read_again_while_nothing_changes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at nothing new takes one `stat` per folder."""
    folders = Folders([home / "a"])
    folders.digest()
    monkeypatch.setattr(os, "scandir", None)
    counted: list[str] = []
    real = stamps.stamp

    def noted(path: str | Path) -> stamps.Stamp:
        counted.append(str(path))
        return real(path)

    monkeypatch.setattr(stamps, "stamp", noted)
    folders.digest()
    assert len(counted) == len(set(counted)) == 3
