"""Trust: intervals and sets that hold as often as they say, probabilities that mean what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from model_zoo.bundles.manifest import version_of
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.molecules import Molecule, Standardise
from model_zoo.chemistry.similarity import pack
from model_zoo.config.files import load_configs
from model_zoo.data.reference_drugs import DrugList, chembl_drugs
from model_zoo.data.targets import Target
from model_zoo.errors import BundleError
from model_zoo.featurizers import featurize
from model_zoo.uncertainty import calibration, conformal
from model_zoo.uncertainty.calibration import ProbabilityRule
from model_zoo.uncertainty.conformal import IntervalRule
from model_zoo.uncertainty.error_model import held_out_difficulty
from model_zoo.uncertainty.fit import (
    OutOfFoldPredictions,
    ReferenceDistribution,
    Uncertainty,
    fit_uncertainty,
    reference_of,
)
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import TRAINING, publish, training_molecules, write

CONFIGS = load_configs(Path(__file__).parents[4] / "configs")
REGRESSION, BINARY = Target(task="regression"), Target(task="binary")


def hard_molecules(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make difficulties, errors that grow threefold with them, and folds."""
    generator = np.random.default_rng(seed)
    hard = generator.uniform(0, 1, size=(n, 3))
    errors = np.abs(generator.normal(size=n)) * np.exp(1.1 * hard[:, 0] + 0.3 * hard[:, 1])
    return hard, errors, np.arange(n) % 5


def test_intervals_follow_how_hard_a_molecule_is() -> None:
    """Nine of ten errors lie inside for easy and hard molecules alike, where one width for all fails the hard ones."""
    hard, errors, folds = hard_molecules(1500, 0)
    rule = conformal.fit_interval_rule(hard, errors, folds)
    assert rule is not None
    new_hard, new_errors, _ = hard_molecules(20_000, 1)
    holds = new_errors <= rule.half_width(new_hard)
    easy, difficult = new_hard[:, 0] < 0.2, new_hard[:, 0] > 0.8
    one_width = np.quantile(errors, 0.9)

    assert 0.88 < holds.mean() < 0.92
    assert 0.87 < holds[easy].mean() < 0.95
    assert 0.87 < holds[difficult].mean() < 0.95
    assert (new_errors[difficult] <= one_width).mean() < 0.83
    ratio = rule.half_width(np.array([[0.9, 0.5, 0.5]])) / rule.half_width(np.array([[0.1, 0.5, 0.5]]))
    assert ratio[0] == pytest.approx(np.exp(1.1 * 0.8), rel=0.15)


def test_held_out_widths_never_see_their_own_fold() -> None:
    """A fold's widths do not change with that fold's own errors, and change with the others'."""
    hard, errors, folds = hard_molecules(300, 2)
    widths = conformal.held_out_half_widths(hard, errors, folds)
    changed = conformal.held_out_half_widths(hard, np.where(folds == 0, errors * 100, errors), folds)

    np.testing.assert_array_equal(widths[folds == 0], changed[folds == 0])
    assert (widths[folds == 1] < changed[folds == 1]).all()
    assert 0.88 < np.mean(errors <= widths) < 0.95


@pytest.mark.parametrize("errors", [np.zeros(200), np.full(18, 0.5), np.r_[np.zeros(199), 1e6], np.full(200, 1e-12)])
def test_odd_errors_give_finite_widths(errors: np.ndarray) -> None:
    """No error at all, very few, one enormous, all tiny: a rule comes out, its widths finite and not negative."""
    hard = np.random.default_rng(0).uniform(size=(len(errors), 2))
    for folds in (np.arange(len(errors)) % 5, np.zeros(len(errors), dtype=int), np.arange(len(errors)) % 2):
        widths = conformal.held_out_half_widths(hard, errors, folds)
        rule = conformal.fit_interval_rule(hard, errors, folds)

        assert rule is not None
        assert np.isfinite(widths).all()
        assert (widths >= 0).all()
        assert IntervalRule.model_validate_json(rule.model_dump_json()) == rule


def test_difficulty_of_a_held_out_molecule_ignores_its_own_fold() -> None:
    """Neighbours of a held-out molecule are those of other folds, so the nearest is never itself."""
    packed = pack(training_molecules())
    folds = np.arange(len(packed)) % 3
    hard = held_out_difficulty(packed, np.ones(len(packed)), folds)
    alone = held_out_difficulty(packed, np.ones(len(packed)), np.zeros(len(packed), dtype=int))

    assert (hard[:, 0] > 0).all()
    np.testing.assert_allclose(hard[:, 1], 1.0)
    np.testing.assert_allclose(alone[:, 0], 0.0)


def classes(n: int, seed: int, stretch: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Make probabilities of an overconfident model (`stretch` above one), labels, similarities and folds."""
    generator = np.random.default_rng(seed)
    log_odds = generator.normal(0.5, 1.5, size=n)
    labels = (generator.uniform(size=n) < 1 / (1 + np.exp(-log_odds))).astype(float)
    return 1 / (1 + np.exp(-stretch * log_odds)), labels, generator.uniform(size=n), np.arange(n) % 5


def test_calibration_corrects_an_overconfident_model_and_keeps_its_ranking() -> None:
    """Calibrated probabilities fit new labels better by log loss and Brier score, in exactly the same order."""
    rule = calibration.fit_probability_rule(*classes(2000, 0, stretch=3.0))
    new, labels, _, _ = classes(5000, 1, stretch=3.0)
    before, after = (calibration.probability_report(each, labels) for each in (new, rule.calibrate(new)))

    assert after["log_loss"] < 0.8 * before["log_loss"]
    assert after["brier"] < before["brier"]
    assert (np.argsort(new, kind="stable") == np.argsort(rule.calibrate(new), kind="stable")).all()
    assert rule.slope == pytest.approx(1 / 3, rel=0.2)


def test_an_honest_model_is_left_alone() -> None:
    """Calibration that does not lower both scores on folds it was not fitted on is not used."""
    generator = np.random.default_rng(3)
    share = generator.uniform(size=60)
    labels = (generator.uniform(size=60) < share).astype(float)
    rules = [
        calibration.fit_probability_rule(share, labels, np.ones(60), generator.permutation(60) % 5) for _ in range(5)
    ]

    assert any((rule.slope, rule.intercept) == (1.0, 0.0) for rule in rules)
    for rule in rules:
        if rule.slope == 1.0:
            np.testing.assert_array_equal(rule.calibrate(share), share)


def test_sets_hold_for_each_class_and_never_contradict_the_label() -> None:
    """For either true class nine of ten sets hold it, also where one class is rare; a label is always in a full set."""
    probabilities, labels, similarity, folds = classes(4000, 0)
    kept = (labels == 1) | (np.random.default_rng(0).uniform(size=4000) < 0.2)
    rule = calibration.fit_probability_rule(probabilities[kept], labels[kept], similarity[kept], folds[kept])
    new, true, near, _ = classes(20_000, 1)
    calibrated = rule.calibrate(new)
    sets = rule.contains(calibrated, near)

    for label in (0, 1):
        assert sets[true == label, label].mean() == pytest.approx(0.9, abs=0.035)
    chosen = rule.label(calibrated)
    filled = sets.any(axis=1)
    assert sets[np.arange(len(chosen)), chosen][filled].all()
    assert 0 < rule.threshold < 1


def test_the_threshold_is_where_balanced_accuracy_is_best() -> None:
    """No other threshold has a higher balanced accuracy on the predictions that it was chosen by."""
    probabilities, labels, similarity, folds = classes(500, 5)
    rule = calibration.fit_probability_rule(probabilities, labels, similarity, folds)
    calibrated = rule.calibrate(probabilities)

    def balanced(threshold: float) -> float:
        positive = calibrated >= threshold
        return float(positive[labels == 1].mean() + (~positive)[labels == 0].mean())

    assert balanced(rule.threshold) == pytest.approx(max(balanced(each) for each in calibrated))


@pytest.mark.parametrize("labels", [np.zeros(30), np.ones(30), np.r_[np.zeros(29), 1.0]])
@pytest.mark.parametrize("constant", [True, False])
def test_one_class_or_constant_probabilities_give_a_rule(labels: np.ndarray, constant: bool) -> None:
    """Nothing to learn from is no reason to fail."""
    probabilities = np.full(30, 0.3) if constant else np.linspace(0, 1, 30)
    rule = calibration.fit_probability_rule(probabilities, labels, np.ones(30), np.arange(30) % 3)
    calibrated, sets = calibration.held_out(probabilities, labels, np.ones(30), np.arange(30) % 3)

    assert ((rule.calibrate(probabilities) >= 0) & (rule.calibrate(probabilities) <= 1)).all()
    assert np.isfinite(calibrated).all()
    assert sets.shape == (30, 2)


# Models predict single precision; NumPy's interpolation divides by distances, which overflows below 1e-306.
values = st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), min_size=1, max_size=40)


@given(sample=values, asked=values)
def test_percentiles_rise_with_values(sample: list[float], asked: list[float]) -> None:
    """A percentile is within 0 and 100 and never falls when the value rises."""
    reference = reference_of("drugs", "", np.array(sample))
    percent = reference.percentile(np.sort(asked))

    assert ((percent >= 0) & (percent <= 100)).all()
    assert (np.diff(percent) >= -1e-9).all()


def test_percentiles_are_shares_of_the_list() -> None:
    """A value's percentile is the share of drugs below it; beyond the list it is 0 or 100; equals count half."""
    drugs = np.random.default_rng(0).normal(size=1900)
    reference = reference_of("drugs", "", drugs)

    for value in (-1.5, 0.0, 0.7):
        assert reference.percentile(np.array([value]))[0] == pytest.approx(100 * np.mean(drugs < value), abs=0.5)
    assert reference.percentile(np.array([-9.0, 9.0])).tolist() == [0.0, 100.0]
    assert reference_of("", "", np.ones(50)).percentile(np.array([0.0, 1.0, 2.0])).tolist() == [0.0, 50.0, 100.0]


@pytest.mark.parametrize("unit", [1e-320, 1e-307, 1e300])
def test_percentiles_do_not_know_the_unit(unit: float) -> None:
    """However small or large the numbers are, down to those whose slope is not a number."""
    reference = reference_of("drugs", "", unit * np.array([0.0, 1.0, 2.0]))

    assert reference.percentile(unit * np.array([0.0, 1.0, 2.0])) == pytest.approx([0.0, 50.0, 100.0], abs=0.1)


def test_the_reference_drugs_are_read_from_their_package() -> None:
    """Nearly two thousand drugs, nearly all readable, each once, with the licence that must be shown."""
    drugs = chembl_drugs()
    assert drugs is not None
    assert len(drugs.smiles) > 1900
    assert "CC BY-SA 3.0" in drugs.licence
    few = DrugList(drugs.name, drugs.licence, (*drugs.smiles[:50], drugs.smiles[0], "not a molecule"))
    molecules = few.molecules(Standardise())

    assert len({molecule.smiles for molecule in molecules}) == len(molecules) == 49


def held(n: int, *, binary: bool, folds: int, seed: int) -> OutOfFoldPredictions:
    """Make what a model might have said of molecules it did not see."""
    generator = np.random.default_rng(seed)
    packed, kinds = np.packbits(generator.uniform(size=(n, 1024)) < 0.05, axis=1), generator.uniform(size=(n, 8))
    true = generator.normal(size=n)
    predicted = true + 0.5 * generator.normal(size=n)
    numbers = np.arange(n) % folds if folds else np.full(n, -1)
    if binary:
        return OutOfFoldPredictions(1 / (1 + np.exp(-predicted)), (true > 0).astype(float), packed, kinds, numbers)
    return OutOfFoldPredictions(predicted, true, packed, kinds, numbers)


@pytest.mark.parametrize("binary", [False, True])
def test_the_report_tells_coverage_overall_by_bin_and_on_the_test_split(binary: bool) -> None:
    """What the model card says about trust is JSON, adds up, and separates held-out folds from the test split."""
    target = BINARY if binary else REGRESSION
    out_of_fold, test = (held(n, binary=binary, folds=f, seed=n) for n, f in ((400, 5), (100, 0)))
    trust, errors, report = fit_uncertainty(target, out_of_fold, test)
    section = report["prediction_set" if binary else "interval"]

    assert json.loads(json.dumps(report)) == report
    assert section["nominal"] == 0.9
    for part, molecules in (("held_out", 400), ("test", 100)):
        assert section[part]["molecules"] == sum(each["molecules"] for each in section[part]["bins"]) == molecules
        assert 0.8 < section[part]["coverage"] < 0.98
    assert (trust.interval is None) == binary
    assert (trust.probability is None) != binary
    assert len(errors) == 400


def test_bounds_say_nothing_of_coverage() -> None:
    """Intervals are made from measured values alone; a prediction on the right side of a bound is no error."""
    out_of_fold, test = held(300, binary=False, folds=5, seed=7), held(80, binary=False, folds=0, seed=8)
    side = np.where(np.arange(300) % 3 == 0, np.where(np.arange(300) % 2 == 0, 1, -1), 0)
    fits = []
    for far in (50.0, 5000.0):
        values = np.where(side == 0, out_of_fold.values, out_of_fold.predicted - side * far)
        fits.append(fit_uncertainty(REGRESSION, replace(out_of_fold, values=values, side=side), test))
    (rule, errors, report), (other, _, again) = fits

    assert rule == other
    assert report == again
    assert report["interval"]["held_out"]["molecules"] == 200
    assert (errors[side != 0] == 0).all()
    assert 0.85 < report["interval"]["held_out"]["coverage"] < 0.95


def test_an_empty_test_split_is_no_fault() -> None:
    """Data without a test split is reported without one."""
    bits, kinds = np.empty((0, 128), dtype=np.uint8), np.empty((0, 8))
    empty = OutOfFoldPredictions(np.empty(0), np.empty(0), bits, kinds, np.empty(0, dtype=int))
    for binary, target in ((False, REGRESSION), (True, BINARY)):
        fit_uncertainty(target, held(60, binary=binary, folds=3, seed=1), empty)


def with_trust(folder: Path, **trust: Any) -> Path:
    """Write a bundle with these rules."""
    write(folder, onnx_bias=-1.0, trust=Uncertainty(**trust), errors=np.linspace(0.1, 2.0, len(TRAINING)).tolist())
    return folder


def test_a_bundle_gives_each_molecule_its_own_width(tmp_path: Path) -> None:
    """A molecule unlike the training molecules gets a wider interval than one of them; a list of drugs, percentiles."""
    rule = IntervalRule(center=(0.5, 1.0), spread=(0.2, 0.5), weights=(0.0, 0.3, 0.1), low=-2, high=2, factor=1.5)
    reference = ReferenceDistribution(name="drugs", licence="free", molecules=3, quantiles=(-9.0, 0.0, 9.0))
    bundle = load_bundle(with_trust(tmp_path / "bundle", interval=rule, reference=reference))
    got = bundle.predict(training_molecules())
    assert got.upper is not None
    assert got.lower is not None
    assert got.percentile is not None
    widths = got.upper - got.lower

    assert len(np.unique(widths.round(6))) > 10
    np.testing.assert_allclose((got.upper + got.lower) / 2, got.value)
    assert ((got.percentile > 0) & (got.percentile < 100)).all()
    assert bundle.predict([]).lower is not None


def test_a_binary_bundle_labels_what_it_calibrated(tmp_path: Path) -> None:
    """Value, label and set of a binary endpoint come from the stored rule."""
    rule = ProbabilityRule(slope=0.5, intercept=0.0, threshold=0.7, margins=((0.8, 0.8),))
    bundle = write(tmp_path / "b", value=0.9, binary=True, trust=Uncertainty(probability=rule))
    got = bundle.predict(training_molecules()[:2])

    assert got.value[0] == pytest.approx(0.75, abs=0.01)
    assert got.label is not None
    assert got.label.tolist() == [1, 1]
    assert got.sets is not None
    assert got.sets.tolist() == [[True, True], [True, True]]


def test_a_bundle_of_the_first_format_still_loads(tmp_path: Path) -> None:
    """A bundle written before there was trust predicts as it did: one width for all, no label, no percentile."""
    folder = tmp_path / "bundle"
    write(folder, onnx_bias=-1.0)
    manifest = json.loads((folder / "manifest.json").read_text())
    for later in ("trust", "policies", "minimum_reader"):
        del manifest[later]
    manifest["format"] = 1
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": version_of(manifest)}))
    got = load_bundle(folder).predict(training_molecules())

    assert got.upper is not None
    assert got.lower is not None
    np.testing.assert_allclose(got.upper - got.lower, 1.6)
    assert (got.percentile, got.label, got.sets) == (None, None, None)


def test_a_bundle_without_the_errors_its_rule_needs_is_refused(tmp_path: Path) -> None:
    """An interval rule without an error for each training molecule is a broken bundle."""
    rule = IntervalRule(factor=1.0)
    with pytest.raises(BundleError, match="expected errors of 24 training molecules, got 0"):
        write(tmp_path / "bundle", trust=Uncertainty(interval=rule))


ENDPOINTS = (
    Target(task="regression"),
    Target(task="regression", transform="log10", lower=0.01, upper=1000.0),
    Target(task="regression", lower=-12.0, upper=2.0),
    Target(task="binary"),
)


@pytest.mark.parametrize("target", ENDPOINTS)
@pytest.mark.parametrize("wild", [-1e30, -5.0, 0.3, 7.0, 1e30])
def test_no_prediction_is_impossible(tmp_path: Path, target: Target, wild: float) -> None:
    """Whatever a model says, value and interval stay finite and within the endpoint's bounds."""
    binary = target.task == "binary"
    trust = Uncertainty() if binary else Uncertainty(interval=IntervalRule(factor=1e6))
    bundle = write(tmp_path / "b", value=wild, binary=binary, target=target, trust=trust, errors=[0.5] * len(TRAINING))
    got = bundle.predict(training_molecules())
    low, high = (0.0, 1.0) if binary else (target.lower, target.upper)
    for numbers in (got.value, got.lower, got.upper):
        if numbers is not None:
            assert np.isfinite(numbers).all()
            assert low is None or (numbers >= low).all()
            assert high is None or (numbers <= high).all()


def test_the_answer_tells_label_set_and_percentile(tmp_path: Path) -> None:
    """Over HTTP: a probability has label, threshold and set, a number its percentile and what that means."""
    store = FolderStore(tmp_path / "store")
    rule = ProbabilityRule(threshold=0.6, margins=((0.2, 0.9),))
    publish(store, tmp_path / "a", endpoint="bbb", value=0.55, binary=True, trust=Uncertainty(probability=rule))
    drugs = DrugList("some drugs", "CC0", ("CCO", "CCCCO", "c1ccccc1", "CCCCCCCCCC"))
    publish(store, tmp_path / "b", endpoint="logs", onnx_bias=0.0, drugs=drugs)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        (entry,) = client.post("/v1/predict", json={"smiles": ["CCCCO"]}).json()["predictions"]
    binary, number = entry["endpoints"]["bbb"], entry["endpoints"]["logs"]

    assert (binary["label"], binary["threshold"], binary["prediction_set"]) == (0, 0.6, [0, 1])
    assert binary["interval"] is binary["percentile"] is None
    assert 0 < number["percentile"] < 100
    assert number["reference_name"] == "some drugs (CC0)"
    assert number["label"] is number["prediction_set"] is None


@pytest.mark.parametrize("name", sorted(CONFIGS.endpoints))
def test_no_drug_gets_an_impossible_value(tmp_path: Path, name: str) -> None:
    """Every embedded endpoint, by the champion's own path, for nearly two thousand drugs and a model gone wild."""
    target = CONFIGS.endpoints[name].target
    known = chembl_drugs()
    assert known is not None
    molecules = known.molecules(CONFIGS.endpoints[name].curation.standardise)
    binary = target.task == "binary"
    trust = Uncertainty(
        interval=None if binary else IntervalRule(weights=(0.0, 3.0, 0.0), low=-9, high=9, factor=50.0),
        probability=ProbabilityRule(slope=3.0, threshold=0.5, margins=((0.5, 0.5),)) if binary else None,
    )
    bundle = write(
        tmp_path / "b", onnx_bias=-1e4, onnx_weights=(90.0, -2e4, 1e3), binary=binary, target=target, trust=trust,
        errors=[2.0] * len(TRAINING),
    )  # fmt: skip
    got = bundle.predict(molecules, _descriptors(molecules))
    low, high = (0.0, 1.0) if binary else (target.lower, target.upper)

    assert len(molecules) > 1880
    assert np.std(got.value) > 0.1
    for numbers in (got.value, got.lower, got.upper):
        if numbers is not None:
            assert np.isfinite(numbers).all()
            assert low is None or (numbers >= low).all()
            assert high is None or (numbers <= high).all()
    if got.lower is not None and got.upper is not None:
        assert ((got.lower <= got.value) & (got.value <= got.upper)).all()


@lru_cache(maxsize=1)
def _descriptors(molecules: tuple[Molecule, ...]) -> np.ndarray:
    return featurize(["descriptors"], molecules)
