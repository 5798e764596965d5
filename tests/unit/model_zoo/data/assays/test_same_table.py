"""One table in many notations: whatever its unit, signs, file and order, the same values come of it."""

from __future__ import annotations

import io
import math
import random
from itertools import count
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from ai_drug_assets.operations.own_assays import FileIs, look_at
from ai_drug_assets.settings import Settings
from model_zoo.config.endpoint import Endpoint
from model_zoo.data.assays.proposal import Answers
from model_zoo.data.curation import curate
from model_zoo.data.sources import read_source
from tests.lab_files import sdf

MEASURED = (
    ("Oc1ccccc1", "=", 1234.5), ("c1ccncc1CN", "=", 0.62), ("CC(=O)Nc1ccccc1", ">", 10000.0),
    ("C[C@H](N)Cc1ccccc1", "=", 48.0), ("OC(=O)c1ccccc1O", "=", 7.25), ("CCN(CC)CC", "<", 0.5),
    ("Clc1ccc(Cl)cc1", "=", 33000.0),
)  # fmt: skip
"""Structure, sign and IC50 in nM."""
PER_NM = {"nM": 1.0, "uM": 1e-3, "µM": 1e-3, "mM": 1e-6, "M": 1e-9, "nmol/L": 1.0, "pM": 1e3}
FLIPPED = {"=": "=", "<": ">", ">": "<"}
TABLES = ("csv", "semicolons", "tabs", "utf-16", "marked", "xlsx", "parquet", "sdf")
_number = count()

pytestmark = pytest.mark.filterwarnings("ignore")


def wanted() -> dict[str, tuple[float, str]]:
    """Return what is right, by RDKit's own key: pIC50, and the sign that it turns."""
    return {
        Chem.MolToInchiKey(Chem.MolFromSmiles(smiles)): (9 - math.log10(value), FLIPPED[sign])  # type: ignore[no-untyped-call]
        for smiles, sign, value in MEASURED
    }


def notation(smiles: str, kind: str, seed: int) -> str:
    """Write a structure otherwise."""
    mol = Chem.MolFromSmiles(smiles)
    if kind == "kekulized":
        Chem.Kekulize(mol, clearAromaticFlags=True)
        return str(Chem.MolToSmiles(mol, kekuleSmiles=True))
    if kind == "hydrogens":
        return str(Chem.MolToSmiles(Chem.AddHs(mol)))
    if kind == "extended":
        return str(Chem.MolToCXSmiles(mol))
    return f"{Chem.MolToRandomSmilesVect(mol, 1, randomSeed=seed)[0]}{'.Cl' if kind == 'salt' else ''}"


def written(rows: list[tuple[str, str, float]], unit: str, signs: str, units: str, decimal: str) -> pd.DataFrame:
    """Return a table of texts: a unit in the heading, in a column or in cells, a sign in a column or in cells."""
    made: dict[str, list[str]] = {"ID": [], "SMILES": []}
    heading = "pIC50" if unit == "pIC50" else "IC50" if units != "heading" else f"IC50 ({unit})"
    for number, (smiles, known, value) in enumerate(rows):
        amount = 9 - math.log10(value) if unit == "pIC50" else float(f"{value * PER_NM[unit]:.12g}")
        sign = FLIPPED[known] if unit == "pIC50" else known
        text = repr(amount).replace(".", decimal)
        cell = f"{sign if signs == 'cell' and sign != '=' else ''}{text}{f' {unit}' if units == 'cell' else ''}"
        for name, each in {"ID": f"A-{number}", "SMILES": smiles, heading: cell}.items():
            made.setdefault(name, []).append(each)
        if signs == "column":
            made.setdefault("Qualifier", []).append(sign)
        if units == "column":
            made.setdefault("Unit", []).append(unit)
    return pd.DataFrame(made)


def saved(table: pd.DataFrame, kind: str, folder: Path) -> Path:
    """Write a table into a file of a kind."""
    name = {"xlsx": "t.xlsx", "parquet": "t.parquet", "sdf": "t.sdf", "tabs": "t.tsv"}.get(kind, "t.csv")
    path = folder / name
    if kind == "parquet":
        table.to_parquet(path)
    elif kind == "sdf":
        rest = [name for name in table.columns if name != "SMILES"]
        path.write_bytes(sdf(*[(row["SMILES"], {name: row[name] for name in rest}) for _, row in table.iterrows()]))
    elif kind == "xlsx":
        book = openpyxl.Workbook()
        sheet: Any = book.active
        sheet.append(list(table.columns))
        for _, row in table.iterrows():
            sheet.append([_cell(text) for text in row])
        book.save(path)
    else:
        stream = io.StringIO()
        table.to_csv(stream, index=False, sep={"semicolons": ";", "tabs": "\t"}.get(kind, ","), lineterminator="\r\n")
        encoding = {"utf-16": "utf-16", "marked": "utf-8-sig"}.get(kind, "utf-8")
        path.write_bytes(stream.getvalue().encode(encoding))
    return path


def _cell(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


@settings(max_examples=40)
@given(
    unit=st.sampled_from([*PER_NM, "pIC50"]), kind=st.sampled_from(TABLES), signs=st.sampled_from(["cell", "column"]),
    units=st.sampled_from(["heading", "column", "cell"]), seed=st.integers(0, 10_000),
    structure=st.sampled_from(["random", "kekulized", "hydrogens", "extended", "salt"]),
)  # fmt: skip
def test_every_notation_of_a_table_gives_its_values(
    tmp_path_factory: pytest.TempPathFactory, unit: str, kind: str, signs: str, units: str, seed: int, structure: str
) -> None:
    """Unit, place of unit and sign, file, decimals, order of rows and notation of structures change no value."""
    rows = [(notation(smiles, structure, seed), sign, value) for smiles, sign, value in MEASURED]
    random.Random(seed).shuffle(rows)
    decimal = "," if kind == "semicolons" else "."
    units = "heading" if unit == "pIC50" else units
    path = saved(written(rows, unit, signs, units, decimal), kind, tmp_path_factory.mktemp("table"))
    look = look_at(Settings.from_env(), path, (), Answers(name=f"t{next(_number)}"), FileIs())
    (made,) = look.proposals

    assert made.questions == []
    made.content["curation"] = {**made.content["curation"], "censored": "keep_bound"}
    config = Endpoint.model_validate(made.content).dataset
    raw = read_source(config.source, path.parent)
    table, _ = curate(raw, config.curation, task=config.task, source_unit=config.source_unit, unit=config.unit)

    assert config.unit == "pIC50"
    got = {
        key: (value, sign)
        for key, value, sign in zip(table["inchikey"], table["value"], table["relation"], strict=True)
    }
    right = wanted()
    assert got.keys() == right.keys()
    assert {key: sign for key, (_, sign) in got.items()} == {key: sign for key, (_, sign) in right.items()}
    assert all(got[key][0] == pytest.approx(right[key][0], abs=1e-9) for key in right)
