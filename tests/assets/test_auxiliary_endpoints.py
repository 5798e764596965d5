"""A model of several endpoints in the pipeline: made from the others' snapshots, and stale with them."""

from __future__ import annotations

import pytest

from ai_drug_assets.operations.tuning import search_settings
from model_zoo.bundles.card import parse_card
from model_zoo.bundles.model_card import to_markdown
from model_zoo.data.sources import CsvSource
from tests.project_factory import Project, add_model, measurements, molecules, write_csv, write_yaml

MULTITASK = "trained_model/logp/multitask"


def add_endpoint(project: Project, name: str, smiles: list[str]) -> None:
    """Write one more endpoint, whose values are Crippen's logP too."""
    write_csv(project.root / f"{name}.csv", list(zip(smiles, measurements(name, smiles), strict=True)))
    fields = {"task": "regression", "unit": "log10 ratio", "champion": {"metric": "rmse"}}
    source = CsvSource(kind="csv", files=(f"{name}.csv",)).model_dump(mode="json", exclude_none=True)
    content = {"name": name, "title": name, "description": name, **fields, "source": source}
    write_yaml(project.settings.configs / "endpoints" / f"{name}.yaml", {**content, "split": {"kind": "random"}})


@pytest.fixture
def several(made: Project) -> Project:
    """A project that gets a third endpoint, of rings, and a model of the first that learns from it too."""
    add_endpoint(made, "ringed", [f"C1CCCC1{text}" for text in molecules()])
    add_model(made.settings, "multitask", endpoints=["logp"])
    return made


def test_a_value_that_changes_elsewhere_is_a_reason_to_train_it(several: Project) -> None:
    """It follows every endpoint's snapshot and scale; no other model of its endpoint does. People see what it learnt
    from, also when it is a part of the champion.
    """
    own = ("dataset/logp", "features/logp/morgan_count")
    assert several.catalog().nodes[MULTITASK].deps == (*own, "dataset/greasy", "dataset/ringed")
    add_model(several.settings, "rf", endpoints=["greasy", "ringed"])
    assert several.run().failed == {}
    assert several.plan() == {}
    (place,) = (several.settings.home / "store" / "bundles" / "logp").glob("multitask-*/card.json")
    card = parse_card(place.read_bytes(), str(place))
    assert card.model.auxiliary == ("greasy", "ringed")
    assert "nothing of it on molecules that this is tested on: greasy, ringed." in to_markdown(card)

    several.edit("configs/endpoints/ringed.yaml", "unit: log10 ratio", "unit: log10 ratio\nupper: 9")
    plan = several.plan()
    assert ("config", "auxiliary.ringed.upper") in plan[MULTITASK]  # its bounds decide what is learnt from it
    assert "dataset/ringed" not in plan
    several.edit("configs/endpoints/ringed.yaml", "unit: log10 ratio\nupper: 9", "unit: log10 ratio")
    assert several.plan() == {}

    several.edit("ringed.csv", "C1CCCC1CCO,", "C1CCCC1CCO,1")
    plan = several.plan()
    assert plan[MULTITASK] == {("upstream", "dataset/ringed")}
    assert {key for key in plan if "/logp/" in key} == {MULTITASK}


@pytest.mark.slow(sibling="test_a_value_that_changes_elsewhere_is_a_reason_to_train_it")
def test_its_blend_is_made_from_the_other_snapshots_and_is_stale_with_them(several: Project) -> None:
    """A value that changes elsewhere trains it and its blend again, and no other model of its endpoint."""
    add_model(several.settings, "blend", members=["multitask", "rf"], endpoints=["logp"])
    assert several.run().failed == {}
    assert several.plan() == {}
    before = several.trained()

    several.edit("ringed.csv", "C1CCCC1CCO,", "C1CCCC1CCO,1")
    assert {key for key in several.plan() if "/logp/" in key} == {MULTITASK, "trained_model/logp/blend"}
    assert several.run().failed == {}
    after = several.trained()
    for asset in before:
        after.remove(asset)
    assert after == ["trained_model/logp/blend", MULTITASK, "trained_model/ringed/naive", "trained_model/ringed/rf"]
    assert several.plan() == {}


def test_endpoints_of_the_same_molecules_teach_nothing(made: Project) -> None:
    """Where others measured no molecule of their own, it fails with advice, and the endpoint continues without it."""
    add_model(made.settings, "multitask", endpoints=["logp"])
    report = made.run()

    assert set(report.failed) == {MULTITASK}
    assert "expected at least 16 molecules of other endpoints" in report.failed[MULTITASK]
    assert {"champion_model/logp", "inference_service"} <= set(report.made)


def test_its_settings_are_searched_as_any_models(several: Project) -> None:
    """Each trial learns from the other endpoints by its own settings."""
    add_model(several.settings, "multitask", endpoints=["logp"], search={"epochs": {"choices": [2, 40]}})
    lines: list[str] = []
    found = search_settings(several.settings, "multitask", [], trials=2, seed=0, write=False, say=lines.append)

    assert found["logp"]["trials"] == 2
    assert "{'epochs': 2}" in lines[0]
