"""A disk that is full or cannot be written is reported in one sentence."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest

from ai_drug_assets import cli
from ai_drug_assets.cli import run


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x"), "No space left on device (/data/x)"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/data/x"), "Read-only file system (/data/x)"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "readonly database"),
        (sqlite3.OperationalError("database or disk is full"), "disk is full"),
    ],
)
def test_where_nothing_can_be_written_one_sentence_says_so(
    error: Exception, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do, whichever library found out and whatever it wrapped around it; no traceback."""

    def fails(**_: object) -> None:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("the instance could not be opened") from cause

    monkeypatch.setattr(cli.aidrug, "main", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr().err
    assert ended.value.code == run.FAILED
    assert says in printed
    assert "Make room" in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.EISDIR, errno.ENOTDIR])
def test_a_file_that_cannot_be_used_is_no_lack_of_space(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measurements that may not be read are named, and nobody is sent to make room on a disk."""

    def fails(**_: object) -> None:
        raise OSError(number, os.strerror(number), "/data/assay.csv")

    monkeypatch.setattr(cli.aidrug, "main", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr().err
    assert ended.value.code == run.FAILED
    assert printed.startswith(f"aidrug: /data/assay.csv: {os.strerror(number)}")
    assert "room" not in printed
    assert printed.count("\n") == 1


def test_a_word_that_is_not_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the name of a file from a system with another encoding is: no request and no YAML can contain it."""
    monkeypatch.setattr("sys.argv", ["aidrug", "predict", "m\udcfcnze.csv"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == run.FAILED
    assert "expected words in UTF-8, got 'm\\udcfcnze.csv'" in capsys.readouterr().err


def test_any_other_error_shows_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is not taken for a full disk."""

    def fails(**_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(cli.aidrug, "main", fails)
    with pytest.raises(RuntimeError, match="a fault"):
        cli.main()
