"""Endpoints that share compounds: divided together, fitted once by a joint model, judged and served each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ai_drug_assets import keys
from model_zoo.bundles.card import parse_card
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
    """Give molecules with a value that goes with Crippen's logP."""
    return [(text, slope * value) for text, value in zip(smiles, measurements("logp", smiles), strict=True)]


@pytest.fixture
def paired(made: Project) -> Project:
    """A project that gets an endpoint which shares most molecules with the first, and a group of both."""
    add_endpoint(made, "sister", rows_of([*molecules()[20:], *(f"C1CCCC1{text}" for text in molecules()[:30])], 2.0))
    add_model(made.settings, "mlp_joint")
    group(made, "logp", "sister")
    return made


def test_a_group_is_divided_fitted_and_served(paired: Project) -> None:
    """One place per molecule, one fit, a column for each endpoint, which is judged beside the others; nothing else
    is made anew, and the graph of groups of assets has no circle.
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
    (place,) = (
        (home / "store" / "bundles" / "logp").glob("mlp_joint-*/card.json")
        if any((home / "store" / "bundles" / "logp").glob("mlp_joint-*"))
        else (None,)
    )
    if place is not None:
        card = parse_card(place.read_bytes(), str(place))
        assert card.model.auxiliary == ("sister",)
        assert card.split.kind == "random"

    edges = {
        (keys.group(nodes[dep]), keys.group(node))
        for node in nodes.values()
        for dep in node.deps
        if keys.group(nodes[dep]) != keys.group(node)
    }
    while edges:
        ends = {above for above, _ in edges}
        left = {(above, below) for above, below in edges if below in ends}
        assert len(left) < len(edges), f"groups of assets in a circle: {edges}"
        edges = left
