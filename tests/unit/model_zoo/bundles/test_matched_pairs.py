"""Matched pairs: found as an enumeration by other means finds them, and kept in a bundle as data."""

from __future__ import annotations

import itertools
import json
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from model_zoo.bundles.matched_pairs import (
    FILE,
    Change,
    Differences,
    MatchedPairs,
    find_matched_pairs,
    read_matched_pairs,
)
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.chemistry.single_cuts import HYDROGEN
from model_zoo.errors import BundleError
from tests.bundle_factory import write

ENDS = ("", "C", "F", "Cl", "O", "N", "CC", "OC", "C(=O)O")
CORES = ("c1ccc({})cc1", "c1cncc({})c1", "c1ccc2cc({})ccc2c1", "C1CCC({})CC1", "c1cc({})cs1", "c1csc({})c1")


def series() -> list[Molecule]:
    """Return six rings with nine substituents each, in no order."""
    texts = [core.replace("({})", f"({end})" if end else "") for core in CORES for end in ENDS]
    random.Random(5).shuffle(texts)
    found = [parse_molecule(each) for each in texts]
    return list({each.smiles: each for each in found if isinstance(each, Molecule)}.values())


def canonical(smiles: str) -> str:
    """Write a SMILES in RDKit's way."""
    return str(Chem.MolToSmiles(Chem.MolFromSmiles(smiles)))


def enumerated(molecules: list[Molecule], values: np.ndarray) -> dict[tuple[str, str], list[float]]:
    """Find changes by cutting bonds with another function of RDKit, and comparing what stays: an oracle."""
    parts: dict[str, dict[str, int]] = defaultdict(dict)
    for row, molecule in enumerate(molecules):
        mol = molecule.mol
        whole = Chem.AddHs(mol)
        for bond in whole.GetBonds():
            if bond.IsInRing() or bond.GetBondTypeAsDouble() != 1.0:
                continue
            cut = Chem.RWMol(whole)
            ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            cut.RemoveBond(*ends)
            for end in ends:
                cut.AddBond(end, cut.AddAtom(Chem.Atom(0)), Chem.BondType.SINGLE)
            pieces = sorted(
                Chem.GetMolFrags(cut, asMols=True), key=lambda each: (each.GetNumHeavyAtoms(), Chem.MolToSmiles(each))
            )
            small, large = (canonical(Chem.MolToSmiles(each)) for each in pieces)
            if pieces[0].GetNumHeavyAtoms() <= 10:
                parts[large][small] = row
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for variables in parts.values():
        for (before, a), (after, b) in itertools.combinations(sorted(variables.items()), 2):
            if a != b:
                found[before, after].append(values[b] - values[a])
    return found


def plain(part: str) -> str:
    """Write a variable part as the oracle does."""
    return canonical("[H]*" if part == HYDROGEN else part.replace("[*:1]", "*"))


def test_changes_are_those_of_an_enumeration_by_other_means() -> None:
    """Each change that is reported has the pairs, and the median effect, that plain cutting finds for it."""
    molecules = series()
    values = np.random.default_rng(1).normal(0, 1, len(molecules)).round(3)
    expected = enumerated(molecules, values)
    got: dict[tuple[str, str], int] = defaultdict(int)
    for change in find_matched_pairs(molecules, values, np.ones(len(values), bool)).changes:
        key = (plain(change.before), plain(change.after))
        got[min(key), max(key)] += change.pairs
    oracle: dict[tuple[str, str], int] = defaultdict(int)
    for (before, after), effects in expected.items():
        oracle[min(before, after), max(before, after)] += len(effects)

    assert got
    # The contexts part the oracle's pairs: where all but one or two are of one context, those are not reported.
    for key, count in got.items():
        assert 3 <= count <= oracle[key]
    assert got["*Cl", "*F"] == 4  # four aromatic rings; two others are alone in their contexts
    assert got[min("*Cl", plain(HYDROGEN)), max("*Cl", plain(HYDROGEN))] == 4


def test_the_order_of_rows_and_a_shift_change_nothing_and_a_factor_scales() -> None:
    """Effects are differences: a constant falls out, a factor multiplies them, another order of rows is the same."""
    molecules = series()
    values = np.random.default_rng(2).normal(0, 1, len(molecules))
    exact, residuals = np.ones(len(values), bool), np.random.default_rng(3).normal(0, 0.3, len(values))
    found = find_matched_pairs(molecules, values, exact, residuals)
    order = np.random.default_rng(4).permutation(len(values))
    again = find_matched_pairs([molecules[row] for row in order], values[order] + 7.0, exact, residuals[order] + 2.0)
    doubled = find_matched_pairs(molecules, 2 * values, exact, 2 * residuals)

    assert [each[:4] for each in again.changes] == [each[:4] for each in found.changes]
    np.testing.assert_allclose(
        [each.median for each in again.changes], [each.median for each in found.changes], atol=2e-6
    )
    np.testing.assert_allclose(again.differences or (), found.differences or (), atol=2e-6)
    np.testing.assert_allclose([e.high for e in doubled.changes], [2 * e.high for e in found.changes], atol=4e-6)
    assert found.differences is not None
    assert doubled.differences is not None
    assert doubled.differences.most == pytest.approx(2 * found.differences.most, abs=4e-6)


def test_the_error_of_a_difference_is_that_of_two_which_were_held_out_together() -> None:
    """A partner in another fold was learnt from: what it did is counted, how wrong the difference was is not."""
    molecules = series()
    values, exact = np.random.default_rng(2).normal(0, 1, len(molecules)), np.ones(len(molecules), bool)
    residuals = np.random.default_rng(3).normal(0, 0.3, len(values))
    one, each = (find_matched_pairs(molecules, values, exact, residuals, folds)
                 for folds in (np.zeros(len(values), int), np.arange(len(values))))  # fmt: skip

    assert one == find_matched_pairs(molecules, values, exact, residuals)
    assert each.differences is None
    assert each.changes == one.changes


def test_what_a_change_does_is_told_in_both_directions() -> None:
    """A substituent that adds a constant is found with that constant, and its removal with the opposite."""
    molecules = series()
    worth = [1.5 * ("Cl" in each.smiles) for each in molecules]
    found = find_matched_pairs(molecules, np.array(worth), np.ones(len(worth), bool))
    (away,) = (each for each in found.by_part["Cl[*:1]", "c(cc)"] if each.after == HYDROGEN)
    (back,) = (each for each in found.by_part[HYDROGEN, "c(cc)"] if each.after == "Cl[*:1]")

    assert (away.median, away.rose, away.fell) == (-1.5, 0, away.pairs)
    assert (back.median, back.low, back.high, back.rose) == (1.5, 1.5, 1.5, away.pairs)


def test_bounds_and_missing_values_make_no_pair() -> None:
    """A value that is only a bound says nothing of a difference."""
    molecules = series()
    values = np.zeros(len(molecules))
    bounds = find_matched_pairs(molecules, values, np.zeros(len(values), bool))
    missing = find_matched_pairs(molecules, np.full(len(values), np.nan), np.ones(len(values), bool))

    assert bounds.changes == missing.changes == ()
    assert bounds.differences is None
    assert find_matched_pairs([], np.empty(0), np.empty(0, bool)).changes == ()


def test_a_bundle_keeps_them_as_data(tmp_path: Path) -> None:
    """What is written is read again, unknown fields are passed over, and an altered file is refused."""
    pairs = MatchedPairs(
        (Change("C[*:1]", HYDROGEN, "c(cc)", 3, -0.5, -0.6, -0.4, 0, 3),), Differences(40, 0.1, 0.4, 0.9)
    )
    bundle = write(tmp_path / "a", matched_pairs=pairs)
    content = json.loads((bundle.folder / FILE).read_text())

    assert read_matched_pairs(bundle) == pairs
    assert MatchedPairs.of({**content, "later": 1}) == pairs
    assert read_matched_pairs(write(tmp_path / "b")) is None
    (bundle.folder / FILE).write_text(json.dumps(content | {"changes": {}}))
    with pytest.raises(BundleError, match="altered"):
        read_matched_pairs(bundle)
