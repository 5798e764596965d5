"""Tables of benchmarks in documents: what is around them stays, and a document without marks is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import bench_members
from tests.benchmarks.marked_table import write_between

MARKS = [("uncertainty", "table"), ("uncertainty", "recalibration"), ("uncertainty", "assays")]
MARKS += [("explanations", "table"), ("explanations", "far"), ("workbench", "table")]
MARKS += [("own-assay", "members")]


@pytest.mark.parametrize(("name", "mark"), MARKS)
def test_only_what_is_between_the_marks_changes(root: Path, tmp_path: Path, name: str, mark: str) -> None:
    """Each document has the marks that its benchmark writes between."""
    text, document = (root / "docs" / f"{name}.md").read_text(encoding="utf-8"), tmp_path / "document.md"
    before, _, rest = text.partition(f"<!-- {mark} -->")
    after = rest.partition(f"<!-- end of {mark} -->")[2]
    document.write_text(text, encoding="utf-8")
    write_between(document, mark, ["| a |", "| 1 |"])

    expected = f"{before}<!-- {mark} -->\n| a |\n| 1 |\n<!-- end of {mark} -->{after}"
    assert document.read_text(encoding="utf-8") == expected


def test_the_table_of_a_blends_members_is_that_of_the_results() -> None:
    """`docs/own-assay.md` shows what `bench_members` measured, and no earlier run of it."""
    lines = bench_members.table(json.loads(bench_members.RESULTS.read_bytes()))
    text = bench_members.DOCUMENT.read_text(encoding="utf-8")

    assert "\n".join(["<!-- members -->", *lines, "<!-- end of members -->"]) in text


@pytest.mark.parametrize("text", ["", "<!-- x -->\n", "<!-- end of x -->", "<!-- end of x -->\n<!-- x -->\n"])
def test_a_document_without_both_marks_in_order_stays_as_it_is(tmp_path: Path, text: str) -> None:
    """Nothing is written where the table would lose what follows it."""
    document = tmp_path / "document.md"
    document.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="expected <!-- x -->"):
        write_between(document, "x", ["| 1 |"])
    assert document.read_text(encoding="utf-8") == text
