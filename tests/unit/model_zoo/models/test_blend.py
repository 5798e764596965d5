"""Blends: shares from out-of-fold predictions alone, one folder of members, signatures made of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo.benchmark.boards import competitors
from model_zoo.bundles.reader import load_bundle
from model_zoo.config.files import load_configs, with_members
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.targets import Target
from model_zoo.errors import BundleError, ConfigError, TrainingError
from model_zoo.featurizers import featurize
from model_zoo.fitted_models.formats import BlendMember, BlendModel, ConstantModel, load_model
from model_zoo.models import blend, get
from model_zoo.training.cross_validation import Member, TrainingData, cross_validate_ensemble, train_and_score
from tests.bundle_factory import linear_onnx, training_molecules, write

ROWS = 120
REGRESSION = Target(task="regression")


def data() -> TrainingData:
    """Return rows of which the first two columns make up the values; every sixth row is the test split."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(ROWS, 5)).astype(np.float32)
    folds = np.where(np.arange(ROWS) % 6 == 5, -1, np.arange(ROWS) % 3)
    return TrainingData(X, np.asarray(X[:, 0] + 2 * X[:, 3] + 5, dtype=np.float64), folds)


def train_members(folder: Path, what: TrainingData) -> list[Member]:
    """Train two models, each on columns of its own."""
    from model_zoo.models import rf

    members = []
    for name, columns in (("rf", ((0, 2),)), ("xgb", ((3, 5), (1, 2)))):
        place = folder / name
        place.mkdir(parents=True)
        X = np.hstack([what.X[:][:, start:stop] for start, stop in columns])
        config = rf.Config(n_estimators=10, max_features=1.0)
        train_and_score("rf", config, REGRESSION, TrainingData(X, what.values, what.folds), place)
        members.append(Member(name, columns, place))
    return members


def test_a_blend_beats_its_members_and_is_what_it_saved(tmp_path: Path) -> None:
    """Members that know different things make a better blend; what is loaded predicts what was scored."""
    what, place = data(), tmp_path / "blend"
    members = train_members(tmp_path, what)
    place.mkdir()
    scores = train_and_score("blend", blend.Config(shrinkage=1), REGRESSION, what, place, members)
    alone = [np.load(member.folder / "predictions.npz")["raw"] for member in members]
    loaded = load_model(place / "model")
    test = what.folds < 0

    assert isinstance(loaded, BlendModel)
    assert [member.name for member in loaded.members] == ["rf", "xgb"]
    assert sum(member.weight for member in loaded.members) == pytest.approx(1)
    raw = np.load(place / "predictions.npz")["raw"]
    np.testing.assert_array_equal(loaded.predict(what.X[:])[test], raw[test])
    mixed = sum(member.weight * own[test] for member, own in zip(loaded.members, alone, strict=True))
    np.testing.assert_allclose(raw[test], mixed, rtol=1e-6)
    rmse = [np.sqrt(np.mean((own[~test] - what.values[~test]) ** 2)) for own in alone]
    assert scores["cv"]["rmse"]["mean"] < min(rmse)


def test_a_fold_is_scored_by_weights_that_did_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shares of a fold follow from the other folds: other values in it change no prediction for it."""
    what = data()
    P = np.column_stack([what.values + 1, -what.values])
    first = cross_validate_ensemble(get("blend"), blend.Config(), REGRESSION, P, what)
    held_out = what.folds == 1
    other = TrainingData(what.X, np.where(held_out, -what.values, what.values), what.folds)
    second = cross_validate_ensemble(get("blend"), blend.Config(), REGRESSION, P, other)

    np.testing.assert_array_equal(first.raw[held_out], second.raw[held_out])
    assert not np.array_equal(first.raw[what.folds == 0], second.raw[what.folds == 0])
    assert np.isnan(first.raw[what.folds < 0]).all()


def test_the_test_split_has_no_part_in_the_weights(tmp_path: Path) -> None:
    """Other values in the test split change neither the folds' scores nor the shares."""
    what, shares = data(), []
    members = train_members(tmp_path, what)
    for number, values in enumerate((what.values, np.where(what.folds < 0, 99.0, what.values))):
        place = tmp_path / f"blend{number}"
        place.mkdir()
        train_and_score("blend", blend.Config(), REGRESSION, TrainingData(what.X, values, what.folds), place, members)
        loaded = load_model(place / "model")
        assert isinstance(loaded, BlendModel)
        shares.append([member.weight for member in loaded.members])

    assert shares[0] == shares[1]


def test_few_molecules_hardly_move_the_shares() -> None:
    """The fewer molecules, the nearer to equal shares; a useless member of a large set is left out."""
    generator = np.random.default_rng(1)

    def shares(n: int) -> NDArray[np.float64]:
        y = generator.normal(size=n)
        return blend.fit_weights(np.column_stack([y + generator.normal(size=n) * 0.2, -y]), y, blend.Config())

    few, many = shares(20), shares(20_000)
    assert 0.5 < few[0] < 0.75
    assert many.tolist() == [1.0, 0.0]


def test_shares_are_repeatable_and_sum_to_one() -> None:
    """No share is negative, equal arguments lead to equal shares, equal members equal ones."""
    generator = np.random.default_rng(2)
    y = generator.normal(size=300)
    P = y[:, None] + generator.normal(size=(300, 4))
    first = blend.fit_weights(P, y, blend.Config())

    assert (first >= 0).all()
    assert first.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_array_equal(first, blend.fit_weights(P, y, blend.Config()))
    np.testing.assert_allclose(blend.fit_weights(P[:, [0, 0]], y, blend.Config()), [0.5, 0.5])
    assert blend.fit_weights(np.zeros((5, 2)), np.zeros(5), blend.Config()).tolist() == [0.5, 0.5]


def test_a_blend_of_probabilities_is_one(tmp_path: Path) -> None:
    """Shares that sum to one keep a mean of probabilities between them."""
    members = [BlendMember(name, 0.5, ((0, 1),), ConstantModel(value)) for name, value in (("a", 0.0), ("b", 1.0))]
    BlendModel(members).save(tmp_path)

    assert load_model(tmp_path).predict(np.zeros((2, 1))).tolist() == [0.5, 0.5]
    assert load_model(tmp_path).predict(np.zeros((0, 1))).shape == (0,)


def test_a_member_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A saved blend names folders in itself and nowhere else."""
    BlendModel([BlendMember("a", 1.0, ((0, 1),), ConstantModel(1.0))]).save(tmp_path)
    path = tmp_path / "model.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"name": "a"', '"name": "../a"'), encoding="utf-8")

    with pytest.raises(BundleError, match="expected a member's name"):
        load_model(tmp_path)


def test_members_of_other_rows_are_refused(tmp_path: Path) -> None:
    """Members must come from the very rows of the blend, and only an ensemble takes members."""
    what = data()
    members = train_members(tmp_path, what)
    half = TrainingData(what.X[::2], what.values[::2], what.folds[::2])
    for name, rows, why in (("blend", half, "trained on the same 60 rows"), ("naive", what, "it learns by itself")):
        place = tmp_path / f"as-{name}"
        place.mkdir()
        with pytest.raises(TrainingError, match=why):
            train_and_score(name, blend.Config(), REGRESSION, rows, place, members)
    with pytest.raises(TrainingError, match="expected the trained models that it is made of"):
        train_and_score("blend", blend.Config(), REGRESSION, what, tmp_path)


def test_a_bundle_holds_a_blend(tmp_path: Path) -> None:
    """A blend is bundled with its members in the one model folder, and replays its reference predictions."""
    place = tmp_path / "blend"
    place.mkdir()
    graph = linear_onnx(1024, [0.5, 0.25], 1.0)
    members = [BlendMember("a", 0.25, ((0, 1024),), graph), BlendMember("b", 0.75, ((0, 1024),), ConstantModel(2.0))]
    BlendModel(members).save(place)
    bundle = write(tmp_path / "bundle", model_folder=place)

    assert isinstance(load_bundle(tmp_path / "bundle").model, BlendModel)
    molecules = training_molecules()
    expected = 0.25 * graph.predict(featurize(["morgan_count"], molecules)) + 1.5
    np.testing.assert_allclose(bundle.predict(molecules).value, expected, rtol=1e-12)


def file(name: str, **fields: Any) -> ModelSpec:
    """Return a model's configuration."""
    return ModelSpec.model_validate({"name": name, "description": name, **fields})


def test_an_ensemble_follows_those_of_its_members_that_compete() -> None:
    """Its features are theirs; with fewer than two of them it does not compete itself."""
    rf, xgb = file("rf", features=["erg", "tokens"]), file("xgb", features=["tokens", "descriptors"])
    mix = file("blend", members=["catboost", "xgb", "rf"])
    last = with_members([mix, rf, xgb])[-1]

    assert (last.name, last.members, last.features) == ("blend", ("xgb", "rf"), ("tokens", "descriptors", "erg"))
    assert [model.name for model in with_members([mix, rf])] == ["rf"]


@pytest.mark.parametrize(
    ("metric", "settings", "loss"),
    [("mae", {}, "MAE"), ("rmse", {}, "MSE"), (None, {}, "MSE"), ("mae", {"loss": "MSE"}, "MSE")],
)
def test_a_blend_aims_at_the_metric_that_elects(metric: str | None, settings: dict[str, str], loss: str) -> None:
    """Unless its YAML, or that of the endpoint, says another loss."""
    rf, xgb = (ModelSpec(name=name, description="", features=("morgan_count",)) for name in ("rf", "xgb"))
    mix = ModelSpec(name="blend", description="", members=("rf", "xgb"))
    in_model = with_members([mix.model_copy(update={"config": settings}), rf, xgb], metric)[-1]
    at_endpoint = with_members([mix.model_copy(update={"overrides": {"one": settings}}), rf, xgb], metric)[-1]
    assert {each.settings("one").model_dump()["loss"] for each in (in_model, at_endpoint)} == {loss}


def test_on_the_strict_board_a_blend_has_strict_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a member's weights saw keeps it out of the strict board's blend, and nothing else."""
    monkeypatch.setattr("model_zoo.featurizers.avalon_count.PRETRAINING_DATA", "everything", raising=False)
    single = [file("rf", features=["erg"]), file("xgb", features=["avalon_count"]), file("catboost", features=["erg"])]
    known = [*single, file("blend", members=["catboost", "rf", "xgb"])]

    assert with_members(competitors(known, "strict"))[-1].members == ("catboost", "rf")
    assert with_members(competitors(known, "open"))[-1].members == ("catboost", "rf", "xgb")


def test_faults_in_an_ensemble_file_are_named(tmp_path: Path) -> None:
    """Features belong to models that learn, members to those that weigh, and members are known models."""
    with pytest.raises(ValueError, match="features: missing"):
        file("rf", members=["xgb"])
    with pytest.raises(ValueError, match="members: missing"):
        file("blend", features=["erg"])
    (tmp_path / "endpoints").mkdir()
    (tmp_path / "models").mkdir()
    source = "{kind: csv, files: [a.csv]}"
    (tmp_path / "endpoints" / "a.yaml").write_text(
        f"{{name: a, title: a, description: a, task: regression, unit: pIC50, source: {source}, champion: "
        "{metric: rmse}}",
        encoding="utf-8",
    )
    for name, rest in (("rf", "features: [erg]"), ("blend", "members: [rf, blend]")):
        (tmp_path / "models" / f"{name}.yaml").write_text(f"{{name: {name}, description: a, {rest}}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"blend.yaml: members: expected some of rf, got 'blend'"):
        load_configs(tmp_path)
