"""More files as labs have them, the unkind ones: as `tests/lab_files.py` has the others."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import openpyxl
import pandas as pd

from tests.lab_files import Expected, LabFile, frame, key_of, pic50, sdf, simple, texts

UNITS_BELOW = "ID,SMILES,hERG IC50,logD\n,,uM,\n1,CCO,12.5,1.1\n2,CCN,3,0.4\n3,CCC,0.25,-2\n"
LONG = (
    "SMILES,Assay,Result,Unit\nCCO,hERG,51,nM\nCCO,logD,1.1,\nCCN,hERG,>62,nM\nCCN,logD,2.2,\nCCC,hERG,4800,nM\n"
    "CCC,logD,0.8,\n"
)
MIXED = "SMILES,IC50\nCCO,51 nM\nCCN,0.062 µM\nCCC,4.8 uM\nCCCC,> 30 µM\n"
SHARES = "SMILES,PPB\nCCO,51.5%\nCCN,62 %\nCCC,0.5%\n"
POWERS = "SMILES;IC50 (M)\nCCO;5,10E-07\nCCN;6,2e-9\nCCC;1E-6\n"
BELOW = (
    "SMILES,Solubility (uM)\nCCO,n.d.\nCCN,BQL\nCCC,>30\nCCCC,<LOQ\nCCCO,12.5\nCCCN,not determined\nCCCCO,< 0.5\n"
    "CCCCN,7.25\n"
)
TWICE = "SMILES,pIC50\nCCO,5.1\nCCN,6.2; 6.5\nCCC,4.8 ± 0.2\nCCCC,5-6\nCCCO,7\nCCCN,8\n"
TOTALS = "ID,SMILES,IC50 (nM)\n1,CCO,51\n2,CCN,62\n,,\nMean,,56.5\nTotal,Total,113\n"
BOTH = "SMILES,IC50 (nM),pIC50\nCCO,51,7.2924\nCCN,62,7.2076\n"
BROKEN_HEADER = 'SMILES,"IC50\n(nM)",Comment\nCCO,51,"a\nb"\nCCN,62,c\n'
QUALIFIED = "SMILES,Modifier,IC50 nM\nCCO,>,51\nCCN,,62\nCCC,<,48\nCCCC,,70\n"
UNDECIDED = "SMILES,Outcome\nCCO,Active\nCCN,Inactive\nCCC,Inconclusive\nCCCC,Active\n"
EXCEL_CSV = "sep=;\nSMILES;pIC50;\nCCO;5,1;\nCCN;6,25;\n"
SERIALS = "SMILES,Test Date,pIC50\nCCO,44197,5.1\nCCN,44198,6.2\n"
ODD = "Nr,Struktur_Canonical,Wert pIC50\n1,c1ccccc1O,5.1\n2,CCN(CC)CC,6.2\n3,CCCCCC,4.8\n"
SALTS = "SMILES_salt,SMILES_parent,pIC50\nCCO.Cl,CCO,5.1\nCCN.Cl,CCN,6.2\n"


def _molar(text: str) -> float:
    """Return nM."""
    number, unit = text.split()
    return float(number) * (1 if unit == "nM" else 1000)


def _micro(value: float, row: Any) -> float:
    return pic50(1000 * value)


def _units_below(content: bytes) -> Mapping[str, Expected]:
    table = texts(content)
    skipped = ("", "empty")  # the row with the units has no structure, and for logD no value either
    herg, logd = frame(table[1:], "SMILES", "hERG IC50", _micro), frame(table[1:], "SMILES", "logD")
    return {"herg_ic50": Expected([skipped, *herg.rows]), "logd": Expected([("", "empty value"), *logd.rows])}


def _two_headers() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Compound", None, "Results", None], ["ID", "SMILES", "hERG IC50", "logD"], [None, None, "uM", None],
                [1, "CCO", 12.5, 1.1], [2, "CCN", 3, 0.4], [3, "CCC", 0.25, -2]):  # fmt: skip
        sheet.append(row)
    sheet.merge_cells("A1:B1")
    sheet.merge_cells("C1:D1")
    other = book.create_sheet("old")
    other.append(["SMILES", "hERG IC50"])
    other.append(["CCO", 1])
    other.sheet_state = "hidden"
    sheet.row_dimensions[5].hidden = True
    return _saved(book)


def _formulas() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["SMILES", "IC50 (nM)", "pIC50"], ["CCO", 51, "=9-LOG10(B2)"], ["CCN", 62, "=9-LOG10(B3)"]):
        sheet.append(row)
    return _saved(book)


def _saved(book: openpyxl.Workbook) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _crlf() -> bytes:
    return sdf(("CCO", {"pIC50": "5.1"}), ("CCN", {"Comment": "two\nlines"}), ("CCC", {"pIC50": "6.25"})).replace(
        b"\n", b"\r\n"
    )


def _outcomes(content: bytes) -> Mapping[str, Expected]:
    labels = {"Active": 1.0, "Inactive": 0.0}
    rows = [(str(key_of(row["SMILES"])), row["Outcome"]) for _, row in texts(content).iterrows()]
    return {"undecided": Expected([(key, labels[what]) if what in labels else ("", "label") for key, what in rows])}


def _below(content: bytes) -> Mapping[str, Expected]:
    kinds = {"BQL": "below quantification", "<LOQ": "below quantification", "not determined": "not measured"}
    table = texts(content)
    cells = list(table["Solubility (uM)"])
    numbers = frame(table.replace(dict.fromkeys(kinds, "0")), "SMILES", "Solubility (uM)").rows
    return {"below": Expected([("", kinds[cell]) if cell in kinds else row
                               for cell, row in zip(cells, numbers, strict=True)])}  # fmt: skip


UNKIND = (
    LabFile("units_below.csv", "units in a row of their own below the header", UNITS_BELOW.encode, _units_below),
    LabFile("two_headers.xlsx", "Excel: merged headers, units below, a hidden row and a hidden sheet", _two_headers,
            lambda content: _units_below(UNITS_BELOW.encode())),
    LabFile("formulas.xlsx", "Excel: a logarithm as a formula beside its value", _formulas, lambda content: {
        "formulas": frame(pd.read_excel(io.BytesIO(content), dtype=str), "SMILES", "IC50 (nM)", pic50)}),
    LabFile("long.csv", "an assay and its unit per row", LONG.encode, lambda content: {"long": frame(
        texts(content), "SMILES", "Result", pic50, skip=lambda row: row["Assay"] != "hERG")},
        ("--where", "Assay=hERG")),
    LabFile("mixed.csv", "a unit in each cell, not the same one", MIXED.encode,
            simple("SMILES", "IC50", "mixed", pic50, number=lambda text: _molar(text.lstrip("> ")))),
    LabFile("shares.csv", "percent signs in cells", SHARES.encode,
            simple("SMILES", "PPB", "shares", number=lambda text: float(text.rstrip("% ")))),
    LabFile("powers.csv", "powers of ten with decimal commas", POWERS.encode, simple(
        "SMILES", "IC50 (M)", "powers", lambda value, row: pic50(value * 1e9), sep=";",
        number=lambda text: float(text.replace(",", ".")))),
    LabFile("below.csv", "n.d., BQL, <LOQ, bounds", BELOW.encode, _below),
    LabFile("twice.csv", "two values, a spread and a range in a cell", TWICE.encode,
            simple("SMILES", "pIC50", "twice", number=lambda text: float(text.partition(" ±")[0]))),
    LabFile("totals.csv", "a mean and a total below the table", TOTALS.encode,
            simple("SMILES", "IC50 (nM)", "totals", pic50)),
    LabFile("both.csv", "a value and its logarithm", BOTH.encode, simple("SMILES", "IC50 (nM)", "both", pic50)),
    LabFile("broken_header.csv", "a line break in the header", BROKEN_HEADER.encode,
            simple("SMILES", "IC50\n(nM)", "broken_header", pic50)),
    LabFile("qualified.csv", "signs in a column called Modifier, empty where exact", QUALIFIED.encode, lambda content: {
        "qualified": frame(texts(content), "SMILES", "IC50 nM", pic50, lambda row: row["Modifier"] or "=")}),
    LabFile("undecided.csv", "labels, some inconclusive", UNDECIDED.encode, _outcomes),
    LabFile("excel_csv.csv", "`sep=;` above the header, an empty column", EXCEL_CSV.encode, simple(
        "SMILES", "pIC50", "excel_csv", number=lambda text: float(text.replace(",", ".")), sep=";", skiprows=1)),
    LabFile("serials.csv", "days as Excel's serial numbers", SERIALS.encode, simple("SMILES", "pIC50", "serials")),
    LabFile("odd.csv", "columns in German", ODD.encode, simple("Struktur_Canonical", "Wert pIC50", "odd")),
    LabFile("salts.csv", "the salt and its parent", SALTS.encode, simple("SMILES_parent", "pIC50", "salts"),
            ("--smiles", "SMILES_parent")),
    LabFile("mac.csv", "line ends of an old Mac", lambda: ODD.replace("\n", "\r").encode(), simple(
        "Struktur_Canonical", "Wert pIC50", "mac")),
    LabFile("crlf.sdf", "an SDF with Windows' line ends, and a molecule without a value", _crlf, lambda content: {
        "crlf": Expected([(str(key_of("CCO")), 5.1), ("", "empty value"), (str(key_of("CCC")), 6.25)])}),
)  # fmt: skip
