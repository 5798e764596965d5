"""A file of measurements read whole: which rows are above its header."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_zoo.data.assays.whole_table import read_whole
from model_zoo.data.tables.guessing import TableOptions


@pytest.mark.parametrize("remark", ["SMILES unclear", "molecule", "Structure"])
def test_a_remark_makes_no_header_of_its_row(tmp_path: Path, remark: str) -> None:
    """Measurements above such a row were left out as if they were a title."""
    path = tmp_path / "values.csv"
    path.write_text(f"CCCO,5.1,first\nCCCN,5.2,{remark}\nCCCC,5.3,last\n", encoding="utf-8")
    table = read_whole(path, TableOptions())

    assert [row[0] for row in table.rows] == ["CCCO", "CCCN", "CCCC"]
    assert (table.names, table.notes) == (("column_1", "column_2", "column_3"), ())


def test_a_remark_on_the_first_molecule_makes_no_header(tmp_path: Path) -> None:
    """Its measurement counts."""
    path = tmp_path / "values.csv"
    path.write_text("CCCO,5.1,SMILES unclear\nCCCN,5.2,\nCCCC,5.3,last\n", encoding="utf-8")
    table = read_whole(path, TableOptions())

    assert ([row[0] for row in table.rows], table.names[0]) == (["CCCO", "CCCN", "CCCC"], "column_1")


@pytest.mark.parametrize("above", ["Results of May\n\n", "sep=,\n", '"sep=,"\nResults of May\n'])
def test_what_is_above_a_header_is_left_out(tmp_path: Path, above: str) -> None:
    """And said, and written into the YAML as `skip_rows`."""
    path = tmp_path / "values.csv"
    path.write_text(f"{above}SMILES,pIC50\nCCCO,5.1\nCCCN,5.2\n", encoding="utf-8")
    table = read_whole(path, TableOptions())

    assert (table.names, len(table.rows)) == (("SMILES", "pIC50"), 2)
    assert table.form.skip_rows == above.count("\n")
