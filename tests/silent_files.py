"""Files of which wrong values were once made in silence: as `tests/lab_files.py` has the others."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import _CalcMolWt

from tests.hostile_files import Refused
from tests.lab_files import Expected, LabFile, frame, key_of, pic50, sdf, simple, texts, workbook

AT_TEN = "SMILES,% inhibition at 10 uM\nCCO,12\nCCN,55\nCCC,90.5\n"
BASE_TWO = "SMILES,log2 IC50 (nM)\nCCO,3.5\nCCN,5\nCCC,9\n"
DOTTED = "SMILES,log.IC50.nM\nCCO,3.5\nCCN,1\nCCC,2.25\n"
LOWERED = "SMILES,log₁₀ IC₅₀ (nM)\nCCO,3.5\nCCN,1\nCCC,2.25\n"
SOLUBLE = "SMILES,IC50 (nM),Solubility (uM)\nCCO,5,100\nCCN,6,25.5\nCCC,9,50\n"
SUBHEADINGS = (
    "SMILES,hERG,,CYP3A4,\n,IC50 (uM),rel,IC50 (nM),rel\nCCO,5,>,7,=\nCCN,6,=,8,<\nCCC,9,=,9.5,=\nCCF,2,=,1,=\n"
)
PUBCHEM = "PUBCHEM_RESULT_TAG,PUBCHEM_CID,PUBCHEM_EXT_DATASOURCE_SMILES,PUBCHEM_ACTIVITY_OUTCOME,"
PUBCHEM += """PUBCHEM_ACTIVITY_SCORE,IC50
RESULT_TYPE,,,,,FLOAT
RESULT_DESCR,,,,,The IC50 value
RESULT_UNIT,,,,,MICROMOLAR
RESULT_ATTR_CONC_MICROMOL,,,,,10
1,6603008,CCO,Active,42,1.5
2,6602571,CCN,Inactive,0,50
3,6602616,CCC,Active,50,0.3
"""
PUBLISHED = (
    "molecule_chembl_id,canonical_smiles,relation,standard_relation,standard_type,standard_units,standard_value,units,"
    "value,data_validity_comment\n"
    "C1,CCO,=,=,IC50,nM,100,uM,0.1,\nC2,CCN,>,>,IC50,nM,3000,uM,3,\nC3,CCC,=,=,IC50,nM,50,nM,50,\n"
)
OPERATORS = "SMILES,IC50 Operator,IC50 (nM)\nCCO,>,1000\nCCN,N/A,50\nCCC,N/A,25\nCCF,=,30\n"
NINES = "SMILES;logS\nCCO;-999,00\nCCN;-5,5\nCCC;-7,25\nCCF;-9999,0\n"
SALTS = (
    "SMILES,IC50,Unit\nCCCN(C)CCO.Cl,5,ug/mL\nCCCCN(C)C.CCCCN(C)C.OS(=O)(=O)O,6,ug/mL\n"
    "CCCC(=O)[O-].CCCC(=O)[O-].[Ca+2],7,ug/mL\nCCC,800,nM\nCCF,80,nM\nCCBr,8,nM\nCCI,90,nM\n"
)
COPIES = {"CCCCN(C)C.CCCCN(C)C.OS(=O)(=O)O": 2, "CCCC(=O)[O-].CCCC(=O)[O-].[Ca+2]": 2}
VALIDITY = (
    "Smiles,Data Validity Comment,pIC50\nCCO,,5\nCCN,Potential transcription error,9\n"
    "CCC,Outside typical range,1\nCCF,,7\n"
)
DIRECTIONS = "SMILES,Direction,Papp (nm/s)\nCCO,A-B,15\nCCO,B-A,55\nCCN,A-B,20\nCCN,B-A,12\n"
CONC_UNIT = "SMILES,Concentration,Conc Unit,Inhibition\nCCO,10,uM,55\nCCN,10,uM,12\nCCC,10,uM,90\n"
BY_ROW = "SMILES,Solubility,Unit\nCCO,7,uM\nCCN,6,uM\nCCC,5000,nM\n"
PLUS_MINUS = "SMILES,hERG\nCCO,1\nCCN,-1\nCCC,1\nCCF,-1\n"
CUT = "SMILES,pIC50\nCCCCCO…,5.5\nCCN,6\n\N{CYRILLIC CAPITAL LETTER ES}CO,7\nCCC\N{ZERO WIDTH SPACE},8\n"
ISOMERS = "CanonicalSMILES,IsomericSMILES,pIC50\nCC(F)O,C[C@H](F)O,5\nCC(F)O,C[C@@H](F)O,6\nCCO,CCO,7\n"


def _formats() -> bytes:
    rows: list[list[Any]] = [["SMILES", "IC50"], ["CCO", 10000], ["CCN", 97.5], ["CCC", 3], ["CCF", 0], ["CCBr", 40]]
    shown = {"B2": '">"0" nM"', "B3": '0.0" nM"', "B4": '0.0" µM"', "B5": '0.0;-0.0;"n.d."', "B6": '[>30]0" nM";0" µM"'}
    return workbook(*rows, formats=shown)


def _percentages() -> bytes:
    return workbook(
        ["SMILES", "PPB (%)"], ["CCO", 50], ["CCN", 0.975], ["CCC", 3.5], formats={"B2": '0.0"%"', "B3": "0.0%"}
    )


def _alias() -> bytes:
    named = sdf(("CCO", {"pIC50": "5.1"}), ("CCN", {"pIC50": "6.2"}), ("CCC", {"pIC50": "7"})).decode().split("M  END")
    return "M  END".join([named[0], f"{named[1]}A    1\nBoc\n", f"{named[2]}A    1\nCH3\n", named[3]]).encode()


def _rows(*rows: tuple[str, float | str]) -> Expected:
    return Expected([(what if isinstance(value, str) else str(key_of(what)), value) for what, value in rows])


def _after(reason: str, *rows: tuple[str, float | str]) -> Expected:
    """Return rows after the four that PubChem writes below its header."""
    return Expected([*[("", reason)] * 4, *rows])


def _micro(value: float, row: Any = None) -> float:
    return pic50(1000 * value)


def _subheadings(content: bytes) -> Mapping[str, Expected]:
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, header=0, names=list("SaAbB"))[1:]
    first = ("", "empty")
    herg = frame(table, "S", "a", _micro, lambda row: row["A"])
    cyp = frame(table, "S", "b", pic50, lambda row: row["B"])
    return {"herg": Expected([first, *herg.rows]), "cyp3a4": Expected([first, *cyp.rows])}


def _pubchem(content: bytes) -> Mapping[str, Expected]:
    table, smiles = texts(content)[4:], "PUBCHEM_EXT_DATASOURCE_SMILES"
    labels = {"Active": 1.0, "Inactive": 0.0}
    classes = [(str(key_of(row[smiles])), labels[row["PUBCHEM_ACTIVITY_OUTCOME"]]) for _, row in table.iterrows()]
    return {
        "ic50": _after("empty", *frame(table, smiles, "IC50", _micro).rows),
        "pubchem_activity_outcome": _after("empty value", *classes),
    }


def _weighed(value: float, row: Any) -> float:
    """Bring nM or ug/mL to pIC50: of a salt with two molecules of it each has half of the weight."""
    text = row["SMILES"]
    if row["Unit"] == "nM":
        return pic50(value)
    weight = _CalcMolWt(Chem.MolFromSmiles(text)) / COPIES.get(text, 1)
    return -math.log10(value * 1e-3 / weight)


SILENT = (
    LabFile("shown_signs.xlsx", "Excel: signs and units by the format of cells", _formats, lambda content: {
        "shown_signs": _rows(("CCO", "censored"), ("CCN", pic50(97.5)), ("CCC", pic50(3000)), ("CCF", "not measured"),
                             ("CCBr", pic50(40)))}),
    LabFile("shown_percent.xlsx", "Excel: a percent sign that multiplies, and one that is text", _percentages,
            lambda content: {"shown_percent": _rows(("CCO", 50.0), ("CCN", 97.5), ("CCC", 3.5))}),
    LabFile("text_comma.xlsx", "Excel: 1,5 as text beside numbers", lambda: workbook(
        ["SMILES", "IC50 (nM)"], ["CCO", "1,5"], ["CCN", 12.5], ["CCC", 3]), lambda content: {
        "text_comma": _rows(("CCO", pic50(1.5)), ("CCN", pic50(12.5)), ("CCC", pic50(3)))}),
    LabFile("ic50_at_ten.csv", "the concentration in the name", AT_TEN.encode, simple(
        "SMILES", "% inhibition at 10 uM", "ic50_at_ten")),
    LabFile("base_two.csv", "logarithms of base two: no unit is believed", BASE_TWO.encode, simple(
        "SMILES", "log2 IC50 (nM)", "base_two")),
    LabFile("dotted.csv", "a logarithm in a name with dots", DOTTED.encode, simple("SMILES", "log.IC50.nM", "dotted")),
    LabFile("ic50_lowered.csv", "a logarithm with lowered digits", LOWERED.encode, simple(
        "SMILES", "log₁₀ IC₅₀ (nM)", "ic50_lowered")),
    LabFile("egfr_ic50.csv", "a solubility in a file that is called after a potency", SOLUBLE.encode, lambda content: {
        "ic50": frame(texts(content), "SMILES", "IC50 (nM)", pic50),
        "solubility": frame(texts(content), "SMILES", "Solubility (uM)")}),
    LabFile("subheadings.csv", "units and signs in a second row of headings", SUBHEADINGS.encode, _subheadings),
    LabFile("pubchem.csv", "PubChem's rows of types and units below the header", PUBCHEM.encode, _pubchem),
    LabFile("published.csv", "ChEMBL's API: published values beside standard ones", PUBLISHED.encode, lambda content: {
        "published": frame(texts(content), "canonical_smiles", "standard_value", pic50,
                           lambda row: str(row["standard_relation"]))}),
    LabFile("operators.csv", "N/A where a value has no sign", OPERATORS.encode, lambda content: {
        "operators": frame(texts(content), "SMILES", "IC50 (nM)", pic50,
                           lambda row: row["IC50 Operator"].replace("N/A", "="))}),
    LabFile("written_nines.csv", "-999,00 for no value", NINES.encode, lambda content: {
        "written_nines": _rows(("CCO", "not measured"), ("CCN", -5.5), ("CCC", -7.25), ("CCF", "not measured"))}),
    LabFile("two_of_it.csv", "by weight, of salts with two molecules of it", SALTS.encode, simple(
        "SMILES", "IC50", "two_of_it", _weighed)),
    LabFile("flagged.csv", "values that ChEMBL doubts", VALIDITY.encode, lambda content: {"flagged": frame(
        texts(content), "Smiles", "pIC50", skip=lambda row: row["Data Validity Comment"] != "")},
        ("--where", "Data Validity Comment=")),
    LabFile("directions.csv", "two directions of transport", DIRECTIONS.encode, lambda content: {"directions": frame(
        texts(content), "SMILES", "Papp (nm/s)", skip=lambda row: row["Direction"] != "A-B")},
        ("--where", "Direction=A-B")),
    LabFile("conc_unit.csv", "the unit of the concentration beside a value without one", CONC_UNIT.encode, simple(
        "SMILES", "Inhibition", "conc_unit")),
    LabFile("by_row_sol.csv", "a solubility with a unit per row, which is no potency", BY_ROW.encode, simple(
        "SMILES", "Solubility", "by_row_sol", lambda value, row: value / {"uM": 1, "nM": 1000}[row["Unit"]])),
    LabFile("cut_smiles.csv", "SMILES that a program cut (…), a letter that looks like C, a blank that nobody sees",
            CUT.encode, lambda content: {"cut_smiles": _rows(
                ("", "invalid-smiles"), ("CCN", 6.0), ("", "invalid-smiles"), ("CCC", 8.0))}),
    LabFile("isomers.csv", "PubChem's two SMILES, one of them without configurations", ISOMERS.encode, simple(
        "IsomericSMILES", "pIC50", "isomers")),
    LabFile("alias.sdf", "an SDF with atoms that are called Boc and CH3", _alias, lambda content: {
        "alias": _rows(("CCO", 5.1), ("", "incomplete-structure"), ("CCC", 7.0))}),
    LabFile("plus_minus.csv", "classes as 1 and -1", PLUS_MINUS.encode,
            lambda content: {"plus_minus": _rows(("CCO", 1.0), ("CCN", 0.0), ("CCC", 1.0), ("CCF", 0.0))}),
)  # fmt: skip

MANY = "".join(f"{'C' * (number % 7 + 1)}O,T{number},{number + 3}\n" for number in range(20))
CLASSES = "".join(f"{'C' * (number + 1)}O,{number % 3 - 1},{number % 2 + 1}\n" for number in range(24))
JOINED = sdf(("CCO", {"pIC50": "5.1"}), ("CCN", {"pIC50": "6.2"}), ("CCC", {"pIC50": "7"})).replace(b"$$$$\n", b"", 1)
REFUSED_TOO = (
    Refused("joined.sdf", "an SDF without $$$$ between two molecules", JOINED, "put a line $$$$ between two molecules"),
    Refused("three_classes.csv", "-1 beside 0 and 1", f"SMILES,hERG,Reference\n{CLASSES}".encode(),
            "'hERG' is left out, for it holds only -1, 0, 1, as classes do"),
    Refused("targets.csv", "twenty targets in one column", f"SMILES,Target,IC50 (nM)\n{MANY}".encode(),
            "'Target=TEXT'"),
    Refused("concentrations.csv", "two concentrations of each molecule", b"SMILES,Conc (uM),% Inhibition\nCCO,1,15\n"
            b"CCO,10,55\nCCN,1,2\nCCN,10,12\n", "Which rows are meant?"),
    Refused("mutants.csv", "two variants of a target", b"SMILES,Variant,pIC50\nCCO,WT,7\nCCO,T790M,5\nCCN,WT,6\n",
            "Which rows are meant?"),
    Refused("unnamed.csv", "two assays, and no other column of names", b"SMILES,Assay Name,pIC50\nCCO,hERG,5\n"
            b"CCN,Nav,6\nCCO,Nav,5.2\n", "Which rows are meant?"),
    Refused("censor.csv", "a flag for bounds", b"SMILES,Censor,IC50 (nM)\nCCO,1,1000\nCCN,0,50\nCCC,0,25\n",
            "'Censor=TEXT'"),
    Refused("doubted.csv", "values that ChEMBL doubts, and no word about them", VALIDITY.encode(),
            "'Data Validity Comment=TEXT'"),
    Refused("either_unit.csv", "pIC50 by its name, nM by another column", b"SMILES,pIC50,Unit\nCCO,7,nM\nCCN,6,nM\n",
            "correct one of them"),
    Refused("text_thousand.xlsx", "Excel: 1,500 as text beside numbers", workbook(
        ["SMILES", "IC50 (nM)"], ["CCO", "1,500"], ["CCN", 12.5], ["CCC", 3]), "Say which: --decimal"),
    Refused("swallowed.csv", "an inch sign that swallows a row", b'SMILES,Name,pIC50\nCCO,"5 inch,5.1\nCCN,5",6.2\n'
            b"CCC,x,7\n", "a quote makes one row of 2 lines"),
)  # fmt: skip
