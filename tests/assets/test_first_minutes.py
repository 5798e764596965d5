"""The order of a first run: something serves soon, and nobody is elected by the order."""

from __future__ import annotations

import json

import pytest

from ai_drug_assets.execution.progress import Lines
from ai_drug_assets.execution.runner import bring_up_to_date
from ai_drug_assets.planning.selection import Selection
from model_zoo.bundles.card import ModelCard
from model_zoo.bundles.store import FolderStore, parse_pointer, read_card
from model_zoo.errors import ConfigError
from model_zoo.training import whole_cost
from tests.project_factory import Project, add_model, refuse, write_csv

COSTLY = ("rf", "blend")


@pytest.fixture
def cheap_first(project: Project) -> Project:
    """A project that was never run, in which xgb is cheap and rf and the blend are not."""
    add_model(project.settings, "naive", cheap=True)
    add_model(project.settings, "xgb", cheap=True)
    add_model(project.settings, "blend")
    return project


def decided(card: ModelCard) -> tuple[str, object]:
    """Return what was elected and why."""
    return card.signature, card.decision


def finished(project: Project) -> list[str]:
    """Return the assets in the order in which they were done."""
    return [line.split("]")[1].split()[0] for line in project.lines if line.startswith("[")]


def cards(project: Project) -> dict[str, ModelCard]:
    """Return the card of each served champion."""
    store = FolderStore(project.settings.home / "store")
    pointer = parse_pointer(store.read_pointer_bytes())
    return {name: read_card(store, name, now.version) for name, now in pointer.endpoints.items()}


def run(project: Project, selection: Selection) -> list[str]:
    """Make a part; return what was made."""
    report = bring_up_to_date(project.catalog(), project.instance, Lines(project.lines.append), selection)
    assert not report.failed
    return report.made


def test_each_endpoint_serves_before_anything_costly_is_trained(cheap_first: Project) -> None:
    """The first bundle is published before the second endpoint is begun; every endpoint before a costly model is."""
    report = cheap_first.run()
    assert not report.failed
    order = finished(cheap_first)
    published = [place for place, key in enumerate(order) if key == "inference_service"]
    assert published[0] < order.index("dataset/logp")
    costly = min(order.index(f"trained_model/{name}/{model}") for name in ("greasy", "logp") for model in COSTLY)
    assert published[1] < costly
    assert order[-1] == "inference_service"
    assert sorted(report.made) == sorted(cheap_first.catalog().nodes)
    assert cheap_first.plan() == {}
    assert not (cheap_first.settings.home / "store" / "progress.json").exists()


@pytest.mark.slow(
    sibling=(
        "test_each_endpoint_serves_before_anything_costly_is_trained",
        "test_election::test_the_order_in_which_models_come_does_not_decide",
    )
)
def test_the_champions_are_those_of_a_run_by_stages(cheap_first: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provisional champion defends no title, so that in the end those are elected that one election of all would
    elect.

    Features cost the same in every election here. Each measures them again, and on a busy machine two measurements
    may be on both sides of the factor that decides between models that tie.
    """
    monkeypatch.setattr(whole_cost, "featurizing_ms", lambda names, _: dict.fromkeys(names, 0.01))
    cheap_first.run()
    by_endpoint = cards(cheap_first)
    for place in ("store", "leaderboard", "champion_model"):
        (cheap_first.settings.home / place).rename(cheap_first.settings.home / f"old_{place}")
    ledger = cheap_first.settings.home / "ledger"
    for kind in ("leaderboard", "champion_model"):
        (ledger / kind).rename(ledger.with_name(f"old_{kind}_ledger"))
    (ledger / "inference_service.json").unlink()
    cheap_first.run()  # every model is there: one election
    at_once = cards(cheap_first)
    assert {name: decided(card) for name, card in by_endpoint.items()} == {
        name: decided(card) for name, card in at_once.items()
    }
    assert all(card.awaited == () for card in by_endpoint.values())


def test_parts_are_made_alone(cheap_first: Project) -> None:
    """`aidrug run greasy --model rf` makes that model, what it needs and what judges it, and nothing else."""
    assert set(run(cheap_first, Selection(("greasy",), ("rf",)))) == {
        "dataset/greasy",
        "features/greasy/morgan_count",
        "trained_model/greasy/rf",
        "leaderboard/greasy",
        "champion_model/greasy",
        "inference_service",
    }
    assert cards(cheap_first)["greasy"].awaited == ("naive", "xgb", "blend")


@pytest.mark.slow(sibling=("test_parts_are_made_alone", "test_each_endpoint_serves_before_anything_costly_is_trained"))
def test_what_quick_left_is_completed_by_the_next_run(cheap_first: Project) -> None:
    """With --quick only cheap models are trained, and the cards name the others; the next run completes them."""
    run(cheap_first, Selection(("greasy",), ("rf",)))
    made = run(cheap_first, Selection(quick=True))
    assert {key for key in made if key.endswith(COSTLY)} == set()
    provisional = cards(cheap_first)
    assert {name: card.awaited for name, card in provisional.items()} == {
        "greasy": ("blend",),
        "logp": ("rf", "blend"),
    }

    cheap_first.run()
    final = cards(cheap_first)
    assert all(card.awaited == () for card in final.values())
    for name, card in final.items():  # whichever wins, the card is a new one: it says that all were heard
        assert card.leaderboard != provisional[name].leaderboard
    assert cheap_first.evaluate() == []


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(("solubility",)), "unknown endpoint 'solubility', expected some of greasy, logp"),
        (Selection(models=("forest",)), "unknown model 'forest', expected some of"),
    ],
)
def test_a_name_that_is_not_known_is_refused(cheap_first: Project, selection: Selection, words: str) -> None:
    """An unknown name is an error that lists the known ones, before anything is made."""
    with pytest.raises(ConfigError, match=words):
        selection.keys(cheap_first.catalog())


def test_a_broken_first_endpoint_gives_way_to_the_next(project: Project) -> None:
    """Where the first endpoint's measurements are broken, the next one serves, and the fault is reported."""
    write_csv(project.root / "greasy.csv", [("not a molecule", 1.0)])
    report = project.run()
    assert "dataset/greasy" in report.failed
    assert list(cards(project)) == ["logp"]
    assert cards(project)["logp"].awaited == ()


def test_an_established_champion_waits_for_every_candidate(made: Project) -> None:
    """While a model is still to be trained nobody takes the title of an ordinary champion."""
    before = cards(made)
    add_model(made.settings, "xgb", config={"n_estimators": 60})
    made.materialise("leaderboard/logp", "champion_model/logp", "inference_service")
    assert cards(made)["logp"].signature == before["logp"].signature
    board = next((made.settings.home / "leaderboard" / "logp").glob("*/leaderboard.json"), None)
    assert board is not None
    decided = made.ledger.read("champion_model/logp").made
    assert decided is not None
    assert not decided.data_version.endswith("provisional")


def test_a_model_that_fails_is_not_awaited(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose training fails does not keep a champion provisional for ever."""
    monkeypatch.setattr("model_zoo.models.rf.train", refuse)  # on regression endpoints
    (project.settings.configs / "endpoints" / "greasy.yaml").unlink()
    report = project.run()
    assert "trained_model/logp/rf" in report.failed
    assert all(card.awaited == () for card in cards(project).values())
    stale = project.plan()
    assert {key.split("/")[0] for key in stale} == {"trained_model"}, json.dumps(sorted(stale))
