"""Files as labs have them, and what an independent count makes of each.

Belongs here: small files made as people's programs make them, with an expectation that pandas and RDKit give from what
is known of each file, which the product has to guess. The expectation shares no code with the reader.
Does not belong here: what the product makes of them, and the document (see `tests/lab_files_report.py`).
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pandas as pd
from rdkit import Chem

FOLDER = "AIDRUG_LAB_FILES"
"""Names the folder with the large public files, as `biogen_fang2023/ADME_public_set_3521.csv` and so on."""

MISSING = {"na", "n.d.", "nd", "n/a", "-"}


class Expected(NamedTuple):
    """What an independent count makes of a file, row by row: the value in the endpoint's unit, or why there is none."""

    rows: list[tuple[str, float | str]]

    def reasons(self) -> dict[str, int]:
        """Count the reasons."""
        return dict(Counter(what for _, what in self.rows if isinstance(what, str)))

    def outcome(self, unit: str) -> tuple[int, int, int]:
        """Count kept, merged and dropped rows, by median and the rule of tenfold."""
        groups: dict[str, list[float]] = {}
        for key, value in self.rows:
            if not isinstance(value, str):
                groups.setdefault(key, []).append(value)
        kept = merged = 0
        for values in groups.values():
            low, high = min(values), max(values)
            logarithmic = unit.startswith("p") or unit.lower().startswith("log")
            far = high - low > 1 if logarithmic else (low > 0 and high > 10 * low)
            if unit != "probability" and far:
                continue
            kept += len(values) == 1
            merged += len(values) * (len(values) > 1)
        return kept, merged, len(self.rows) - kept - merged


class LabFile(NamedTuple):
    """A file, what must be said of it, and the independent count per endpoint."""

    name: str
    title: str
    content: Callable[[], bytes]
    expected: Callable[[bytes], Mapping[str, Expected]]
    options: tuple[str, ...] = ()


def key_of(smiles: str) -> str | None:
    """Return the InChIKey of a structure by RDKit alone; none where it is none."""
    mol = Chem.MolFromSmiles(smiles) if smiles else None
    return None if mol is None else str(Chem.MolToInchiKey(mol))  # type: ignore[no-untyped-call]


def frame(
    table: pd.DataFrame,
    smiles: str,
    value: str,
    convert: Callable[[float, Any], float] = lambda value, row: value,
    relation: Callable[[Any], str] = lambda row: "=",
    number: Callable[[str], float] = float,
    skip: Callable[[Any], bool] = lambda row: False,
) -> Expected:
    """Judge the rows of a table of texts that pandas read."""
    rows: list[tuple[str, float | str]] = []
    for _, row in table.fillna("").iterrows():
        text, key = str(row[value]).strip(), key_of(str(row[smiles]).strip())
        if skip(row):
            rows.append(("", "where"))
        elif text == "":
            rows.append(("", "empty value"))
        elif key is None:
            rows.append(("", "invalid-smiles" if str(row[smiles]).strip() else "empty"))
        elif text.lower() in MISSING:
            rows.append(("", "not measured"))
        else:
            try:
                got = number(text.lstrip("<>=~ "))
            except ValueError:
                rows.append(("", "not a number"))
                continue
            sign = relation(row) if relation(row) != "=" else (text[0] if text[0] in "<>" else "=")
            rows.append((key, "censored" if sign != "=" else convert(got, row)))
    return Expected(rows)


def texts(content: bytes, **options: Any) -> pd.DataFrame:
    """Read a delimited text as texts, by what is known of it."""
    table: pd.DataFrame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, **options)
    return table


def pic50(value: float, row: Any = None) -> float:
    """Bring nM to pIC50."""
    return 9 - math.log10(value)


def comma(text: str) -> float:
    """Read a number with a decimal comma and points between thousands."""
    return float(text.replace(".", "").replace(",", "."))


def workbook(*rows: list[Any], formats: Mapping[str, str] | None = None, title: str = "data") -> bytes:
    """Write a workbook of one sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    for place, number_format in (formats or {}).items():
        sheet[place].number_format = number_format
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def sdf(*records: tuple[str, Mapping[str, str]]) -> bytes:
    """Write an SDF."""
    parts = []
    for smiles, properties in records:
        lines = "".join(f">  <{name}>\n{value}\n\n" for name, value in properties.items())
        parts.append(f"{Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))}{lines}$$$$\n")
    return "".join(parts).encode()


def packed(name: str, content: bytes) -> bytes:
    """Write a ZIP archive of one file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


EUROPEAN = (
    "Verbindung;SMILES;Löslichkeit (µM)\nA-1;CCO;1,5\nA-2;CCN;0,25\nA-3;CCC;12\nA-4;CCCl;\nA-5;bad(;3,5\nA-6;OCC;1,7\n"
)
GERMAN = "id;smiles;IC50 (nM)\n1;CCO;1.234,5\n2;CCN;12,75\n3;CCC;10.000\n4;CCS;0,5\n"
AMERICAN = 'smiles,IC50 (nM)\nCCO,"1,234"\nCCN,12.5\nCCC,"10,000.5"\nCCS,n.d.\n'
UNICODE = "Name\tSmiles\tpIC50\r\na\tCCO\t5.1\r\nb\tCCN\t6.25\r\nc\tCCO\t5.3\r\n"
CHEMBL_WEB = (
    '"ChEMBL ID";"Smiles";"Standard Type";"Standard Relation";"Standard Value";"Standard Units";"pChEMBL Value"\n'
    '"C1";"CCO";"IC50";"\'=\'";"100.0";"nM";"7"\n"C2";"CCN";"IC50";"\'>\'";"10000.0";"nM";""\n'
    '"C3";"CCC";"IC50";"\'=\'";"0.46";"ug.mL-1";""\n"C4";"CCS";"Ki";"\'=\'";"3.0";"nM";"8.52"\n'
    '"C5";"";"IC50";"\'=\'";"5";"nM";""\n"C6";"CCCl";"IC50";"";"";"";""\n'
)
CHEMBL_API = (
    "canonical_smiles,molecule_chembl_id,standard_relation,standard_type,standard_units,standard_value\n"
    "CCO,C1,=,Ki,nM,20\nCCN,C2,<,Ki,nM,1\nCCC,C3,=,Ki,nM,4000\nCCO,C1,=,Ki,nM,40\n"
)
TITLED = "Assay 17\nrun by the lab,2025\n\nsmiles,pKi,sd\nCCO,7.25,0.1\nCCN,6,0.2\n"
LABELS = "smiles,outcome\nCCO,Active\nCCN,inactive\nCCC,Active\nCCS,nd\nbad(,Active\n"
IN_CELLS = "smiles,IC50\nCCO,5 uM\nCCN,300 nM\nCCC,1.5 µM\nCCS,>10 uM\n"
MISSING_TEXTS = "smiles,IC50 (nM)\nCCO,NA\nCCN,n.d.\nCCC,12\nCCS,-\nCCCl,7\nCCBr,failed to dissolve\n"
MINUS = "smiles\tlogS\nCCO\t\N{MINUS SIGN}2.5\nCCN\t-1.25\nCCC\t0.5\n"
BLANKS = "smiles\tIC50 (nM)\nCCO\t1\N{NO-BREAK SPACE}234,5\nCCN\t12,5\nCCC\t10\N{NARROW NO-BREAK SPACE}000,0\n"
SPECIES = "smiles,species,clearance (uL/min/mg)\nCCO,human,12.5\nCCO,rat,90\nCCN,human,3\nCCC,rat,55\n"
DATED = "smiles,pIC50,series,measured on\nCCO,5.5,A,2024-01-05\nCCN,6,A,2024-02-01\nCCC,7,B,2025-03-01\n"
EXTENDED = "SMILES,pIC50\nCCO |$;;$|,5\nCCN,6\nC*,7\n"
WIDE = "id,SMILES,HLM CLint (uL/min/mg),RLM CLint (uL/min/mg),MW\n1,CCO,10,,46.1\n2,CCN,,20,45.1\n3,CCC,5,250,44.1\n"
WEIGHTS = {"CCC": 44.097}


def simple(
    smiles: str, value: str, name: str, convert: Any = lambda value, row: value, number: Any = float, **options: Any
) -> Any:
    """Expect one endpoint of a delimited text."""
    return lambda content: {name: frame(texts(content, **options), smiles, value, convert, number=number)}


def _chembl_web(content: bytes) -> dict[str, Expected]:
    def convert(value: float, row: Any) -> float:
        if row["Standard Units"] == "nM":
            return pic50(value)
        return -math.log10(value * 1e-3 / WEIGHTS[row["Smiles"]])

    def relation(row: Any) -> str:
        return str(row["Standard Relation"]).strip("'") or "="

    def skip(row: Any) -> bool:
        return bool(row["Standard Type"] != "IC50")

    table = texts(content, sep=";")
    return {"chembl_web": frame(table, "Smiles", "Standard Value", convert, relation, skip=skip)}


def _in_cells(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"uM": 1000.0, "µM": 1000.0, "nM": 1.0}[unit]


def _odd_cells(content: bytes) -> dict[str, Expected]:
    """Nobody may take a date, an error or a formula without a value for a number; 35 % is 35 %."""
    rows: list[tuple[str, float | str]] = [
        (str(key_of("CCO")), 35.0), ("", "not a number"), ("", "not a number"), ("", "not a number"),
        (str(key_of("CCBr")), 7.5), (str(key_of("CCI")), 12.0), (str(key_of("CCF")), 40.25),
    ]  # fmt: skip
    return {"odd_cells": Expected(rows)}


def _blank_thousands(text: str) -> float:
    return float(text.replace("\N{NO-BREAK SPACE}", "").replace("\N{NARROW NO-BREAK SPACE}", "").replace(",", "."))


def _wide(content: bytes) -> dict[str, Expected]:
    table = texts(content)
    return {
        "hlm_clint": frame(table, "SMILES", "HLM CLint (uL/min/mg)"),
        "rlm_clint": frame(table, "SMILES", "RLM CLint (uL/min/mg)"),
    }


def _excel_wide(content: bytes) -> dict[str, Expected]:
    table = pd.read_excel(io.BytesIO(content), dtype=str, keep_default_na=False)
    return {
        name: frame(table, "SMILES", column) for name, column in (("solubility", "Solubility (uM)"), ("logd", "logD"))
    }


def _parquet(content: bytes) -> dict[str, Expected]:
    table = pd.read_parquet(io.BytesIO(content))
    return {"columns": frame(table.map(lambda cell: "" if pd.isna(cell) else str(cell)), "smiles", "pIC50")}


def _parquet_file() -> bytes:
    stream = io.BytesIO()
    pd.DataFrame({"smiles": ["CCO", "CCN", "CCC"], "pIC50": [5.5, None, 7.123]}).to_parquet(stream)
    return stream.getvalue()


def _sdf(content: bytes) -> dict[str, Expected]:
    rows: list[tuple[str, float | str]] = [
        (str(key_of("CCO")), pic50(100)), ("", "censored"), ("", "empty value"), (str(key_of("CCS")), pic50(2.5)),
    ]  # fmt: skip
    return {"hits": Expected(rows)}


def _labels(text: str) -> float:
    return {"active": 1.0, "inactive": 0.0}[text.lower()] if text.lower() in ("active", "inactive") else float("nan")


def _label_rows(content: bytes) -> dict[str, Expected]:
    rows: list[tuple[str, float | str]] = []
    for _, row in texts(content).iterrows():
        key, label = key_of(row["smiles"]), _labels(row["outcome"])
        rows.append(("", "invalid-smiles") if key is None else (key, "not measured" if math.isnan(label) else label))
    return {"labels": Expected(rows)}


FILES = (
    LabFile("loeslichkeit.csv", "semicolons, decimal commas, Windows' encoding", lambda: EUROPEAN.encode("cp1252"),
            simple("SMILES", "Löslichkeit (µM)", "loeslichkeit", number=comma, sep=";", encoding="cp1252")),
    LabFile("german.csv", "decimal commas and points between thousands", GERMAN.encode,
            simple("smiles", "IC50 (nM)", "german", pic50, number=comma, sep=";")),
    LabFile("american.csv", "commas between thousands, quoted", AMERICAN.encode,
            simple("smiles", "IC50 (nM)", "american", pic50, number=lambda text: float(text.replace(",", "")))),
    LabFile("unicode.txt", "Excel's \"Unicode text\": UTF-16 and tabs", lambda: UNICODE.encode("utf-16"),
            simple("Smiles", "pIC50", "unicode", sep="\t", encoding="utf-16")),
    LabFile("marked.csv", "a byte order mark", lambda: b"\xef\xbb\xbf" + DATED.encode(),
            simple("smiles", "pIC50", "marked", encoding="utf-8-sig")),
    LabFile("chembl_web.csv", "ChEMBL's website: quoted relations, two units", CHEMBL_WEB.encode, _chembl_web),
    LabFile("chembl_api.csv", "ChEMBL's API", CHEMBL_API.encode, lambda content: {"chembl_api": frame(
        texts(content), "canonical_smiles", "standard_value", pic50, lambda row: str(row["standard_relation"]))}),
    LabFile("assays.xlsx", "an Excel sheet of two assays", lambda: workbook(
        ["ID", "SMILES", "Solubility (uM)", "logD"], [1, "CCO", 12.5, 1], [2, "CCN", None, 0.25], [3, "CCC", 3, None]),
        _excel_wide),
    LabFile("odd_cells.xlsx", "Excel: a percentage, a date, an error, a formula never computed", lambda: workbook(
        ["smiles", "unbound (%)"], ["CCO", 0.35], ["CCN", pd.Timestamp("2024-03-01")], ["CCC", "#DIV/0!"],
        ["CCS", "=1+1"], ["CCBr", 7.5], ["CCI", 12], ["CCF", 40.25], formats={"B2": "0%"}), _odd_cells),
    LabFile("titled.csv", "a title above the header", TITLED.encode, simple("smiles", "pKi", "titled", skiprows=3)),
    LabFile("values.smi", "a SMILES and a value per line, no header", lambda: b"CCO 5.5\nCCN 6\nCCC 7.25\n",
            lambda content: {"values": frame(texts(content, sep=" ", header=None, names=["s", "v"]), "s", "v")}),
    LabFile("hits.sdf", "an SDF with relations as a property", lambda: sdf(
        ("CCO", {"IC50 (nM)": "100", "rel": "="}), ("CCN", {"IC50 (nM)": "10000", "rel": ">"}), ("CCC", {"rel": "="}),
        ("CCS", {"IC50 (nM)": "2.5", "rel": "="})), _sdf),
    LabFile("columns.parquet", "Parquet", _parquet_file, _parquet),
    LabFile("packed.csv.gz", "packed by gzip", lambda: gzip.compress(UNICODE.replace("\t", ",").encode(), mtime=0),
            lambda content: simple("Smiles", "pIC50", "packed")(gzip.decompress(content))),
    LabFile("archive.zip", "a ZIP archive of one file", lambda: packed("a.csv", GERMAN.encode()),
            lambda content: simple("smiles", "IC50 (nM)", "archive", pic50, number=comma, sep=";")(GERMAN.encode())),
    LabFile("labels.csv", "labels as words", LABELS.encode, _label_rows),
    LabFile("units_in_cells.csv", "a unit in each cell", IN_CELLS.encode,
            simple("smiles", "IC50", "units_in_cells", pic50, number=_in_cells)),
    LabFile("missing.csv", "NA, n.d., a dash, a remark", MISSING_TEXTS.encode,
            simple("smiles", "IC50 (nM)", "missing", pic50)),
    LabFile("minus.tsv", "a typographer's minus sign", MINUS.encode, simple(
        "smiles", "logS", "minus", number=lambda text: float(text.replace("\N{MINUS SIGN}", "-")), sep="\t")),
    LabFile("blanks.tsv", "hard blanks between thousands", BLANKS.encode,
            simple("smiles", "IC50 (nM)", "blanks", pic50, number=_blank_thousands, sep="\t")),
    LabFile("species.csv", "two species in one column", SPECIES.encode, lambda content: {"species": frame(
        texts(content), "smiles", "clearance (uL/min/mg)", skip=lambda row: row["species"] != "human")},
        ("--where", "species=human")),
    LabFile("extended.csv", "extended SMILES, and an R-group", EXTENDED.encode, lambda content: {"extended": Expected(
        [(str(key_of("CCO")), 5.0), (str(key_of("CCN")), 6.0), ("", "incomplete-structure")])}),
    LabFile("wide.csv", "two assays side by side, and a descriptor", WIDE.encode, _wide),
)  # fmt: skip


def large_table(path: Path) -> pd.DataFrame:
    """Read a large file as texts."""
    content = path.read_bytes()
    return texts(gzip.decompress(content) if path.suffix == ".gz" else content)


def _biogen(column: str) -> Callable[[pd.DataFrame], Expected]:
    return lambda table: frame(table, "SMILES", column)


BIOGEN = {
    "log_hlm_clint": "LOG HLM_CLint (mL/min/kg)",
    "log_mdr1_mdck_er": "LOG MDR1-MDCK ER (B-A/A-B)",
    "log_solubility_ph_6_8": "LOG SOLUBILITY PH 6.8 (ug/mL)",
    "log_plasma_protein_binding_human": "LOG PLASMA PROTEIN BINDING (HUMAN) (% unbound)",
    "log_plasma_protein_binding_rat": "LOG PLASMA PROTEIN BINDING (RAT) (% unbound)",
    "log_rlm_clint": "LOG RLM_CLint (mL/min/kg)",
}
LARGE: tuple[tuple[str, dict[str, Callable[[pd.DataFrame], Expected]], tuple[str, ...]], ...] = (
    ("biogen_fang2023/ADME_public_set_3521.csv", {name: _biogen(column) for name, column in BIOGEN.items()}, ()),
    ("egfr_ic50/EGFR_compounds.csv", {"egfr_compounds": lambda t: frame(t, "smiles", "IC50", pic50)}, ()),
    ("herg/ChEMBL_hERG_raw.csv.gz", {"chembl_herg_raw": lambda t: frame(
        t, "canonical_smiles", "standard_value", pic50, lambda row: str(row["standard_relation"])[:1] if str(
            row["standard_relation"])[:1] in "<>" else "=")}, ()),
    ("moleculenet/bace.csv", {"bace": lambda t: frame(t, "smiles", "pIC50")}, ("--columns", "pIC50")),
    ("moleculenet/Lipophilicity.csv", {"lipophilicity": lambda t: frame(t, "smiles", "exp")}, ()),
)  # fmt: skip
"""Public files, read from the folder that a setting names; their structures are judged by the product's own rules, so
that only what becomes of their values is compared."""


def large_folder() -> Path | None:
    """Return the folder with the large files; none where no setting names it."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else None
