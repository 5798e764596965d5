"""What intervals need where values come from assays that were withheld: decided here, not on the sources of solubility.

Collection: IC50 of hERG by the description of the assay (`herg/ChEMBL_hERG_raw.csv.gz`), 460 of them. Trained on are
single assays with 60 molecules or more, or 60 assays drawn; asked are 1,500 molecules of all others that the training
set does not hold. The model is a kernel ridge regression on the bits that measure likeness: seconds, not hours, and the
rules see of a model no more than its predictions. Compared: the factor of nine tenths of all held-out errors, that of
the hardest fold, and either with the spread between assays added as variances are (the standard deviation of one
molecule's values, of molecules that assays beside those of training share); folds by scaffold, and by assay.

`python -m tests.benchmarks.bench_assays FOLDER [--write]`; FOLDER holds the public collections, and `--write` puts the
table into `docs/uncertainty.md`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule, inchikey, parse_molecule, scaffold
from model_zoo.chemistry.similarity import tanimoto_nearest
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.policies import fingerprints
from model_zoo.uncertainty.conformal import WITHIN, conformal_half_width, fit_interval_rule
from model_zoo.uncertainty.error_model import NEIGHBOURS, difficulty, held_out_difficulty
from model_zoo.uncertainty.property_distance import PropertySpace
from model_zoo.uncertainty.reliability import fit_levels, held_out_expectations
from model_zoo.uncertainty.withheld_report import BINS, fifths
from tests.benchmarks.bench_uncertainty import DOCUMENT
from tests.benchmarks.marked_table import write_between
from tests.benchmarks.withheld import dealt, hardest

UNNAMED = "Inhibition of human ERG"
"""Nine hundred molecules of many laboratories under one description: never trained on, always among the withheld."""
LARGE, DRAWN, DRAWS, ASKED, FOLDS, RIDGE = 60, 60, 8, 1500, 5, 0.1


@dataclass(frozen=True)
class Collection:
    """Measured values by molecule and assay, and how the molecules look."""

    table: pd.DataFrame
    packed: np.ndarray
    kinds: np.ndarray
    scaffolds: np.ndarray
    likeness: np.ndarray


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    known = read(asked.folder / "herg" / "ChEMBL_hERG_raw.csv.gz")
    found: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    for kind, assays in chosen(known.table):
        for folds in ("scaffold", "assay") if kind == "60 assays" else ("scaffold",):
            for rule, numbers in held(known, assays, folds):
                found[f"{kind}, folds by {folds}", rule].append(numbers)
    lines = [
        "| trained on | factor of | runs | molecules | coverage | by fifth of expected error | width |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (kind, rule), runs in found.items():
        count, coverage, width, *bins = np.mean(runs, axis=0)
        fifth = " ".join(f"{100 * each:.0f}" for each in bins)
        lines.append(f"| {kind} | {rule} | {len(runs)} | {count:.0f} | **{coverage:.1%}** | {fifth} | {width:.2f} |")
    print("\n".join(lines))
    if asked.write:
        write_between(DOCUMENT, "assays", lines)


def read(path: Path) -> Collection:
    """Read exact values, a molecule once in each assay."""
    raw = pd.read_csv(path)
    raw = raw[(raw.standard_relation == "=") & (raw.standard_type == "IC50") & (raw.standard_value > 0)]
    read_once = {text: parse_molecule(text) for text in raw.canonical_smiles.unique()}
    values = 9 - np.log10(raw.standard_value)
    rows = [
        (inchikey(molecule.mol)[:14], assay, molecule.smiles, value)
        for text, assay, value in zip(raw.canonical_smiles, raw.description, values, strict=True)
        if isinstance(molecule := read_once[text], Molecule) and 2 < value < 11
    ]
    table = pd.DataFrame(rows, columns=["key", "assay", "smiles", "value"])
    table = table.groupby(["key", "assay"]).agg(smiles=("smiles", "first"), value=("value", "median")).reset_index()
    names, first = np.unique(table["key"], return_index=True)
    molecules = [Molecule(text, Chem.MolFromSmiles(text)) for text in table["smiles"].iloc[first]]
    table["place"] = np.searchsorted(names, table["key"])
    packed = fingerprints(molecules)
    bits = np.unpackbits(packed, axis=1).astype(np.float32)
    common, sizes = bits @ bits.T, bits.sum(axis=1)
    likeness = common / (sizes[:, None] + sizes[None] - common)
    scaffolds = np.array([scaffold(each.mol) or each.smiles for each in molecules])
    return Collection(table, packed, size_and_kind(molecules), scaffolds, likeness)


def chosen(table: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    """Yield which assays are trained on."""
    sizes = table.groupby("assay").size().drop(UNNAMED)
    for name in sizes.index[sizes >= LARGE]:
        yield "one assay", [name]
    generator = np.random.default_rng(0)
    for _ in range(DRAWS):
        yield "60 assays", list(generator.permutation(sizes.index.to_numpy())[:DRAWN])


def held(known: Collection, assays: list[str], kind: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield per rule: training molecules, coverage, width against constants, and coverage by fifth."""
    inside = known.table["assay"].isin(assays)
    train = known.table[inside].groupby("place").agg(value=("value", "median"), assay=("assay", "first"))
    others = known.table[~inside & ~known.table["place"].isin(train.index)].drop_duplicates("place")
    asked = others.sample(min(ASKED, len(others)), random_state=0)
    rows, y, new = train.index.to_numpy(), train["value"].to_numpy(), asked["place"].to_numpy()
    groups = known.scaffolds[rows] if kind == "scaffold" else train["assay"].to_numpy()
    folds = dealt(groups, FOLDS, seed=0)
    out_of_fold = np.empty(len(y))
    for fold in range(FOLDS):
        out = folds == fold
        out_of_fold[out] = predicted(known.likeness, rows[~out], y[~out], rows[out])
    errors, real = np.abs(out_of_fold - y), np.abs(predicted(known.likeness, rows, y, new) - asked["value"].to_numpy())
    hard = held_out_difficulty(known.packed[rows], errors, folds, known.kinds[rows])
    near, found = tanimoto_nearest(known.packed[new], known.packed[rows], NEIGHBOURS)
    space, ceiling = PropertySpace(known.kinds[rows]), float(np.abs(y - y.mean()).mean())
    rule = fit_interval_rule(hard, errors, folds, ceiling=ceiling)
    assert rule is not None
    levels = fit_levels(held_out_expectations(hard, errors, folds, ceiling), errors, hard)
    signals = difficulty(near, errors[found], space.distance(known.kinds[new]))
    expected, _, _ = levels.place(rule, signals, space.beyond(known.kinds[new]))
    for name, factor in (("all folds", rule.factor), ("the hardest fold", hardest(hard, errors, folds, ceiling))):
        for between, words in ((0.0, ""), (spread(known.table[~inside]), " and spread")):
            widths, places = np.hypot(factor * expected, WITHIN * between), fifths(expected)
            holds, parts = real <= widths, [places == place for place in range(BINS)]
            constant = np.median([conformal_half_width(real[parts[place]]) for place in places])
            yield (
                name + words,
                (len(y), holds.mean(), np.median(widths) / constant, *(holds[part].mean() for part in parts)),
            )


def predicted(likeness: np.ndarray, known: np.ndarray, values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Predict by a kernel ridge regression."""
    middle = values.mean()
    system = likeness[np.ix_(known, known)] + RIDGE * np.eye(len(known))
    return np.asarray(likeness[np.ix_(asked, known)] @ np.linalg.solve(system, values - middle) + middle)


def spread(table: pd.DataFrame) -> float:
    """Return the standard deviation of one molecule's values between assays."""
    each = table.groupby("place")["value"].agg(["var", "count"])
    each = each[each["count"] > 1]
    return float(np.sqrt((each["var"] * (each["count"] - 1)).sum() / (each["count"] - 1).sum()))


if __name__ == "__main__":
    main()
