"""Files that a reader gets wrong in silence, or has to refuse: as `tests/lab_files.py` has the others."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import openpyxl
import pandas as pd
from rdkit import Chem

from tests.lab_files import Expected, LabFile, frame, key_of, pic50, sdf, simple, texts, workbook

COMMENTS = "# exported by LIMS 4.2\n# site, user: x, y\nSMILES,pIC50\nCCO,5.1\nCCN,6.2\nCCC,7.3\n"
AROUND = "SMILES,IC50 (nM)\nCCO,12 +/- 3\nCCN,13 ± 2\nCCC,14\nCCCC,15 (±1)\nCCS,16+-1\nCCF,17 (n = 3)\n"
ABOUT = "SMILES,IC50 (nM)\nCCO,~12\nCCN,ca. 13\nCCC,≈14\nCCCC,approx. 15\nCCS,greater than 1000\nCCF,&gt;2000\n"
LIMITS = "SMILES,IC50 (nM)\nCCO,<LOD\nCCN,ND\nCCC,14\nCCCC,15\nCCS,NT\nCCF,#N/A\nCCCl,BLQ\n"
DAYS = "SMILES,Date,pIC50\nCCO,03/04/2024,5.1\nCCN,23/11/2024,6\nCCC,01/02/2024,7\n"
THIN = "SMILES;IC50 (nM)\nCCO;1\u2009234.5\nCCN;10\u2009000\nCCC;7\n"
SWISS = "SMILES;IC50 (nM)\nCCO;1'234.5\nCCN;10\u2019000\nCCC;7\n"
PLACES = 'SMILES,pIC50\n"CCO |(0,0,;1,1,;2,0,)|",5.1\n"CCN |(0,0,;1,1,;2,0,)|",6\nCCC,7\n'
BY_ROW = (
    "SMILES,IC50,Unit\nCCO,51,nM\nCCN,0.062,\u00b5M\nCCC,0.0001,mM\nCCCC,3,\u03bcM\nCCCCC,4,umol/L\nCCF,5,nmol/l\n"
    "CCCl,6,\u00b5mol/L\nCCBr,7,micromolar\n"
)
IN_NM = {
    "nM": 1,
    "\u00b5M": 1e3,
    "mM": 1e6,
    "\u03bcM": 1e3,
    "umol/L": 1e3,
    "nmol/l": 1,
    "\u00b5mol/L": 1e3,
    "micromolar": 1e3,
}
GREEK = "SMILES,IC50 (\u03bcM)\nCCO,51\nCCN,0.062\nCCC,3\n"
PER_LITRE = "SMILES,IC50_nmol_L\nCCO,51\nCCN,62\nCCC,3\n"
LOGGED = "SMILES,IC50 (nM)\nCCO,1.2\nCCN,-0.3\nCCC,3.1\n"
TENS = (
    "SMILES,IC50 (M)\nCCO,1.5 x 10^-6\nCCN,2*10^-7\nCCC,3\u00d710\u207b\u2078\nCCCC,4.0E-9\nCCS,10^-6\n"
    "CCF,1.2\u00b710-5\nCCI,2e-6\n"
)
HARD = "SMILES,IC50\u00a0(nM)\nCCO\u00a0,\u00a051\nCCN,62\u00a0\nCCC,7\n"
BREAKS = 'SMILES,Comment,pIC50\nCCO,"line 1\nline 2, with comma",5.1\nCCN,"say ""hi""",6\nCCC,x,7\n'
WORDS = "SMILES,Qualifier,IC50 (nM)\nCCO,GT,10000\nCCN,EQ,5\nCCC,LT,7\nCCCC,EQ,8\n"
ENTITIES = "SMILES,Relation,IC50 (nM)\nCCO,&gt;,10000\nCCN,=,5\nCCC,&lt;,7\nCCCC,=,8\n"
EACH = "SMILES,IC50 rel,IC50 (nM),Ki rel,Ki (nM)\nCCO,>,10000,,5\nCCN,,5,>,100\nCCC,<,7,,6\nCCCC,,8,,9\n"
BEHIND = "SMILES,IC50,,Unit A,Ki,,Unit B\nCCO,10,>,uM,5,,nM\nCCN,5,,uM,100,>,nM\nCCC,7,<,nM,6,,uM\nCCCC,8,,uM,9,,nM\n"
LISTS = "smiles;pIC50;group;sub\nCCO;5.25;['345'];['10']\nCCN;6.00;['4'];['9']\nCCC;7.00;['112', '112'];['5', '6']\n"
NINES = "SMILES,logS\nCCO,-9999\nCCN,-5\nCCC,-7\nCCCC,-999\n"
TWO_ENCODINGS = b"SMILES,IC50 (\xc2\xb5M),site\nCCO,5.1,K\xf6ln\nCCN,6.2,Bonn\nCCC,7,Bonn\n"
AGAIN = "SMILES,pIC50\nCCO,5.1\nCCN,6.2\n\nPlate 2,\nSMILES,pIC50\nCCC,7.5\n"
BINDING = (
    "Set\tLigand SMILES\tLigand InChI\tTarget Name\tKi (nM)\tIC50 (nM)\tpH\tTemp (C)\n"
    "a\tCCO\tx\thERG\t\t 10\t7.4\t25.00 C\nb\tCCN\tx\thERG\t\t>10000\t7.4\t25.00 C\n"
    "c\tCCC\tx\thERG\t 5\t\t7.4\t\nd\tCCF\tx\thERG\t \t100\t7.4\t\n"
)
INDEXED = ",SMILES,pIC50\n0,CCO,5.1\n1,CCN,6.2\n2,CCC,7\n"


def _signed(text: str) -> float:
    """Return the first number of a text that people wrote."""
    found = re.search(r"[0-9][0-9.]*", text)
    assert found is not None
    return float(found[0])


def _tens(text: str) -> float:
    plain = text.translate(str.maketrans("\u207b\u2078", "-8")).replace("^", "").replace(" ", "")
    if "e" in plain.lower():
        return float(plain)
    factor, _, power = plain.rpartition("10-")
    number = factor.rstrip("x*\N{MULTIPLICATION SIGN}\N{MIDDLE DOT}") or "1"
    return float(f"{number}e-{power}")


def _rows(*rows: tuple[str, float | str]) -> Expected:
    return Expected([(what if isinstance(value, str) else str(key_of(what)), value) for what, value in rows])


def _about(content: bytes) -> Mapping[str, Expected]:
    bounds = {"greater than 1000": ">1000", "&gt;2000": ">2000"}
    table = texts(content).replace(bounds)
    return {"about": frame(table, "SMILES", "IC50 (nM)", pic50, number=_signed)}


def _limits(content: bytes) -> Mapping[str, Expected]:
    kinds = {"<LOD": "below quantification", "BLQ": "below quantification"}
    table = texts(content)
    return {"limits": Expected([
        ("", kinds.get(cell) or "not measured") if not cell[0].isdigit() else (str(key_of(smiles)), pic50(float(cell)))
        for smiles, cell in zip(table["SMILES"], table["IC50 (nM)"], strict=True)
    ])}  # fmt: skip


def _relations(name: str, column: str, signs: Mapping[str, str]) -> Callable[[bytes], Mapping[str, Expected]]:
    return lambda content: {
        name: frame(texts(content), "SMILES", "IC50 (nM)", pic50, lambda row: signs.get(row[column], "="))
    }


def _each(content: bytes) -> Mapping[str, Expected]:
    table = texts(content)
    return {
        "each_ic50": frame(table, "SMILES", "IC50 (nM)", pic50, lambda row: row["IC50 rel"] or "="),
        "each_ki": frame(table, "SMILES", "Ki (nM)", pic50, lambda row: row["Ki rel"] or "="),
    }


def _behind(content: bytes) -> Mapping[str, Expected]:
    names = ["SMILES", "IC50", "rel A", "Unit A", "Ki", "rel B", "Unit B"]
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, header=0, names=names)
    units = {"nM": 1.0, "uM": 1000.0}
    return {
        f"behind_{name.lower()}": frame(
            table, "SMILES", name, lambda value, row, each=letter: pic50(value * units[row[f"Unit {each}"]]),  # type: ignore[misc]
            lambda row, each=letter: row[f"rel {each}"] or "=",  # type: ignore[misc]
        )
        for name, letter in (("IC50", "A"), ("Ki", "B"))
    }  # fmt: skip


def _nines(content: bytes) -> Mapping[str, Expected]:
    return {"nines": _rows(("CCO", "not measured"), ("CCN", -5.0), ("CCC", -7.0), ("CCCC", "not measured"))}


def _again(content: bytes) -> Mapping[str, Expected]:
    return {"again": Expected([
        (str(key_of("CCO")), 5.1), (str(key_of("CCN")), 6.2), ("", "empty value"), ("", "invalid-smiles"),
        (str(key_of("CCC")), 7.5),
    ])}  # fmt: skip


def _binding(content: bytes) -> Mapping[str, Expected]:
    table = texts(content, sep="\t")
    return {f"binding_{name.lower()}": frame(table, "Ligand SMILES", f"{name} (nM)", pic50) for name in ("IC50", "Ki")}


def _v3000() -> bytes:
    parts = []
    for smiles, value in (("CCO", "5.1"), ("CCN", "6.2"), ("C[C@H](O)F", "7")):
        block: str = Chem.MolToV3KMolBlock(Chem.MolFromSmiles(smiles))
        parts.append(f"{block}>  <pIC50>\n{value}\n\n$$$$\n")
    return "".join(parts).encode()


BROKEN_BLOCK = b"\n  x\n\n 99 99  0  0  0  0            999 V2000\nM  END\n>  <pIC50>\n6\n\n$$$$\n"


def _book(*sheets: tuple[str, str, list[list[Any]]]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for title, state, rows in sheets:
        sheet = book.create_sheet(title)
        sheet.sheet_state = state
        for row in rows:
            sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


TWO_ROWS: list[list[Any]] = [["SMILES", "pIC50"], ["CCO", 5.1], ["CCN", 6.2]]
OTHERS: list[list[Any]] = [["SMILES", "pIC50"], ["CCBr", 9], ["CCF", 9]]

HOSTILE = (
    LabFile("comments.csv", "comments above the header", COMMENTS.encode,
            simple("SMILES", "pIC50", "comments", skiprows=2)),
    LabFile("around.csv", "a spread or a count behind each value", AROUND.encode,
            simple("SMILES", "IC50 (nM)", "around", pic50, number=_signed)),
    LabFile("about.csv", "about, greater than, and a sign as HTML writes it", ABOUT.encode, _about),
    LabFile("limits.csv", "<LOD, ND, NT, #N/A, BLQ", LIMITS.encode, _limits),
    LabFile("days.csv", "days of which nobody knows the month", DAYS.encode, simple("SMILES", "pIC50", "days")),
    LabFile("thin.csv", "thin blanks between thousands", THIN.encode, simple(
        "SMILES", "IC50 (nM)", "thin", pic50, number=lambda text: float(text.replace("\u2009", "")), sep=";")),
    LabFile("swiss.csv", "apostrophes of two kinds between thousands", SWISS.encode, simple(
        "SMILES", "IC50 (nM)", "swiss", pic50,
        number=lambda text: float(text.replace("'", "").replace("\u2019", "")), sep=";")),
    LabFile("places.csv", "extended SMILES with coordinates", PLACES.encode, lambda content: {
        "places": _rows(("CCO", 5.1), ("CCN", 6.0), ("CCC", 7.0))}),
    LabFile("by_row.csv", "a unit per row, with both signs for micro, per litre and in words", BY_ROW.encode,
            simple("SMILES", "IC50", "by_row", lambda value, row: pic50(value * IN_NM[row["Unit"]]))),
    LabFile("greek.csv", "the Greek letter for micro", GREEK.encode,
            simple("SMILES", "IC50 (\u03bcM)", "greek", lambda value, row: pic50(1000 * value))),
    LabFile("per_litre.csv", "a unit at the end of the column's name", PER_LITRE.encode,
            simple("SMILES", "IC50_nmol_L", "per_litre", pic50)),
    LabFile("logged.csv", "negative values below IC50 (nM): a logarithm that nobody mentions, so no unit is believed",
            LOGGED.encode, simple("SMILES", "IC50 (nM)", "logged")),
    LabFile("tens.csv", "powers of ten as people write them", TENS.encode, simple(
        "SMILES", "IC50 (M)", "tens", lambda value, row: pic50(value * 1e9), number=_tens)),
    LabFile("hard.csv", "hard blanks in the header and around cells", HARD.encode,
            simple("SMILES", "IC50\u00a0(nM)", "hard", pic50)),
    LabFile("breaks.csv", "line breaks and quotes in a comment", BREAKS.encode, simple("SMILES", "pIC50", "breaks")),
    LabFile("words.csv", "signs as GT, LT and EQ", WORDS.encode, _relations(
        "words", "Qualifier", {"GT": ">", "LT": "<"})),
    LabFile("entities.csv", "signs as HTML writes them", ENTITIES.encode, _relations(
        "entities", "Relation", {"&gt;": ">", "&lt;": "<"})),
    LabFile("each.csv", "a column of signs for each assay", EACH.encode, _each, ("--name", "each")),
    LabFile("behind.csv", "unnamed signs and units behind each assay", BEHIND.encode, _behind, ("--name", "behind")),
    LabFile("nines.csv", "-9999 for no value", NINES.encode, _nines),
    LabFile("two_encodings.csv", "UTF-8 and cp1252 in one file", lambda: TWO_ENCODINGS, lambda content: {
        "two_encodings": _rows(*[(smiles, pic50(1000 * value)) for smiles, value in (
            ("CCO", 5.1), ("CCN", 6.2), ("CCC", 7.0))])}),
    LabFile("again.csv", "the header repeated below the first plate", AGAIN.encode, _again),
    LabFile("binding.tsv", "BindingDB's columns", BINDING.encode, _binding, ("--name", "binding")),
    LabFile("indexed.csv", "a data frame's index", INDEXED.encode, simple("SMILES", "pIC50", "indexed")),
    LabFile("v3000.sdf", "an SDF of version 3000", _v3000, lambda content: {
        "v3000": _rows(("CCO", 5.1), ("CCN", 6.2), ("C[C@H](O)F", 7.0))}),
    LabFile("late.sdf", "an SDF whose first molecule has no property", lambda: sdf(
        ("CCO", {}), ("CCN", {"pIC50": "6.2"}), ("CCC", {"pIC50": "7"})), lambda content: {
        "late": _rows(("", "empty value"), ("CCN", 6.2), ("CCC", 7.0))}),
    LabFile("broken.sdf", "an SDF with a block that breaks off", lambda: sdf(("CCO", {"pIC50": "5"})) + BROKEN_BLOCK
            + sdf(("CCC", {"pIC50": "7"})), lambda content: {
        "broken": _rows(("CCO", 5.0), ("", "invalid-structure"), ("CCC", 7.0))}),
    LabFile("lists.csv", "semicolons, and lists with commas in cells (python/cpython#119123)", LISTS.encode,
            simple("smiles", "pIC50", "lists", sep=";")),
    LabFile("nameless.sdf", "an SDF with a property without a name (rdkit/rdkit#9068)", lambda: sdf(
        ("CCO", {"a": "x", "": "2", "pIC50": "5.1"}), ("CCN", {"pIC50": "6.2"})), lambda content: {
        "nameless": _rows(("CCO", 5.1), ("CCN", 6.2))}),
    LabFile("tight.sdf", "an SDF without a blank line before its separators (rdkit/rdkit#5467)", lambda: sdf(
        ("CCO", {"pIC50": "5.1"}), ("CCN", {"pIC50": "6.2"})).replace(b"\n\n$$$$", b"\n$$$$"), lambda content: {
        "tight": _rows(("CCO", 5.1), ("CCN", 6.2))}),
    LabFile("cut.sdf", "an SDF that breaks off in a number (rdkit/rdkit#2485)", lambda: sdf(
        ("CCO", {"pIC50": "5.1"}), ("CCN", {"pIC50": "6.2"}), ("CCC", {"pIC50": "7.25"})).removesuffix(
        b"25\n\n$$$$\n"), lambda content: {"cut": _rows(("CCO", 5.1), ("CCN", 6.2), ("", "empty value"))}),
    LabFile("rates.csv", "one unit in all rows, which converts into no other",
            b"smiles,Value,Unit\nCCO,12,mL.min-1.g-1\nCCN,30,mL.min-1.g-1\n".__bytes__,
            simple("smiles", "Value", "rates")),
    LabFile("hidden.xlsx", "Excel: a hidden sheet comes first", lambda: _book(
        ("old", "hidden", OTHERS), ("data", "visible", TWO_ROWS)), lambda content: {
        "hidden": _rows(("CCO", 5.1), ("CCN", 6.2))}),
    LabFile("offset.xlsx", "Excel: a table that begins in C3", lambda: workbook(
        [], [], [None, None, "SMILES", "pIC50"], [None, None, "CCO", 5.1], [None, None, "CCN", 6.2]),
        lambda content: {"offset": _rows(("CCO", 5.1), ("CCN", 6.2))}),
    LabFile("eaten.xlsx", "Excel: 5.2 that became a day", lambda: workbook(
        ["SMILES", "pIC50"], ["CCO", 5.1], ["CCN", dt.date(2026, 2, 5)], ["CCC", 6.2]), lambda content: {
        "eaten": _rows(("CCO", 5.1), ("", "not a number"), ("CCC", 6.2))}),
)  # fmt: skip


class Refused(NamedTuple):
    """A file of which nothing is made: what it is, and words of the message."""

    name: str
    title: str
    content: bytes
    message: str


def _archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "SMILES,pIC50\nCCO,5.1\n")
    return stream.getvalue()


REFUSED = (
    Refused("sheets.xlsx", "two sheets with a table", _book(("a", "visible", TWO_ROWS), ("b", "visible", OTHERS)),
            "--sheet"),
    Refused("tables.xlsx", "two tables in one sheet", workbook(
        *TWO_ROWS, [], ["SMILES", "IC50 (nM)"], ["CCC", 100], ["CCCC", 200]), "several tables in one file or sheet"),
    Refused("locked.xlsx", "a workbook with a password", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000), "password"),
    Refused("text.xlsx", "a CSV called .xlsx", b"SMILES,pIC50\nCCO,5.1\n", "save it as CSV"),
    Refused("chembl.json", "ChEMBL's JSON", b'{"activities": [{"canonical_smiles": "CCO"}]}', "got JSON"),
    Refused("page.csv", "a page called .csv", b"<html><table><tr><td>SMILES</td></tr></table></html>", "got HTML"),
    Refused("two.zip", "an archive of two files", _archive("a.csv", "b.csv"), "one file in the ZIP archive"),
    Refused("empty.csv", "nothing", b"", "empty file"),
    Refused("header.csv", "a header alone", b"SMILES,pIC50\n", "expected a column of numbers"),
    Refused("nul.csv", "NUL bytes", b"SMILES,pIC50\nCCO,5.1\0\nCCN,6\n", "binary content"),
    Refused("unmarked.csv", "UTF-16 without its mark", "SMILES,pIC50\nCCO,5.1\n".encode("utf-16-le"),
            "save it as UTF-8"),
    Refused("names.csv", "names and no structures", b"Compound,pIC50\naspirin,5.1\ncaffeine,4\n", "looks like SMILES"),
    Refused("twice_named.csv", "one name twice", b"SMILES,value,value\nCCO,5.1,100\nCCN,6.2,200\n", "is there twice"),
    Refused("twice_signed.csv", "two columns of signs with one name",
            b"SMILES,Relation,IC50 (nM),Relation,Ki (nM)\nCCO,>,5,,6\nCCN,,7,<,8\n", "got 'Relation' twice"),
    Refused("odd_signs.csv", "signs that nobody knows", b"SMILES,Qualifier,IC50 (nM)\nCCO,A,5\nCCN,B,6\nCCC,A,7\n",
            "Which rows are meant?"),
    Refused("clearances.csv", "two units that do not convert (mindrank-ai/PharmaBench#1)", b"Smiles,Standard Value,"
            b"Standard Units\nCCO,12,mL.min-1.g-1\nCCN,30,mL.min-1.kg-1\n", "Which rows are meant?"),
    Refused("either.csv", "1,5 beside 2.5", b"SMILES;IC50 (nM)\nCCO;1,5\nCCN;2.5\nCCC;3\n", "Say which: --decimal"),
    Refused("thousand.csv", "1,500 alone", b"SMILES;IC50 (nM)\nCCO;1,500\nCCN;2,500\nCCC;3\n", "Say which: --decimal"),
    Refused("some_percent.csv", "percent in one cell alone", b"SMILES,fu\nCCO,5%\nCCN,0.5\nCCC,0.01\n", "Say --unit"),
    Refused("shifted.csv", "rows with a cell more than the header", b"SMILES,pIC50\n0,CCO,5.1\n1,CCN,6.2\n",
            "row 1 has 3 cells"),
    Refused("open.csv", "a quote that is never closed", b'SMILES,Name,pIC50\nCCO,"5 inch,5.1\nCCN,b,6.2\n', "line 3"),
    Refused("japanese.csv", "Shift JIS", "SMILES,\u540d\u524d,pIC50\nCCO,\u5316\u5408\u7269,5.1\n".encode("shift-jis"),
            "Use another --encoding"),
)  # fmt: skip
