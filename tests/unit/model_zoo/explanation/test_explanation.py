"""Explanations: exact for trees, summing to the prediction for every model, and naming the atoms that matter."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from litestar.testing import TestClient
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from model_zoo import models, policies
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.data.reference_drugs import chembl_drugs
from model_zoo.data.targets import Target
from model_zoo.errors import BundleError
from model_zoo.explanation import attribution, explanation_file
from model_zoo.explanation import explainer as explainer_module
from model_zoo.explanation.additive import FEWEST_MOLECULES, asked, environments
from model_zoo.explanation.explainer import SUM, Explainer
from model_zoo.explanation.explanation_file import FILE, load_explainer, write_tables
from model_zoo.explanation.kernel_graph import read_kernels
from model_zoo.explanation.kernel_table import KernelTable
from model_zoo.explanation.tree_shap import contributions
from model_zoo.explanation.tree_tables import Nodes, TreeTable, read_oblivious, read_onnx
from model_zoo.featurizers import descriptors, featurize, morgan_count, rdkit_descriptors
from model_zoo.featurizers._atom_sums import Parts
from model_zoo.featurizers.descriptors import SAME
from model_zoo.fitted_models.formats import ConstantModel, Model, load_model
from model_zoo.fitted_models.oblivious_trees import ObliviousModel
from model_zoo.uncertainty.calibration import ProbabilityRule
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import linear_onnx, publish, training_molecules, write

SMALL: dict[str, dict[str, Any]] = {
    "xgb": {"n_estimators": 25, "max_depth": 4, "subsample": 1.0},
    "rf": {"n_estimators": 6},
    "catboost": {"iterations": 30, "depth": 4},
}
REGRESSION, BINARY = Target(task="regression"), Target(task="binary")


def molecule(smiles: str) -> Molecule:
    """Parse what must be a molecule."""
    parsed = parse_molecule(smiles)
    assert isinstance(parsed, Molecule)
    return parsed


def drugs(step: int) -> list[Molecule]:
    """Return every so many of the reference drugs."""
    known = chembl_drugs()
    assert known is not None
    return [each for each in map(parse_molecule, known.smiles[::step]) if isinstance(each, Molecule)]


def numbers(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make features, some of them counts, and values with interactions in them."""
    generator = np.random.default_rng(seed)
    X = np.hstack([generator.poisson(1, (300, 12)), generator.normal(size=(300, 4))]).astype(np.float32)
    return X, X[:, 0] + X[:, 1] * X[:, 2] + X[:, 13] ** 2


def trained(name: str, X: np.ndarray, y: np.ndarray, *, binary: bool, folder: Path) -> tuple[Model, Nodes]:
    """Train a model of the zoo, and read its trees from the graph it saves."""
    recipe = models.get(name)
    config = recipe.Config.model_validate({"task": "binary" if binary else "regression", **SMALL[name]})
    model = recipe.train(X, (y > np.median(y)).astype(float) if binary else y, config)
    model.save(folder)
    if isinstance(model, ObliviousModel):
        nodes = read_oblivious(model)
    else:
        nodes = read_onnx((folder / "model.onnx").read_bytes())
    assert nodes is not None
    return model, nodes


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_table_predicts_what_the_model_predicts(name: str, binary: bool, tmp_path: Path) -> None:
    """For every kind of trees: sums equal the model's output, start at the mean of training, and add up exactly."""
    X, y = numbers()
    model, nodes = trained(name, X, y, binary=binary, folder=tmp_path)
    table = nodes.table(nodes.counts(X))
    sums = nodes.sums(X)
    np.testing.assert_allclose(1 / (1 + np.exp(-sums)) if nodes.log_odds else sums, model.predict(X), atol=1e-5)

    assert nodes.log_odds == (binary and name != "rf")
    assert table.baseline == pytest.approx(sums.mean(), abs=1e-9)
    for row, total in zip(X[:20], sums[:20], strict=True):
        moved, end = contributions(table, row)
        assert end == pytest.approx(total, abs=1e-9)
        assert table.baseline + moved.sum() == pytest.approx(total, abs=1e-9)


def test_contributions_are_those_of_xgboost(tmp_path: Path) -> None:
    """They equal the library's own exact tree SHAP, up to its single precision."""
    xgboost = pytest.importorskip("xgboost")
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    X, y = numbers()
    booster = xgboost.XGBRegressor(n_estimators=40, max_depth=5, learning_rate=0.2).fit(X, y)
    graph = convert_xgboost(booster, initial_types=[("X", FloatTensorType([None, X.shape[1]]))])
    nodes = read_onnx(graph.SerializeToString())
    assert nodes is not None
    table = nodes.table(nodes.counts(X))
    expected = booster.get_booster().predict(xgboost.DMatrix(X[:50]), pred_contribs=True)
    got = np.array([[*contributions(table, row)[0], table.baseline] for row in X[:50]])

    np.testing.assert_allclose(got, expected, atol=2e-5)
    assert np.abs(expected[:, :-1]).max() > 1


def test_contributions_are_those_of_shap() -> None:
    """Those of a forest whose trees saw every molecule equal the ones of the package `shap`, which shares no code."""
    shap = pytest.importorskip("shap", reason="shap is not installed: `.venv/bin/uv pip install shap`")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import RandomForestRegressor

    X, y = numbers()
    forest = RandomForestRegressor(20, bootstrap=False, max_features=0.5, random_state=0).fit(X, y)
    graph = convert_sklearn(forest, initial_types=[("X", FloatTensorType([None, X.shape[1]]))])
    nodes = read_onnx(graph.SerializeToString())
    assert nodes is not None
    table = nodes.table(nodes.counts(X))
    expected = shap.TreeExplainer(forest, feature_perturbation="tree_path_dependent").shap_values(X[:50])
    got = np.array([contributions(table, row)[0] for row in X[:50]])

    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_contributions_are_those_of_catboost() -> None:
    """They equal CatBoost's ShapValues, also where oblivious trees have leaves that no training molecule reaches."""
    catboost = pytest.importorskip("catboost")
    X, y = numbers()
    booster = catboost.CatBoostRegressor(iterations=60, depth=6, verbose=False, allow_writing_files=False).fit(X, y)
    nodes = read_oblivious(models.get("catboost")._arrays(booster, log_odds=False))
    assert nodes is not None
    counts = nodes.counts(X)
    assert (counts == 0).any()
    table = nodes.table(counts)
    new = numbers(seed=9)[0][:50]
    expected = booster.get_feature_importance(catboost.Pool(new), type="ShapValues")
    got = np.array([[*contributions(table, row)[0], table.baseline] for row in new])

    np.testing.assert_allclose(got, expected, atol=1e-5)


def by_definition(nodes: Nodes, cover: np.ndarray, x: np.ndarray, columns: tuple[int, ...]) -> dict[int, float]:
    """Compute Shapley values by their definition, over all subsets of columns."""

    def expected(known: frozenset[int], node: int) -> float:
        if nodes.left[node] < 0:
            return float(nodes.value[node])
        left, right = int(nodes.left[node]), int(nodes.right[node])
        if int(nodes.feature[node]) in known:
            return expected(known, left if x[nodes.feature[node]] <= nodes.threshold[node] else right)
        weigh = cover[left] / (cover[left] + cover[right])
        return float(weigh * expected(known, left) + (1 - weigh) * expected(known, right))

    def value(known: frozenset[int]) -> float:
        return sum(expected(known, int(root)) for root in nodes.roots)

    result = {}
    for column in columns:
        others = [each for each in columns if each != column]
        total = 0.0
        for size in range(len(others) + 1):
            weight = math.factorial(size) * math.factorial(len(others) - size) / math.factorial(len(columns))
            for chosen in itertools.combinations(others, size):
                total += weight * (value(frozenset({*chosen, column})) - value(frozenset(chosen)))
        result[column] = total
    return result


@pytest.mark.parametrize("name", sorted(SMALL))
def test_contributions_follow_the_definition(name: str, tmp_path: Path) -> None:
    """They are Shapley values by definition, also where one path asks about the same feature again and again."""
    X, y = numbers()
    X = X[:, [0, 1, 2, 13, 14]]
    _, nodes = trained(name, X, y, binary=False, folder=tmp_path)
    cover = nodes.counts(X)
    cover = np.maximum(cover, 1e-9)
    table = nodes.table(cover)
    for row in X[:2]:
        moved, _ = contributions(table, row)
        for column, value in by_definition(nodes, cover, row, (0, 1, 2, 3, 4)).items():
            assert moved[column] == pytest.approx(value, abs=1e-7)


def test_a_graph_that_is_no_forest_has_no_table() -> None:
    """A linear graph is left to occlusion instead of being read wrongly."""
    assert read_onnx(linear_onnx(28, (1.0,), 0.0).graph) is None


def test_parts_of_atoms_sum_to_the_descriptors() -> None:
    """For additive descriptors the atoms' parts sum to RDKit's number, hydrogens given to the atoms that carry them."""
    exact = {
        "MolLogP", "MolMR", "TPSA", "MolWt", "HeavyAtomMolWt", "HeavyAtomCount", "NumHeteroatoms", "NOCount",
        "NHOHCount", "RingCount", "NumAromaticRings", "NumSaturatedHeterocycles", "NumAliphaticCarbocycles",
        "NumHDonors", "NumValenceElectrons", "NumSpiroAtoms", "NumBridgeheadAtoms", "Chi0", "Chi0v", "Chi1n", "Chi1v",
        "PEOE_VSA1", "SMR_VSA7", "SlogP_VSA2", "EState_VSA3", "VSA_EState2", "fr_benzene", "fr_ester", "fr_NH1",
    }  # fmt: skip
    for each in drugs(25):
        values = dict(zip(rdkit_descriptors.NAMES, rdkit_descriptors.compute(each.mol), strict=True))
        parts = Parts(each.mol)
        for name in exact:
            part = parts.of(name)
            assert part is not None
            assert len(part) == each.mol.GetNumAtoms()
            assert part.sum() == pytest.approx(values[name], abs=1e-3), (name, each.smiles)


def test_names_of_parts_exist() -> None:
    """What the shorter list calls otherwise is in RDKit's list, and most columns of both belong to atoms."""
    assert set(SAME) <= set(descriptors.NAMES)
    assert set(SAME.values()) <= set(rdkit_descriptors.NAMES)
    parts = Parts(molecule("CC(=O)Nc1ccc(O)cc1").mol)
    for names, least in ((descriptors.NAMES, 0.8), (rdkit_descriptors.NAMES, 0.8)):
        assert np.mean([parts.of(SAME.get(name, name)) is not None for name in names]) > least


@pytest.mark.parametrize("feature", ["morgan_count", "avalon_count", "erg", "descriptors", "rdkit_descriptors"])
def test_a_column_is_spread_whole_or_not_at_all(feature: str) -> None:
    """Atoms share the amount of a column times what a unit is worth, or it belongs to none; absent columns never do."""
    each = molecule("CC(=O)Oc1ccccc1C(=O)NCCN")
    x = featurize([feature], [each])[0]
    given = []
    for column in np.flatnonzero(x):
        worth = np.zeros(len(x))
        worth[column] = 2.0
        given.append(attribution.spread(feature, each, x, worth))
    sums = np.array([values.sum() for values in given]) / 2
    amounts = x[np.flatnonzero(x)]
    whole = np.isclose(sums, amounts, rtol=1e-3, atol=1e-3)

    assert given[0].shape == (each.mol.GetNumAtoms(),)
    assert np.all(whole | (sums == 0))
    assert whole.mean() > 0.5
    assert not attribution.spread(feature, each, x, np.where(x == 0, 1.0, 0.0)).any()
    np.testing.assert_allclose(np.sum(given, axis=0), attribution.spread(feature, each, x, np.full(len(x), 2.0)))


def test_a_featurizer_that_can_tell_its_atoms_is_asked_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier version, or a featurizer that somebody adds, is no worse explained than those that were here."""
    each = molecule("CCO")
    x = featurize(["morgan_count"], [each])[0]
    known = attribution.spread("morgan_count", each, x, np.full(len(x), 2.0))
    monkeypatch.setattr(policies, "featurizer", {"morgan_count@1": morgan_count}.__getitem__)

    np.testing.assert_array_equal(attribution.spread("morgan_count@1", each, x, np.full(len(x), 2.0)), known)


def test_an_atom_gets_what_its_substructure_contributes() -> None:
    """The nitrogen's own bit goes to the nitrogen, by every fingerprint and by the polar surface."""
    each = molecule("CCCCCCCCN")
    polar = np.zeros(len(descriptors.NAMES))
    place = descriptors.NAMES.index("tpsa")
    row = featurize(["descriptors"], [each])[0]
    polar[place] = 1.0 / row[place]
    assert attribution.spread("descriptors", each, row, polar).round(6).tolist() == [0.0] * 8 + [1.0]


def test_atoms_of_a_kind_that_others_have_more_of_are_not_passed_over() -> None:
    """A carbon is worth the same in a small molecule as in a large one: only the rest knows that others have more."""
    each = molecule("CCO")
    x = featurize(["morgan_count"], [each])[0].astype(float)
    mean, contributions = np.full(len(x), 5.0), (x - 5.0) * 0.4
    worth = attribution.spread("morgan_count", each, x, np.full(len(x), 0.4))

    assert not attribution.spread_above_average("morgan_count", each, x, mean, contributions).any()
    assert worth.sum() == pytest.approx(0.4 * x.sum())
    assert (worth > 0).all()


FEATURES = ("morgan_count", "descriptors")
RULE = ProbabilityRule(slope=0.6, intercept=-0.8, threshold=0.5, margins=((0.5, 0.5),))


def explainer_of(model: Model, folder: Path, features: tuple[str, ...], target: Target, X: np.ndarray) -> Explainer:
    """Save a model, write its trees or kernels (as of few molecules), and read them back."""
    (folder / "model").mkdir()
    model.save(folder / "model")
    write_tables(folder, folder / "model", X, target, (), features)
    return load_explainer(folder, load_model(folder / "model"), features, target, "log10 mol/L")


def logp_of(molecules: list[Molecule]) -> np.ndarray:
    """Return Crippen's logP, which a model can learn."""
    return featurize(["descriptors"], molecules)[:, descriptors.NAMES.index("CrippenClogP")].astype(float)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", sorted(SMALL))
def test_an_explanation_sums_to_the_prediction(name: str, binary: bool, tmp_path: Path) -> None:
    """Baseline, atoms and rest are the prediction on the scale that it names: of a class as it is shown."""
    learnt = drugs(12)
    X, y = featurize(FEATURES, learnt), logp_of(learnt)
    recipe = models.get(name)
    config = recipe.Config.model_validate({"task": "binary" if binary else "regression", **SMALL[name]})
    model = recipe.train(X, (y > 2).astype(float) if binary else y, config)
    explainer = explainer_of(model, tmp_path, FEATURES, BINARY if binary else REGRESSION, X)
    for each in (learnt[0], learnt[5], molecule("CCCCCCCCO"), molecule("C"), molecule("Cl")):
        why = explainer.explain(each)
        predicted = float(model.predict(featurize(FEATURES, [each]))[0])
        assert len(why.atoms) == each.mol.GetNumAtoms()
        assert why.baseline + math.fsum(why.atoms) + why.rest == pytest.approx(why.prediction, abs=1e-9)
        shown = 1 / (1 + math.exp(-why.prediction)) if why.scale == "log-odds" else why.prediction
        assert shown == pytest.approx(predicted, abs=1e-4)
        assert why.method == "tree SHAP"
        loaded = load_explainer(
            tmp_path, load_model(tmp_path / "model"), FEATURES, BINARY if binary else REGRESSION, "log10 mol/L", RULE
        ).explain(each)
        assert loaded.baseline + math.fsum(loaded.atoms) + loaded.rest == pytest.approx(loaded.prediction, abs=1e-9)
        shown = 1 / (1 + math.exp(-loaded.prediction)) if loaded.scale == "log-odds" else loaded.prediction
        expected = float(RULE.calibrate(np.array([predicted]))[0]) if binary else predicted
        assert shown == pytest.approx(expected, abs=1e-4)
        assert np.argsort(loaded.atoms, kind="stable").tolist() == np.argsort(why.atoms, kind="stable").tolist()
    assert why.scale == ("log10 mol/L" if not binary else "probability" if name == "rf" else "log-odds")


def test_atoms_of_a_logp_model_are_those_a_chemist_names(tmp_path: Path) -> None:
    """In a model of logP the long chain raises, the acid lowers, and most of the prediction is on atoms."""
    learnt = drugs(4)
    X, y = featurize(FEATURES, learnt), logp_of(learnt)
    recipe = models.get("xgb")
    model = recipe.train(X, y, recipe.Config.model_validate({"n_estimators": 120, "max_depth": 4}))
    explainer = explainer_of(model, tmp_path, FEATURES, REGRESSION, X)
    why = explainer.explain(molecule("CCCCCCCCCCCCCCCC(=O)O"))

    assert sum(why.atoms[:14]) > 0.5
    assert sum(why.atoms[:14]) > sum(why.atoms[15:])
    assert sum(map(abs, why.atoms)) > abs(why.rest)


def crippen_parts(each: Molecule) -> np.ndarray:
    """Return each atom's part in Crippen's logP with its hydrogens, by RDKit's own table."""
    whole = Chem.AddHs(each.mol)
    values = [logp for logp, _ in rdMolDescriptors._CalcCrippenContribs(whole)]
    parts = np.array(values[: each.mol.GetNumAtoms()])
    for atom in list(whole.GetAtoms())[len(parts) :]:
        parts[atom.GetNeighbors()[0].GetIdx()] += values[atom.GetIdx()]
    return parts


@pytest.fixture(scope="module")
def learnt_logp() -> tuple[list[Molecule], np.ndarray, np.ndarray]:
    """Return molecules, counts of their environments, and logP: no descriptor that reveals it."""
    learnt = [each for each in drugs(5) if 8 <= each.mol.GetNumAtoms() <= 40]
    return learnt, featurize(["morgan_count"], learnt), logp_of(learnt)


@pytest.mark.parametrize("name", ["gp", "svm"])
def test_kernel_models_find_the_atoms_of_a_known_truth(
    name: str, learnt_logp: tuple[list[Molecule], np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """Crippen's logP is a sum over atoms: those of new molecules follow it, and better than by occlusion."""
    learnt, X, y = learnt_logp
    recipe = models.get(name)
    model = recipe.train(X[::2], y[::2], recipe.Config.model_validate({"task": "regression"}))
    explainer = explainer_of(model, tmp_path, ("morgan_count",), REGRESSION, X[::2])
    masked = Explainer(
        [replace(part, table=None) for part in explainer.parts], X.mean(axis=0), ("morgan_count",), REGRESSION, ""
    )
    right: dict[str, list[bool]] = {"paths": [], "occlusion": []}
    for each in learnt[1:60:2]:
        truth, why = crippen_parts(each), explainer.explain(each)
        assert why.method == "integrated gradients"
        assert why.baseline + math.fsum(why.atoms) + why.rest == pytest.approx(why.prediction, abs=1e-9)
        clear = np.abs(truth) > 0.05
        for way, atoms in (("paths", why.atoms), ("occlusion", masked.explain(each).atoms)):
            right[way].extend((np.sign(atoms) == np.sign(truth))[clear])

    assert float(np.mean(right["paths"])) > max(0.82, float(np.mean(right["occlusion"])) + 0.05)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["gp", "svm"])
def test_a_kernel_table_is_the_model_and_its_paths_lead_from_there_to_here(
    name: str, binary: bool, learnt_logp: tuple[list[Molecule], np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """Its sums are the model's own, and what columns add on the way from a molecule is the whole difference to it."""
    learnt, X, y = learnt_logp
    config: dict[str, Any] = {"task": "binary" if binary else "regression"}
    if name == "gp":
        ranked = featurize(["descriptors"], learnt)
        blocks = [{"columns": X.shape[1], "largest": 4}, {"columns": ranked.shape[1], "distance": "rank"}]
        X, config = np.hstack([X, ranked]), config | {"blocks": blocks, "likelihood_rows": 60}
    recipe = models.get(name)
    model = recipe.train(X, (y > 2).astype(float) if binary else y, recipe.Config.model_validate(config))
    model.save(tmp_path)
    graph = (tmp_path / "model.onnx").read_bytes()
    start, end = X[3], X[40]
    table = read_kernels(graph, np.repeat(start[None], 600, axis=0))
    assert table is not None
    sums = table.sums(X[:50])
    again = KernelTable.of_arrays(dict(table.arrays()))

    np.testing.assert_allclose(1 / (1 + np.exp(-sums)) if binary else sums, model.predict(X[:50]), atol=1e-5)
    assert table.log_odds == binary
    whole = sums[40] - sums[3]
    assert table.slopes(end) @ (end - start) == pytest.approx(whole, abs=0.02 * max(1.0, abs(whole)))
    np.testing.assert_array_equal(again.slopes(end), table.slopes(end))


def test_a_graph_of_another_kind_is_no_kernel_model() -> None:
    """A linear graph is left alone instead of being read wrongly."""
    model = linear_onnx(3, [1.0, 2.0, 3.0], 0.5)
    assert read_kernels(model.graph, np.zeros((1, 3))) is None


def test_a_bundle_without_variances_is_explained_by_the_earlier_rule(tmp_path: Path) -> None:
    """What an earlier version wrote is read as it was meant."""
    learnt = drugs(12)
    X, y = featurize(["morgan_count"], learnt), logp_of(learnt)
    recipe = models.get("xgb")
    model = recipe.train(X, y, recipe.Config.model_validate(SMALL["xgb"]))
    new = explainer_of(model, tmp_path, ("morgan_count",), REGRESSION, X)
    with np.load(tmp_path / FILE, allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored.files if key != "variance"}
    np.savez_compressed(tmp_path / FILE, allow_pickle=False, **arrays)
    old = load_explainer(tmp_path, model, ("morgan_count",), REGRESSION, "log10 mol/L")
    each, table = learnt[3], new.parts[0].table
    assert isinstance(table, TreeTable)
    x = featurize(["morgan_count"], [each])[0]
    expected = attribution.spread_above_average("morgan_count", each, x, X.mean(axis=0), contributions(table, x)[0])

    assert old.explain(each).atoms == pytest.approx(expected)
    assert old.explain(each).atoms != pytest.approx(new.explain(each).atoms)


def test_other_models_are_explained_by_occlusion(tmp_path: Path) -> None:
    """A graph that is no forest is explained by masking atoms, summing to its prediction all the same."""
    learnt = training_molecules()
    X = featurize(["descriptors"], learnt)
    model = linear_onnx(X.shape[1], [0.0, 1.0], 0.5)
    explainer = explainer_of(model, tmp_path, ("descriptors",), REGRESSION, X)
    why = explainer.explain(molecule("CCCCCCO"))

    assert why.method == "occlusion"
    assert why.baseline == pytest.approx(model.predict(X).mean())
    assert why.prediction == pytest.approx(model.predict(featurize(["descriptors"], [molecule("CCCCCCO")]))[0])
    assert why.baseline + math.fsum(why.atoms) + why.rest == pytest.approx(why.prediction, abs=1e-9)
    assert min(why.atoms[:5]) > why.atoms[6]


@pytest.fixture(scope="module")
def known_sum() -> tuple[list[Molecule], np.ndarray]:
    """Return molecules and a quantity that is a sum over atoms: their polar surface."""
    learnt = [each for each in drugs(8) if 8 <= each.mol.GetNumAtoms() <= 40]
    return learnt, np.array([polar_parts(each).sum() for each in learnt])


def polar_parts(each: Molecule) -> np.ndarray:
    """Return each atom's part in the polar surface."""
    return np.array(list(rdMolDescriptors._CalcTPSAContribs(each.mol)))


def summed(
    model: Model, features: tuple[str, ...], learnt: list[Molecule], folder: Path, *, binary: bool = False
) -> Explainer:
    """Save a model and return what explains it by a sum over atoms."""
    (folder / "model").mkdir(parents=True)
    model.save(folder / "model")
    target = BINARY if binary else REGRESSION
    X = featurize(features, learnt)
    write_tables(folder, folder / "model", X, target, [each.smiles for each in learnt], features, learnt[:20])
    return load_explainer(folder, load_model(folder / "model"), features, target, "log10 mol/L")


@pytest.mark.parametrize(
    ("name", "features", "config"),
    [
        ("svm", ("morgan_count",), {}),
        ("xgb", ("morgan_count",), {"n_estimators": 200}),
        ("mlp", ("morgan_count",), {"hidden": 32, "members": 2, "epochs": 15}),
    ],
)
def test_every_family_finds_the_atoms_of_a_known_sum(
    name: str, features: tuple[str, ...], config: dict[str, Any],
    known_sum: tuple[list[Molecule], np.ndarray], tmp_path: Path,
) -> None:  # fmt: skip
    """Kernels, trees and networks alike: atoms of new molecules follow the truth, and the sum is exact."""
    learnt, y = known_sum
    recipe = models.get(name)
    model = recipe.train(featurize(features, learnt[::2]), y[::2], recipe.Config.model_validate(config))
    explainer = summed(model, features, learnt[::2], tmp_path)
    within = []
    for each in learnt[1::4]:
        why, truth = explainer.explain(each), polar_parts(each)
        assert why.method == "sum over atoms"
        assert why.baseline + math.fsum(why.atoms) + why.rest == pytest.approx(why.prediction, abs=1e-9)
        assert why.prediction == pytest.approx(float(explainer.parts[0].model.predict(featurize(features, [each]))[0]))
        if np.ptp(truth) > 0:
            within.append(np.corrcoef(truth, why.atoms)[0, 1])

    assert np.mean(within) > 0.7
    assert why.fidelity is not None
    assert 0.3 < why.fidelity <= 1


def test_a_linear_model_of_atom_sums_is_taken_apart_exactly(tmp_path: Path) -> None:
    """Of a model that is a sum over atoms, each atom gets its own, nothing is left, and the figure says so."""
    learnt = drugs(12)
    weights = [0.0] * descriptors.WIDTH
    weights[descriptors.NAMES.index("CrippenClogP")] = 1.0
    explainer = summed(linear_onnx(len(weights), weights, 0.5), ("descriptors",), learnt, tmp_path)
    each = molecule("CC(=O)Oc1ccccc1C(=O)O")
    why = explainer.explain(each)

    assert np.corrcoef(crippen_parts(each), why.atoms)[0, 1] > 0.95
    assert abs(why.rest) < 0.1
    assert why.fidelity is not None
    assert why.fidelity > 0.98


def test_atoms_do_not_depend_on_how_a_molecule_is_written(
    known_sum: tuple[list[Molecule], np.ndarray], tmp_path: Path
) -> None:
    """An atom's worth is the same wherever it is, and in whatever order the molecules were learnt."""
    learnt, y = known_sum
    recipe = models.get("svm")
    X = featurize(["morgan_count"], learnt)
    model = recipe.train(X, y, recipe.Config())
    explainer = summed(model, ("morgan_count",), learnt, tmp_path)
    each = learnt[3]
    order = list(np.random.default_rng(0).permutation(each.mol.GetNumAtoms()))
    turned = Molecule(each.smiles, Chem.RenumberAtoms(each.mol, [int(place) for place in order]))

    np.testing.assert_allclose(
        explainer.explain(turned).atoms, np.array(explainer.explain(each).atoms)[order], atol=1e-5
    )


def test_where_a_sum_reproduces_too_little_trees_are_followed(
    known_sum: tuple[list[Molecule], np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be followed exactly is; a model of neither trees nor kernels keeps the sum, with its share."""
    learnt, y = known_sum
    monkeypatch.setattr(explanation_file, "LEAST_REPRODUCED", 2.0)
    recipe = models.get("rf")
    config = recipe.Config.model_validate({"task": "regression", "n_estimators": 20})
    forest = recipe.train(featurize(["morgan_count"], learnt), y, config)
    why = summed(forest, ("morgan_count",), learnt, tmp_path / "forest").explain(molecule("CCO"))
    assert (why.method, why.fidelity) == ("tree SHAP", None)
    assert why.baseline + sum(why.atoms) + why.rest == pytest.approx(why.prediction)

    width = featurize(["descriptors"], learnt[:1]).shape[1]
    linear = linear_onnx(width, (-0.005, -0.4, 0.01), 1.0)
    explanation = summed(linear, ("descriptors",), learnt, tmp_path / "linear").explain(molecule("CCO"))
    assert explanation.method == SUM
    assert explanation.fidelity is not None


@pytest.mark.parametrize("binary", [False, True])
def test_where_a_sum_reproduces_too_little_of_a_network_its_groups_are_taken_off(
    known_sum: tuple[list[Molecule], np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, binary: bool
) -> None:
    """What is reported of a group is the difference of two predictions of real molecules, and only there."""
    learnt, _ = known_sum
    width = featurize(["descriptors"], learnt[:1]).shape[1]
    model = linear_onnx(width, (-0.0005, -0.04, 0.01) if binary else (-0.005, -0.4, 0.01), 0.3)
    explainer = summed(model, ("descriptors",), learnt, tmp_path, binary=binary)
    aspirin, phenyl = molecule("CC(=O)Oc1ccccc1C(=O)O"), molecule("CC(=O)Oc1ccccc1")
    monkeypatch.setattr(explainer_module, "LEAST_REPRODUCED", -1.0)
    assert explainer.explain(aspirin).lost == {}

    monkeypatch.setattr(explainer_module, "LEAST_REPRODUCED", 2.0)
    lost, values = explainer.explain(aspirin).lost, [explainer.explain(each).prediction for each in (aspirin, phenyl)]
    assert lost[10, 11, 12] == pytest.approx(values[0] - values[1], abs=1e-6)
    assert (3,) not in lost, "an ether's oxygen hangs on two bonds"
    assert explainer.explain(molecule("CCO")).lost == {}


def test_classes_are_explained_by_log_odds_that_are_drawn_in(
    known_sum: tuple[list[Molecule], np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forest that says exactly 0 or 1 has finite log-odds; atoms of the group that decides are above the others."""
    learnt, _ = known_sum
    monkeypatch.setattr(explanation_file, "LEAST_REPRODUCED", -math.inf)
    acid = Chem.MolFromSmarts("C(=O)[OH]")
    y = np.array([float(each.mol.HasSubstructMatch(acid)) for each in learnt])
    recipe = models.get("rf")
    config = recipe.Config.model_validate({"task": "binary", "n_estimators": 40})
    model = recipe.train(featurize(["morgan_count"], learnt), y, config)
    why = summed(model, ("morgan_count",), learnt, tmp_path, binary=True).explain(molecule("CCCCCCc1ccc(C(=O)O)cc1"))
    atoms = np.array(why.atoms)

    assert why.scale == "log-odds"
    assert abs(why.prediction) <= math.log(99) + 1e-9
    assert atoms[10:13].sum() > 2 * np.delete(atoms, [10, 11, 12]).sum()


def test_a_model_that_says_one_thing_has_atoms_that_are_worth_nothing(tmp_path: Path) -> None:
    """Nothing to tell apart is no error, and no figure is made up for it."""
    learnt = drugs(20)
    why = summed(ConstantModel(2.5), ("morgan_count",), learnt, tmp_path).explain(molecule("CCO"))

    assert (why.baseline, why.atoms, why.rest, why.fidelity) == (2.5, (0.0, 0.0, 0.0), 0.0, None)
    assert len(learnt) >= FEWEST_MOLECULES
    assert len(asked(10_000)) < 2000
    assert environments(molecule("C").mol).shape == (1, 4)


class Blend:
    """A weighted mean of models, as the zoo's blends are laid out."""

    def __init__(self, members: list[SimpleNamespace]) -> None:
        self.members = tuple(members)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Sum the members' predictions by their weights."""
        parts = [
            each.weight * each.model.predict(np.hstack([X[:, a:b] for a, b in each.columns])) for each in self.members
        ]
        return np.asarray(np.sum(parts, axis=0))


@pytest.mark.parametrize("binary", [False, True])
def test_a_blend_is_explained_as_the_weighted_sum_of_its_members(
    binary: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members on different columns, trees or not, meet on one scale and sum to the blend's prediction."""
    learnt = drugs(20)
    X, y = featurize(FEATURES, learnt), logp_of(learnt)
    y = (y > 2).astype(float) if binary else y
    config: dict[str, Any] = {"task": "binary" if binary else "regression"}
    width = X.shape[1]
    made: list[tuple[str, Callable[[np.ndarray], Any], tuple[tuple[int, int], ...], float]] = [
        ("xgb", lambda Z: models.get("xgb").train(Z, y, models.get("xgb").Config.model_validate(config | SMALL["xgb"])),
         ((1024, width), (0, 1024)), 0.5),
        ("rf", lambda Z: models.get("rf").train(Z, y, models.get("rf").Config.model_validate(config | SMALL["rf"])),
         ((0, 1024),), 0.3),
        ("constant", lambda Z: ConstantModel(0.25), ((0, width),), 0.2),
    ]  # fmt: skip
    members = []
    for name, make, columns, weight in made:
        model = make(np.hstack([X[:, a:b] for a, b in columns]))
        (tmp_path / "model" / name).mkdir(parents=True)
        model.save(tmp_path / "model" / name)
        members.append(SimpleNamespace(name=name, weight=weight, columns=columns, model=model))
    blend = Blend(members)
    monkeypatch.setattr("model_zoo.explanation.explanation_file.load_model", lambda folder: blend)
    write_tables(tmp_path, tmp_path / "model", X, BINARY if binary else REGRESSION, (), FEATURES)
    explainer = load_explainer(tmp_path, cast(Any, blend), FEATURES, BINARY if binary else REGRESSION, "unit")
    for each in learnt[:5]:
        why = explainer.explain(each)
        assert why.prediction == pytest.approx(float(blend.predict(featurize(FEATURES, [each]))[0]), abs=1e-5)
        assert why.baseline + math.fsum(why.atoms) + why.rest == pytest.approx(why.prediction, abs=1e-9)
        assert (why.scale, why.method) == ("probability" if binary else "unit", "tree SHAP and occlusion")


def test_a_bundle_without_its_tables_does_not_load(tmp_path: Path) -> None:
    """Tables that are not those of the model are refused like everything else in a bundle."""
    write(tmp_path / "bundle", onnx_bias=0.0, explained=True)
    assert load_bundle(tmp_path / "bundle").explainer is not None
    (tmp_path / "bundle" / FILE).unlink()

    with pytest.raises(BundleError, match="missing files"):
        load_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match="expected tables"):
        load_explainer(tmp_path, ConstantModel(1.0), (), REGRESSION, "")


def test_tables_are_plain_arrays(tmp_path: Path) -> None:
    """A stored table holds numbers only and is read back as it was."""
    X, y = numbers()
    _, nodes = trained("xgb", X, y, binary=False, folder=tmp_path)
    table = nodes.table(nodes.counts(X))
    np.savez(tmp_path / "table.npz", allow_pickle=False, **dict(table.arrays()))
    with np.load(tmp_path / "table.npz", allow_pickle=False) as stored:
        again = TreeTable(**{key: stored[key] for key in stored.files})

    for (name, before), (_, after) in zip(table.arrays(), again.arrays(), strict=True):
        np.testing.assert_array_equal(before, after, err_msg=name)


def test_the_service_explains_when_asked(tmp_path: Path) -> None:
    """Over HTTP: numbers for the atoms of `standardised`; null where the champion cannot; too many are refused."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="logs", onnx_bias=-1.0, explained=True)
    publish(store, tmp_path / "b", endpoint="old", onnx_bias=-1.0)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        body: dict[str, Any] = {"smiles": ["OCC.[Na+]", "nonsense"], "include": ["explanation"]}
        entry, broken = client.post("/v1/predict", json=body).json()["predictions"]
        again = client.post("/v1/predict", json=body).json()["predictions"][0]
        plain = client.post("/v1/predict", json={"smiles": ["CCO"]}).json()["predictions"][0]
        refused = client.post("/v1/predict", json=body | {"smiles": ["CCO"] * 33})
    got = entry["endpoints"]["logs"]
    why = got["explanation"]

    assert len(why["atoms"]) == Chem.MolFromSmiles(got["standardised"]).GetNumHeavyAtoms() == 3
    assert why["baseline"] + sum(why["atoms"]) + why["rest"] == pytest.approx(why["prediction"], abs=1e-9)
    assert why["prediction"] == pytest.approx(got["value"], abs=1e-6)
    assert (why["scale"], why["method"]) == ("log10 mol/L", "occlusion")
    assert entry["endpoints"]["old"]["explanation"] is None
    assert entry == again
    assert "error" in broken
    assert "explanation" not in json.dumps(plain)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")
    assert "at most 32 molecules when an explanation is asked for, got 33" in refused.json()["detail"]
