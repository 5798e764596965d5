"""Tables in files: Excel, Parquet, archives and encodings, cell by cell."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from pydantic import TypeAdapter

from model_zoo.data.assays.whole_table import read_whole
from model_zoo.data.sources import Source, read_source
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.form import Form
from model_zoo.data.tables.guessing import TableOptions
from model_zoo.data.tables.reading import read_grid
from model_zoo.data.tables.workbook import NOT_COMPUTED, sheet_names
from model_zoo.errors import DataError


def book(path: Path, **sheets: list[list[Any]]) -> Path:
    """Write a workbook."""
    made = openpyxl.Workbook()
    made.remove(made.worksheets[0])
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def read(path: Path, **source: Any) -> Any:
    """Read a file as an endpoint's YAML says."""
    content = {"kind": "csv", "files": [path.name], **source}
    return read_source(TypeAdapter(Source).validate_python(content), path.parent)


def test_a_cell_says_what_people_see_in_it(tmp_path: Path) -> None:
    """A percentage is no fraction, a date no number, an error no empty cell, and a formula without a value says so."""
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.append(["x", 0.07, dt.date(2024, 3, 1), "#N/A", "=1+1", 12345678901, 0.1, True, None])
    sheet["B1"].number_format = "0.0%"
    sheet.append(["y"])
    made.save(tmp_path / "a.xlsx")
    first, second = read_grid(tmp_path / "a.xlsx", Form("xlsx"))

    assert first == ["x", "7%", "2024-03-01", "#N/A", NOT_COMPUTED, "12345678901", "0.1", "TRUE"]
    assert second == ["y"]
    (again, _) = read_grid(tmp_path / "a.xlsx", Form("xlsx", decimal=","))
    assert again[6] == "0,1", "so that text cells with a decimal comma and cells of numbers are read by one rule"


def test_one_of_several_sheets_is_named(tmp_path: Path) -> None:
    """A workbook of several sheets is refused with their names until one is said; an empty one does not count."""
    rows: list[list[Any]] = [["smiles", "value"], ["CCO", 1.5]]
    path = book(tmp_path / "a.xlsx", data=rows, old=rows, notes=[])
    with pytest.raises(DataError, match="one of 'data', 'old', 'notes'"):
        read(path, format="xlsx")
    with pytest.raises(DataError, match=r"a\.xlsx: sheet: expected one of .* got 'new'"):
        read(path, format="xlsx", sheet="new")

    assert sheet_names(path) == ["data", "old"]
    assert list(read(path, format="xlsx", sheet="old")["value"]) == ["1.5"]
    assert list(read(book(tmp_path / "b.xlsx", data=rows, notes=[]), format="xlsx")["smiles"]) == ["CCO"]


def test_merged_cells_are_told(tmp_path: Path) -> None:
    """Only the first of merged cells has a value: the owner of the file learns which they are."""
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    for row in (["smiles", "pIC50"], ["CCO", 5], [None, 6]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    made.save(tmp_path / "a.xlsx")

    assert read_whole(tmp_path / "a.xlsx", TableOptions()).notes == (
        "merged cells A2:A3: all but the first of each are empty",
    )


def test_parquet_is_read_with_its_gaps(tmp_path: Path) -> None:
    """Numbers come as they are, nulls and NaN as empty cells."""
    pd.DataFrame({"smiles": ["CCO", "CCN"], "value": [0.1, None], "n": [1, 2]}).to_parquet(tmp_path / "a.parquet")

    assert list(read(tmp_path / "a.parquet", format="parquet")["value"]) == ["0.1", ""]


@pytest.mark.parametrize("decimal", [".", ","])
def test_packed_files_are_read_as_what_is_in_them(tmp_path: Path, decimal: str) -> None:
    """By their first bytes, whatever their names say."""
    text = f"smiles;value\nCCO;1{decimal}5\n".encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.csv", text)
        opened.writestr("__MACOSX/._a.csv", b"")
    tables = []
    for number, content in enumerate((text, gzip.compress(text), archive.getvalue())):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(content)
        tables.append(read(path, delimiter="semicolon", decimal=decimal))

    assert all(list(table["value"]) == [f"1{decimal}5"] for table in tables)
    assert {each for table in tables for each in table["numerals"]} == {decimal}


def test_an_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    """With their names."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "smiles,value\n")
        archive.writestr("b.csv", "smiles,value\n")
    with pytest.raises(DataError, match=r"expected one file in the ZIP archive, got a\.csv, b\.csv"):
        read(tmp_path / "a.zip")


@pytest.mark.parametrize(("name", "codec"), [("cp1252", "cp1252"), ("utf-16", "utf-16"), ("latin-1", "latin-1")])
def test_another_encoding_is_said_and_never_guessed(tmp_path: Path, name: str, codec: str) -> None:
    """Training reads what the YAML says; without it the error says what the text seems to be."""
    (tmp_path / "a.csv").write_bytes("smiles,Wert µM\nCCO,1\n".encode(codec))
    assert list(read(tmp_path / "a.csv", encoding=name, value_column="Wert µM")["value"]) == ["1"]
    with pytest.raises(DataError, match=r"expected UTF-8 text, and it is none .* say `encoding: (cp1252|utf-16)`"):
        read(tmp_path / "a.csv", value_column="Wert µM")


def test_rows_above_the_header_are_skipped_as_said(tmp_path: Path) -> None:
    """Blank ones count, as they do in an editor."""
    (tmp_path / "a.csv").write_text("A title\n\nsmiles,value\nCCO,1\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("CCO,1\nCCN,2\n", encoding="utf-8")
    headless = {"header": False, "smiles_column": "column_1", "value_column": "column_2"}

    assert list(read(tmp_path / "a.csv", skip_rows=2)["value"]) == ["1"]
    assert list(read(tmp_path / "b.csv", **headless)["value"]) == ["1", "2"]


def test_a_decimal_comma_between_commas_is_refused(tmp_path: Path) -> None:
    """1,5 without quotes is two cells: the row is named, and what does this."""
    (tmp_path / "a.csv").write_text("smiles,value\nCCO,1\nCCN,1,5\n", encoding="utf-8")
    with pytest.raises(TableError, match=r"row 2 has 3 cells, and the header 2.*A decimal comma"):
        read_whole(tmp_path / "a.csv", TableOptions())


@pytest.mark.parametrize("name", ["a.xls", "a.ods"])
def test_old_workbooks_say_what_to_save_them_as(tmp_path: Path, name: str) -> None:
    """Their readers are not here."""
    (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(TableError, match=r"save it as \.xlsx"):
        read_whole(tmp_path / name, TableOptions())
