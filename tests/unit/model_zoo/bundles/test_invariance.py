"""What is said of a molecule does not depend on how anything was written, ordered, cut to pieces or run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from model_zoo.bundles.assembly import training_rows
from model_zoo.bundles.reader import Bundle, Predictions
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.chemistry.similarity import pack
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.data.targets import Target
from model_zoo.uncertainty.conformal import WITHIN
from model_zoo.uncertainty.fit import OutOfFoldPredictions, Uncertainty, fit_uncertainty
from tests.bundle_factory import write
from tests.unit.model_zoo.data.test_unit_of_values import freesolv

ASKED = ("CC(=O)Oc1ccccc1C(=O)O", "CCCCCCCCCCCCCCCC", "CN1CCC[C@H]1c1cccnc1", "OCC(O)CO", "Clc1ccc(Cl)cc1", "C" * 150)
LOG = Target(task="regression")
Numbers = np.ndarray[Any, Any]


@lru_cache(maxsize=1)
def learnt() -> tuple[list[Molecule], Numbers, Numbers]:
    """Return molecules with what was measured and what was predicted of them while they were held out."""
    molecules, values = freesolv(150)
    size = np.array([each.mol.GetNumHeavyAtoms() for each in molecules])
    return molecules, values, values + np.random.default_rng(0).laplace(0, 0.05 * size)


def rules(molecules: list[Molecule], values: Numbers, predicted: Numbers, folds: Numbers, between: float = 0.0) -> Any:
    """Fit what a bundle says about trust, and the errors that it keeps."""
    held = OutOfFoldPredictions(predicted, values, pack(molecules), size_and_kind(molecules), folds)
    none = OutOfFoldPredictions(np.empty(0), np.empty(0), held.packed[:0], held.properties[:0], folds[:0])
    return fit_uncertainty(LOG, held, none, between)


def bundled(folder: Path, order: Numbers | None = None, between: float = 0.0, **fields: Any) -> Bundle:
    """Bundle as the product does, from rows in any order."""
    molecules, values, predicted = learnt()
    folds = np.arange(len(molecules)) % 5
    rows = np.arange(len(molecules)) if order is None else order
    rows = rows[training_rows([molecules[row].smiles for row in rows], folds[rows])]
    trust, errors, _ = rules([molecules[row] for row in rows], values[rows], predicted[rows], folds[rows], between)
    return write(
        folder, onnx_bias=-1.0, trained_on=[molecules[row].smiles for row in rows], measured=values[rows].tolist(),
        errors=errors.tolist(), trust=trust, explained=True, **fields,
    )  # fmt: skip


def ask(bundle: Bundle, texts: tuple[str, ...] = ASKED) -> Predictions:
    """Ask for molecules as they are written."""
    return bundle.predict([read(bundle, text) for text in texts])


def read(bundle: Bundle, text: str) -> Molecule:
    """Read a molecule as the bundle reads it."""
    molecule = parse_molecule(text, bundle.manifest.standardise)
    assert isinstance(molecule, Molecule)
    return molecule


def require_same(one: Predictions, other: Predictions) -> None:
    """Compare all that is said."""
    for name in ("value", "lower", "upper", "similarity", "expected_error", "usual_error"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5, err_msg=name)
    assert one.reliability == other.reliability


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a bundle of small molecules."""
    return bundled(tmp_path_factory.mktemp("bundle"))


def atoms(bundle: Bundle, text: str) -> list[float]:
    """Return what atoms are worth, in an order that is the molecule's and not the notation's."""
    molecule = read(bundle, text)
    assert bundle.explainer is not None
    worth = np.array(bundle.explainer.explain(molecule).atoms)
    return [float(each) for each in worth[np.argsort(list(Chem.CanonicalRankAtoms(molecule.mol)))]]


@pytest.mark.parametrize("seed", [0, 1])
def test_rows_in_another_order_change_nothing(bundle: Bundle, tmp_path: Path, seed: int) -> None:
    """The same rules, intervals, levels and atoms."""
    other = bundled(tmp_path / "other", np.random.default_rng(seed).permutation(len(learnt()[0])))

    assert other.manifest.trust == bundle.manifest.trust
    require_same(ask(bundle), ask(other))
    for text in ASKED[:3]:
        assert atoms(bundle, text) == pytest.approx(atoms(other, text), abs=1e-6)


def test_a_molecule_is_what_it_is_however_it_is_written(bundle: Bundle) -> None:
    """Atoms in any order, kekulised, with its counter-ion, charged, or with a solvent beside it."""
    for text in (*ASKED[:5], "NCCc1ccc(O)c(O)c1"):
        mol = Chem.MolFromSmiles(text)
        written = (*Chem.MolToRandomSmilesVect(mol, 3, randomSeed=7), Chem.MolToSmiles(mol, kekuleSmiles=True))
        require_same(ask(bundle, (text,) * len(written)), ask(bundle, written))
        for each in written[:2]:
            assert atoms(bundle, each) == pytest.approx(atoms(bundle, text), abs=1e-6)
    plain = ("CC(=O)Oc1ccccc1C(=O)O", "NCCc1ccc(O)c(O)c1", "NCCc1ccc(O)c(O)c1")
    salts = ("CC(=O)Oc1ccccc1C(=O)[O-].[Na+]", "[NH3+]CCc1ccc(O)c(O)c1.[Cl-]", "NCCc1ccc(O)c(O)c1.O")
    require_same(ask(bundle, plain), ask(bundle, salts))
    for one, other in zip(plain, salts, strict=True):
        assert atoms(bundle, one) == pytest.approx(atoms(bundle, other), abs=1e-6)


def test_pieces_and_threads_change_nothing(bundle: Bundle) -> None:
    """All at once, one by one, in another order, and from four threads at the same time."""
    whole = ask(bundle)
    with ThreadPoolExecutor(4) as pool:
        single = list(pool.map(lambda text: ask(bundle, (text,)), ASKED * 3))
    for place, one in enumerate(single):
        assert one.lower is not None
        assert one.reliability is not None
        assert whole.lower is not None
        assert whole.reliability is not None
        np.testing.assert_allclose(one.value[0], whole.value[place % len(ASKED)], rtol=1e-5)
        np.testing.assert_allclose(one.lower[0], whole.lower[place % len(ASKED)], rtol=1e-5)
        assert one.reliability[0] == whole.reliability[place % len(ASKED)]
    backwards = ask(bundle, ASKED[::-1])
    np.testing.assert_allclose(backwards.value[::-1], whole.value, rtol=1e-5)
    assert backwards.reliability == (whole.reliability or ())[::-1]


def test_logarithms_and_amounts_are_the_same_statement(bundle: Bundle, tmp_path: Path) -> None:
    """An endpoint in mol/L that trains on logarithms reports the powers of ten of one in log10 mol/L."""
    amounts = bundled(tmp_path / "amounts", unit="mol/L", target=Target(task="regression", transform="log10"))
    logs, in_amounts = ask(bundle, ASKED[:5]), ask(amounts, ASKED[:5])  # of the polymer next to nothing dissolves

    for name in ("value", "lower", "upper"):
        np.testing.assert_allclose(np.log10(getattr(in_amounts, name)), getattr(logs, name), rtol=1e-5, atol=1e-5)
    assert in_amounts.reliability == logs.reliability
    np.testing.assert_allclose(np.asarray(in_amounts.usual_error), np.asarray(logs.usual_error))


def test_the_spread_between_laboratories_is_added_as_variances_are(bundle: Bundle, tmp_path: Path) -> None:
    """Every interval is wider by it, a narrow one by more; levels and ranks stay; a bundle that says none has none."""
    wider, plain = ask(bundled(tmp_path / "wider", between=0.6)), ask(bundle)
    assert wider.half_width is not None
    assert plain.half_width is not None

    np.testing.assert_allclose(wider.half_width, np.hypot(plain.half_width, WITHIN * 0.6))
    assert wider.reliability == plain.reliability
    assert Uncertainty.model_validate({}).interval is None
    assert bundle.manifest.trust.interval is not None
    assert bundle.manifest.trust.interval.between == 0


def test_what_another_source_brings_is_answered_with_care(bundle: Bundle) -> None:
    """Long chains, polymers, sugars and a single atom of carbon: finite ends, and no usual error far from training."""
    chains = tuple("C" * length for length in (6, 12, 24, 48, 96, 150))
    found = ask(bundle, chains)
    assert found.half_width is not None
    assert found.usual_error is not None
    assert found.reliability is not None

    assert (np.diff(found.half_width) >= -1e-9).all()
    assert found.reliability[-1] == "low"
    assert np.isnan(found.usual_error[-3:]).all()
    odd = (
        "C", "OCCOCCOCCOCCOCCOCCOCCOCCOCCOCCO", "O=C(O)CCCCCCCCCCCCCCCCC", "FC(F)(F)C(F)(F)C(F)(F)F", "BrC(Br)(Br)Br",
        "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", "C[Si](C)(C)C", "OP(=O)(O)O", "N#CC#N",
    )  # fmt: skip
    answer = ask(bundle, odd)
    for ends in (answer.lower, answer.upper):
        assert ends is not None
        assert np.isfinite(ends).all()
    for text in ("[Na+].[Cl-]", "[Fe]", "O=[Ti]=O", "*CC*", ""):
        assert not isinstance(parse_molecule(text, bundle.manifest.standardise), Molecule), text
