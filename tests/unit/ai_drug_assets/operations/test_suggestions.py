"""What the command line says of a batch: every pick with its numbers, every row that took no part, a CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from ai_drug_assets.operations.suggestions import as_text, checked, write_batch
from model_zoo.errors import AidrugError

POTENT = {"value": 7.25, "unit": "pIC50", "interval": [6.5, 8.0], "reliability": "high"}
SAFE = {"value": 0.25, "unit": "probability", "interval": None}
FOUND: dict[str, Any] = {
    "picks": [
        {"row": 4, "smiles": "CCO", "desirability": 0.61, "spread": 0.2, "bound": 0.81, "similarity": 0.0, "like": None,
         "endpoints": {"a": POTENT, "b": SAFE}, "columns": {"id": "x", "rank": "=1+1"}},
        {"row": 0, "smiles": "CCN", "desirability": 0.6, "spread": 0.1, "bound": 0.7, "similarity": 0.25, "like": 4,
         "endpoints": {"a": POTENT, "b": SAFE}, "columns": {"id": "y", "rank": ""}},
    ],
    "goals": ["a", "b"],
    "candidates": 1200,
    "left_out": [{"code": "measured", "rows": 3, "first": [1, 2]}],
}  # fmt: skip


def test_people_read_why_each_is_in_it_and_who_is_not() -> None:
    """A line per goal; a list of rows that continues says so."""
    text = as_text(FOUND)
    assert "  1  row 4  CCO" in text
    assert "desirability 0.60, spread 0.10  0.25 like row 4" in text
    assert "7.25 pIC50         6.5 to 8  high reliability" in text
    assert "2 of 1,200 candidates, for a, b" in text
    assert "left out: 3 measured (rows 1, 2, ...)" in text


def test_the_file_keeps_what_came_and_runs_nothing() -> None:
    """Columns that came are first and keep their names; a formula is text."""
    stream = io.StringIO(newline="")
    write_batch(FOUND, stream)
    first, second = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert list(first)[:4] == ["id", "rank", "smiles", "suggested_rank"]
    assert (first["id"], first["rank"], first["suggested_rank"], first["row"]) == ("x", "'=1+1", "1", "4")
    assert (second["a_lower"], second["b_lower"], second["like"]) == ("6.5", "", "4")


def test_only_csv_is_written() -> None:
    """Said before anything is predicted."""
    with pytest.raises(AidrugError, match=r"expected a file that ends with \.csv, got 'a\.xlsx'"):
        checked(Path("a.xlsx"), Path("a.csv"))


def test_a_batch_does_not_replace_the_file_that_it_is_of(tmp_path: Path) -> None:
    """All but its molecules would be lost."""
    (tmp_path / "a.csv").write_text("smiles\nCCO\n")
    with pytest.raises(AidrugError, match="expected another file than"):
        checked(tmp_path / "a.csv", tmp_path / "a.csv")
    assert checked(tmp_path / "b.csv", tmp_path / "a.csv") == tmp_path / "b.csv"
