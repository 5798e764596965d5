"""Endpoints that share compounds: divided together, fitted once by a joint model, judged and served each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_drug_assets import keys
from ai_drug_assets.assets.holding import accept
from ai_drug_assets.planning.catalog import Catalog
from model_zoo.bundles.card import parse_card
from model_zoo.bundles.pointer import parse_pointer
from model_zoo.data.dataset import Dataset
from model_zoo.fitted_models.formats import load_model
from tests.project_factory import Project, add_model, measurements, molecules, write_csv, write_yaml

JOINT = "trained_model/pair/mlp_joint"
COLUMN = "trained_model/logp/mlp_joint"


def add_endpoint(project: Project, name: str, rows: list[tuple[str, float]], **fields: Any) -> None:
    """Write one more endpoint."""
    write_csv(project.root / f"{name}.csv", rows)
    content = {"task": "regression", "unit": "log10 ratio", "champion": {"metric": "rmse"}} | fields
    content |= {"name": name, "title": name, "description": name}
    content |= {"source": {"kind": "csv", "files": [f"{name}.csv"]}}
    write_yaml(project.settings.configs / "endpoints" / f"{name}.yaml", content)


def group(project: Project, *names: str, **fields: Any) -> None:
    """Write the group."""
    split = {"kind": "random", "folds": 3}
    content = {"name": "pair", "endpoints": list(names), "split": split, **fields}
    write_yaml(project.settings.configs / "groups" / "pair.yaml", content)


def rows_of(smiles: list[str], slope: float = 1.0) -> list[tuple[str, float]]:
    """Return molecules with a value that goes with Crippen's logP."""
    return [(text, slope * value) for text, value in zip(smiles, measurements("logp", smiles), strict=True)]


@pytest.fixture
def paired(made: Project) -> Project:
    """A project that gets an endpoint which shares most molecules with the first, and a group of both."""
    smiles = [*molecules()[20:], *(f"C1CCCC1{text}" for text in molecules()[:30])]
    add_endpoint(made, "sister", rows_of(smiles, 2.0), models=["naive", "mlp_joint"])
    add_model(made.settings, "mlp_joint")
    group(made, "logp", "sister")
    return made


def test_a_group_is_divided_fitted_and_served(paired: Project) -> None:
    """One place per molecule, one fit, a column for each endpoint, which is judged beside the others; nothing else
    is made again, and the graph of groups of assets has no circle. An endpoint more trains all of the group again, and
    nothing outside of it; the plan says why.
    """
    add_model(paired.settings, "blend", members=["rf", "mlp_joint"])
    stale = paired.plan()
    assert {"dataset/pair", JOINT, COLUMN, "trained_model/sister/mlp_joint"} <= stale.keys()
    assert ("upstream", "dataset/pair") in stale["trained_model/logp/rf"]
    assert not {
        key for key in stale if key.startswith(("dataset/greasy", "features/greasy", "trained_model/greasy/rf"))
    }
    report = paired.run()
    assert report.failed == {}
    assert paired.plan() == {}
    assert paired.trained().count(JOINT) == 1

    nodes, home = paired.catalog().nodes, paired.settings.home
    tables = {}
    for name in ("logp", "sister"):
        node = nodes[f"dataset/{name}"]
        tables[name] = Dataset.load(home / "dataset" / name / node.signature[:16]).table
    places: dict[str, set[int]] = {}
    for table in tables.values():
        for smiles, fold in zip(table["smiles"], table["fold"], strict=True):
            places.setdefault(smiles, set()).add(int(fold))
    assert {len(folds) for folds in places.values()} == {1}
    assert len(set(tables["logp"]["smiles"]) & set(tables["sister"]["smiles"])) == 50

    blend = home / "trained_model" / "logp" / "blend" / nodes["trained_model/logp/blend"].signature[:16]
    assert load_model(blend / "model").predict(np.zeros((1, 1024), dtype=np.float32)).shape == (1,)
    (place,) = (home / "store" / "bundles" / "sister").glob("mlp_joint-*/card.json")
    card = parse_card(place.read_bytes(), str(place))
    assert card.model.auxiliary == ("logp",)
    assert (card.split.kind, card.split.folds) == ("random", 3)
    assert card.scores.rows is not None
    assert card.scores.rows.train == int((tables["sister"]["fold"] >= 0).sum())

    _require_no_circle(paired.catalog())
    add_endpoint(paired, "third", rows_of(molecules()[:60], -1.0))
    group(paired, "logp", "sister", "third")
    plan = paired.plan()
    assert {("data", "third: third.csv"), ("config", "endpoints.third.source.kind")} <= plan["dataset/pair"]
    assert plan["dataset/logp"] == {("upstream", "dataset/pair")}
    assert plan[COLUMN] == {("upstream", "dataset/pair"), ("upstream", JOINT)}
    assert not {key for key in plan if key.startswith(("dataset/greasy", "features/greasy", "trained_model/greasy"))}


def _require_no_circle(catalog: Catalog) -> None:
    """Refuse groups of assets that wait for each other."""
    groups = {key: keys.group(node, catalog) for key, node in catalog.nodes.items()}
    edges = {
        (groups[dep], groups[key])
        for key, node in catalog.nodes.items()
        for dep in node.deps
        if groups[dep] != groups[key]
    }
    while edges:
        ends = {above for above, _ in edges}
        left = {(above, below) for above, below in edges if below in ends}
        assert len(left) < len(edges), f"groups of assets in a circle: {edges}"
        edges = left


def test_a_group_without_its_file_leaves_everything_as_it_was(paired: Project) -> None:
    """No endpoint is grouped then: their models are those of before, and no joint model competes."""
    grouped = paired.catalog().nodes
    (paired.settings.configs / "groups" / "pair.yaml").unlink()
    alone = paired.catalog().nodes
    assert "trained_model/logp/mlp_joint" in grouped
    assert not {key for key in alone if "mlp_joint" in key or "pair" in key}
    key = "trained_model/logp/rf"
    made = paired.ledger.read(key).made
    assert made is not None
    assert alone[key].signature == made.signature != grouped[key].signature


def test_a_removed_endpoint_and_one_at_fault(paired: Project) -> None:
    """A removed one leaves a warning, and a group of one is none; while a file is at fault, the whole group waits and
    what serves continues serving.
    """
    file = paired.settings.configs / "endpoints" / "sister.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("regression", "regresion"), encoding="utf-8")
    catalog = paired.catalog()
    assert {"dataset/pair", "dataset/logp", "trained_model/logp/rf", "champion_model/logp"} <= catalog.held.keys()
    assert not {key for key in catalog.held if "greasy" in key}

    file.unlink()
    catalog = paired.catalog()
    assert catalog.held == {}
    assert catalog.configs.groups == {}
    assert any("there is no endpoint 'sister'" in each for each in catalog.configs.warnings)
    assert any("this group is of no effect" in each for each in catalog.configs.warnings)
    assert paired.run().failed == {}
    assert {"dataset/logp", "trained_model/logp/rf"}.isdisjoint(paired.plan())


@pytest.mark.slow(sibling="test_mlp_joint::test_what_cannot_be_learnt_is_refused")
def test_what_no_joint_model_can_learn_leaves_the_endpoints_to_their_own(paired: Project) -> None:
    """A loss that diverges: the reason is on record, and every endpoint is judged and served without it."""
    add_model(paired.settings, "mlp_joint", config={"learning_rate": 1e30, "hidden": 8, "members": 1})
    report = paired.run()
    assert "the training diverged" in report.failed.pop(JOINT)
    assert set(report.failed) == {COLUMN, "trained_model/sister/mlp_joint"}
    assert {"champion_model/logp", "champion_model/sister", "inference_service"} <= set(report.made)


@pytest.mark.slow(sibling="test_joint::test_endpoints_that_share_one_molecule_are_refused")
def test_one_shared_molecule_makes_no_joint_model_and_takes_no_champion(made: Project) -> None:
    """The reason is on record; what served before continues, by a single model, until its next own one is elected.

    And then nothing is stale: what cannot be learnt is not tried again.
    """
    assert made.run().failed == {}
    before = served(made, "logp")
    add_endpoint(made, "sister", rows_of([molecules()[0], *(f"C1CCCC1{text}" for text in molecules()[:40])]))
    add_model(made.settings, "mlp_joint")
    group(made, "logp", "sister")
    report = made.run()
    assert "expected at least 10 training molecules that two endpoints have measured" in report.failed[JOINT]
    assert set(report.failed) == {JOINT, COLUMN, "trained_model/sister/mlp_joint"}
    assert {"champion_model/logp", "champion_model/sister"} <= set(report.made)
    assert before.partition("-")[0] != "mlp_joint"
    assert served(made, "logp").partition("-")[0] != "mlp_joint"


@pytest.mark.slow(sibling="test_mlp_joint::test_it_learns_whatever_was_measured")
def test_most_values_may_be_missing(made: Project) -> None:
    """An endpoint with a third of the values has its column; one with too few outside of a fold has the reason."""
    smiles = molecules()
    for name, count in (("third", 24), ("tenth", 7)):
        add_endpoint(made, name, rows_of(smiles[::3][:count], 3.0), models=["naive", "mlp_joint"])
    add_endpoint(made, "whole", rows_of(smiles, 2.0), models=["naive", "mlp_joint"])
    add_model(made.settings, "mlp_joint", config={"hidden": 8, "members": 1, "epochs": 2})
    group(made, "logp", "whole", "third", "tenth")
    report = made.run()
    assert {key for key in report.failed if "/tenth" not in key} == set()
    assert "expected at least 10 molecules outside of fold" in report.failed["trained_model/tenth/mlp_joint"]
    assert {JOINT, COLUMN, "trained_model/third/mlp_joint", "champion_model/third"} <= set(report.made)


def served(project: Project, endpoint: str) -> str:
    """Return the version that the pointer names."""
    pointer = parse_pointer((project.settings.home / "store" / "current.json").read_bytes())
    return pointer.endpoints[endpoint].version


@pytest.mark.slow(sibling="test_joint::test_an_endpoint_of_which_nothing_can_be_learnt_is_left_out_with_the_reason")
def test_an_endpoint_of_one_class_fails_alone(paired: Project) -> None:
    """Its own models say so, as they do without a group; its sisters have their joint model."""
    rows = [(text, 1.0) for text in molecules()]
    champion = {"metric": "auroc"}
    add_endpoint(paired, "flat", rows, task="binary", unit="probability", champion=champion)
    group(paired, "logp", "sister", "flat")
    report = paired.run()
    assert {key for key in report.failed if "/flat" not in key} == set()
    assert "flat is left out of its group's joint model" in report.failed["trained_model/flat/mlp_joint"]
    assert JOINT in report.made
    assert COLUMN in report.made


@pytest.mark.slow(sibling="test_leakage_across_tasks_blocks")
def test_measurements_that_look_unlike_the_last_hold_the_whole_group(paired: Project) -> None:
    """A joint model must not learn from what is held; once somebody accepts them, all continues."""
    assert paired.run().failed == {}
    csv = paired.root / "sister.csv"
    lines = csv.read_text(encoding="utf-8").splitlines()
    shifted = [lines[0], *(f"{smiles},{float(value) * 1000:g}" for smiles, value in (x.split(",") for x in lines[1:]))]
    csv.write_text("\n".join(shifted) + "\n", encoding="utf-8")
    report = paired.run()
    assert "look unlike the last ones" in report.failed["dataset/pair"]
    assert not {key for key in report.made if key.startswith("trained_model")}
    accept(paired.settings, "sister")
    assert paired.run().failed == {}
    assert paired.plan() == {}


def test_leakage_across_tasks_blocks(paired: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should dividing ever fail to keep a molecule in one place, nothing is trained on it."""
    from model_zoo.data.group_dataset import GroupDataset

    monkeypatch.setattr(GroupDataset, "leaks", lambda self: ["A"])
    report = paired.run()
    assert "no_leakage_across_tasks" in report.failed["dataset/pair"]
    assert not {key for key in report.made if key.startswith("trained_model/logp")}


def test_names_and_rules_of_a_group_are_checked(paired: Project) -> None:
    """It is called as no endpoint is, has each endpoint once, in one group, and distinguishes molecules by one rule."""
    from model_zoo.errors import ConfigError

    for fields, message in (
        ({"endpoints": ["logp", "logp"]}, "got 'logp' twice"),
        ({"endpoints": ["logp"]}, "endpoints"),
        ({"split": {"kind": "official"}}, "said by the files of an endpoint"),
    ):
        group(paired, "logp", "sister")
        group(paired, "logp", "sister", **fields)
        with pytest.raises(ConfigError, match=message):
            paired.catalog()
    group(paired, "logp", "sister")
    path = paired.settings.configs / "groups"
    write_yaml(path / "other.yaml", {"name": "other", "endpoints": ["logp", "greasy"]})
    with pytest.raises(ConfigError, match="expected each in one group, 'logp' is in other too"):
        paired.catalog()
    write_yaml(path / "other.yaml", {"name": "other", "endpoints": ["greasy", "absent"]})
    assert "other" not in paired.catalog().configs.groups
    (path / "other.yaml").rename(path / "greasy.yaml")
    write_yaml(path / "greasy.yaml", {"name": "greasy", "endpoints": ["logp", "absent"]})
    with pytest.raises(ConfigError, match="expected one that no endpoint has, got 'greasy'"):
        paired.catalog()
    (path / "greasy.yaml").unlink()
    paired.edit(
        "configs/endpoints/sister.yaml",
        "name: sister",
        "curation: {standardise: {canonical_tautomer: false}}\nname: sister",
    )
    with pytest.raises(ConfigError, match="standardise"):
        paired.catalog()
