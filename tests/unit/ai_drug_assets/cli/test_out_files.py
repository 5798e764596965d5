"""The files that commands write: refused at once where they cannot be, whole or not at all, and never what is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

from tests.command_factory import Installation

Command = Callable[..., Result]


def test_curate_never_replaces_the_measurements_that_it_reads(made: Installation, command: Command) -> None:
    """Not under their name, nor through a link; they may be the only copy."""
    file = made.folder / "logp.csv"
    before = file.read_bytes()
    link = made.folder / "link.csv"
    link.symlink_to(file)
    for out in (file, link):
        result = command("curate", "logp", "--out", str(out))
        assert "which is read and would be replaced" in str(result.exception)
    assert file.read_bytes() == before
    assert command("curate", "logp", "--out", str(made.folder / "report.csv")).exit_code == 0


@pytest.mark.parametrize("out", ["nowhere/x.csv", "-", "logp.csv/x.csv", "/dev/stdout"])
@pytest.mark.parametrize(
    "words",
    [("curate", "logp"), ("predict", "logp.csv"), ("suggest", "logp.csv"), ("benchmark-report",)],
    ids=lambda words: words[0],
)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(
    words: tuple[str, ...], out: str, made: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is not there, a stream or a device; the work could take an hour, and its result would be lost."""
    monkeypatch.chdir(made.folder)
    result = command(*words, "--out", out)
    assert str(result.exception).startswith("--out: expected")
    assert repr(out) in str(result.exception)
    assert not result.stdout
    assert not (made.folder / "-").exists()


def test_the_document_of_the_benchmark_is_not_replaced_without_results(made: Installation, command: Command) -> None:
    """A misspelt name of results is no empty benchmark, and the document does not replace the results."""
    document, results = made.folder / "report.md", made.folder / "results.json"
    document.write_text("measured", encoding="utf-8")
    results.write_text("[]", encoding="utf-8")
    absent = command("benchmark-report", "--results", str(made.folder / "absent.json"), "--out", str(document))
    same = command("benchmark-report", "--results", str(results), "--out", str(results))
    assert "expected the results" in str(absent.exception)
    assert "would be replaced" in str(same.exception)
    assert (document.read_text(encoding="utf-8"), results.read_text(encoding="utf-8")) == ("measured", "[]")
