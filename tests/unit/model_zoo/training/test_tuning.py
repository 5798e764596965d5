"""Search: inside the folds, from the present settings on, the same trials whether interrupted or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.storages import InMemoryStorage

from ai_drug_assets.operations import tuning
from ai_drug_assets.operations.tuning import search_settings, write_overrides
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import load_configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.errors import ConfigError, DataError
from model_zoo.models._base import ModelConfig
from model_zoo.training.cross_validation import TrainingData, Validated, cross_validate
from model_zoo.training.tuning import Found, Question, divided, tune
from tests.project_factory import add_model, make_project

ENDPOINT = Endpoint.model_validate(
    {
        "name": "a",
        "title": "a",
        "description": "a",
        "task": "regression",
        "unit": "pIC50",
        "source": {"kind": "csv", "files": ["a.csv"]},
        "champion": {"metric": "rmse"},
    }
)
ROOM = {"n_estimators": {"choices": [3, 5]}, "max_features": {"low": 0.05, "high": 1.0, "log": True}}


def file(**fields: Any) -> ModelSpec:
    """Return a small forest that may be searched."""
    content = {"name": "rf", "description": "a", "features": ["erg"], "search": ROOM}
    return ModelSpec.model_validate({**content, "config": {"n_estimators": 3, "max_features": 0.05}, **fields})


def data() -> TrainingData:
    """Return rows of which one column of many determines the values; every sixth row is the test split."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(90, 12)).astype(np.float32)
    return TrainingData(X, X[:, 4].astype(np.float64), np.where(np.arange(90) % 6 == 5, -1, np.arange(90) % 3))


def question(what: TrainingData, model: ModelSpec) -> Question:
    """Return what a search asks for on rows."""

    def validate(config: ModelConfig, rows: TrainingData) -> Validated:
        return cross_validate(model.recipe, config, ENDPOINT.target, rows)

    return Question(ENDPOINT, model, what, validate)


def run(storage: InMemoryStorage, trials: int, what: TrainingData, lines: list[str] | None = None) -> Found:
    """Search as the command does."""
    say = (lambda _: None) if lines is None else lines.append
    return tune(question(what, file()), storage, "study", trials=trials, say=say)


def test_a_search_begins_with_the_present_settings_and_finds_better_ones() -> None:
    """Trial 0 is what the YAML says now; what is chosen is within the search space and is better over the folds."""
    lines: list[str] = []
    found = run(InMemoryStorage(), 6, data(), lines)

    assert "trial 0: rmse" in lines[0]
    assert "{'n_estimators': 3, 'max_features': 0.05}" in lines[0]
    assert len(lines) == found.trials == 6
    assert found.best < found.own
    assert found.chosen["n_estimators"] in (3, 5)
    assert 0.05 < found.chosen["max_features"] <= 1
    assert found.interval is not None
    assert found.gain is not None
    assert found.interval[0] <= found.gain <= found.interval[1]
    assert found.confirmed == (found.interval[0] > 0)


@pytest.mark.slow(sibling="test_a_search_begins_with_the_present_settings_and_finds_better_ones")
def test_an_interrupted_search_makes_the_trials_it_would_have_made() -> None:
    """Six trials at once, or two and then four more: the same settings and scores; a finished search does nothing."""
    at_once, in_parts, lines, parts = InMemoryStorage(), InMemoryStorage(), list[str](), list[str]()
    whole = run(at_once, 6, data(), lines)
    run(in_parts, 2, data(), parts)
    assert run(in_parts, 6, data(), parts) == whole
    assert parts == lines
    assert run(in_parts, 6, data(), parts) == whole
    assert len(parts) == 6


def test_the_test_split_has_no_part_in_a_search() -> None:
    """Other values in the test split change nothing."""
    what = data()
    other = replace(what, values=np.where(what.folds < 0, 1e6, what.values))

    assert run(InMemoryStorage(), 3, what) == run(InMemoryStorage(), 3, other)


@pytest.mark.slow(sibling="test_a_search_begins_with_the_present_settings_and_finds_better_ones")
def test_the_outer_folds_have_no_part_in_choosing() -> None:
    """Other values there change what is confirmed, and nothing of what is chosen, nor a score of a trial."""
    what, lines, other_lines = data(), list[str](), list[str]()
    inner, outer = divided(ENDPOINT, what)
    spoilt = replace(what, values=np.where(outer, np.random.default_rng(1).permutation(what.values), what.values))
    found, other = run(InMemoryStorage(), 6, what, lines), run(InMemoryStorage(), 6, spoilt, other_lines)

    assert lines == other_lines
    assert (found.chosen, found.best, found.own) == (other.chosen, other.best, other.own)
    assert found.gain != other.gain
    assert found.confirmed
    assert not other.confirmed
    assert sorted(set(inner.folds)) == [-1, 0, 1]
    assert set(what.folds[outer]) == {2}


def test_too_few_folds_are_refused() -> None:
    """With two of them nothing is left to confirm by."""
    what = replace(data(), folds=np.where(data().folds == 2, 1, data().folds))
    with pytest.raises(DataError, match=r"a search needs 3 folds or more, .* got 2. Give its YAML more"):
        run(InMemoryStorage(), 1, what)


def test_settings_that_cannot_be_bettered_stay() -> None:
    """When no trial is better than the present settings, nothing is chosen."""
    model = file(search={"n_estimators": {"choices": [3]}})
    found = tune(question(data(), model), InMemoryStorage(), "study", trials=2)
    assert (found.chosen, found.own, found.confirmed, found.gain) == ({}, found.best, False, None)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"search": {}}, "search: missing, expected where to look"),
        ({"config": {"n_estimators": 9}}, "expected room for the present value 9 on a"),
    ],
)
def test_a_search_without_room_is_refused(fields: dict[str, Any], why: str) -> None:
    """The YAML must say where to look, and the present settings must be there."""
    model = file(**fields)
    with pytest.raises(ConfigError, match=why):
        tune(question(data(), model), InMemoryStorage(), "study", trials=1)


@pytest.mark.parametrize(
    ("room", "why"),
    [
        ({"n_trees": {"low": 1, "high": 2}}, "search.n_trees: unknown key"),
        ({"n_estimators": {"low": 0, "high": 2}}, "search.n_estimators: .* greater than or equal to 1"),
        ({"n_estimators": {"low": 3, "high": 2}}, "low < high"),
        ({"max_features": {"low": 0.0, "high": 1.0, "log": True}}, "above zero for log"),
        ({"n_estimators": {"low": 3, "choices": [2]}}, "got both"),
    ],
)
def test_a_fault_in_the_room_is_named(room: dict[str, Any], why: str) -> None:
    """What the recipe would refuse cannot be searched."""
    with pytest.raises(ValueError, match=why):
        file(search=room)


def test_what_was_chosen_is_written_without_losing_a_comment(tmp_path: Path) -> None:
    """Overrides are added or changed; every other line of the file stays as it is."""
    before = (
        "# a heading\nname: rf\nfeatures: [erg]  # one block\nconfig:\n  n_estimators: 3\n"
        "overrides:  # per endpoint\n  b: {n_estimators: 4}\n"
    )
    path = tmp_path / "rf.yaml"
    path.write_text(before, encoding="utf-8")
    write_overrides(path, "logs", "a", {"max_features": 0.25})
    write_overrides(path, "logs", "b", {"n_estimators": 5})

    assert path.read_text(encoding="utf-8") == before.replace("4}", "5}") + "  a: {max_features: 0.25}\n"


def test_the_repository_s_own_files_survive_a_rewrite(tmp_path: Path) -> None:
    """Writing an override into an endpoint's YAML of this repository adds that one and leaves the rest."""
    for source in (Path(__file__).parents[4] / "configs" / "endpoints").glob("*.yaml"):
        path = tmp_path / source.name
        path.write_bytes(source.read_bytes())
        write_overrides(path, "logs", "a", {"seed": 1})
        lines = path.read_text(encoding="utf-8").splitlines()
        assert [line for line in source.read_text(encoding="utf-8").splitlines() if line not in lines] == []


def test_the_command_searches_on_the_project_s_own_data(tmp_path: Path) -> None:
    """A search reads an endpoint's measurements, keeps its study, and changes the configuration only when asked to."""
    settings = make_project(tmp_path)
    room = {"max_features": {"low": 0.05, "high": 1.0}}
    add_model(settings, "rf", config={"n_estimators": 5, "max_features": 0.05}, search=room)
    path = settings.configs / "models" / "rf.yaml"
    before, lines = path.read_bytes(), list[str]()
    arguments: dict[str, Any] = {"seed": 0, "say": lines.append}
    first = search_settings(settings, "rf", ["logp"], trials=3, write=False, **arguments)
    assert path.read_bytes() == before
    assert len(lines) == 3
    assert not first["logp"]["written"]
    again = search_settings(settings, "rf", ["logp"], trials=3, write=True, **arguments)

    assert again["logp"]["written"] == first["logp"]["confirmed"]
    assert {**again["logp"], "written": False} == first["logp"]
    chosen = first["logp"]["chosen"] if first["logp"]["confirmed"] else {}
    assert [line for line in lines[3:] if f"overrides.rf: wrote {chosen}" in line] == lines[3:]
    assert load_configs(settings.configs).models["rf"].overrides.get("logp", {}) == chosen
    with pytest.raises(ConfigError, match="does not compete on 'logd'"):
        search_settings(settings, "rf", ["logd"], trials=3, write=False, **arguments)
    with pytest.raises(ConfigError, match="unknown model 'forest'"):
        search_settings(settings, "forest", [], trials=3, write=False, **arguments)


@pytest.mark.parametrize(
    ("confirmed", "write", "written"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_only_what_is_confirmed_is_written_and_told(
    *, confirmed: bool, write: bool, written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint's file changes, and a line says so, when the outer folds confirm and it is wished for."""
    settings = make_project(tmp_path)
    add_model(settings, "rf", search={"max_features": {"low": 0.05, "high": 1.0}})
    found = Found({"max_features": 0.25}, 1.0, 0.9, 0.1, (0.01, 0.2), confirmed=confirmed, trials=2)
    monkeypatch.setattr(tuning, "tune", lambda *_, **__: found)
    path, lines = settings.configs / "endpoints" / "logp.yaml", list[str]()
    before = path.read_bytes()
    result = search_settings(settings, "rf", ["logp"], trials=2, seed=0, write=write, say=lines.append)

    assert result["logp"]["written"] is written
    assert (path.read_bytes() != before) is written
    assert lines == ([f"{path}: overrides.rf: wrote {{'max_features': 0.25}}"] if written else [])
    assert load_configs(settings.configs).models["rf"].overrides.get("logp", {}) == (found.chosen if written else {})
