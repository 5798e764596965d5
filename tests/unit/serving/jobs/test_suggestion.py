"""A finished job suggests what to measure next: every row is a candidate or is named, and equal jobs say the same."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model_zoo.bundles.store import FolderStore
from model_zoo.config.desirability import Desirable
from serving.jobs.suggestion import _Candidates, _candidates, _compared
from tests.bundle_factory import TRAINING, publish
from tests.unit.serving.jobs.test_jobs import Client, ended, serving, submit

SMILES = [
    "CCCCCO", "not a molecule", "CCCCCCN", "OCCCCC", "", "CCCCCCCCc1ccccc1", "CCOCCOCCO", TRAINING[0], "CCCCCS",
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store with an endpoint that wants something, and one that does not."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", onnx_bias=0.0, desirable=Desirable(low=-1, margin=2))
    publish(store, tmp_path / "other", endpoint="colour", value=0.3, direction="none")
    return store


def suggested(client: Client, job: str, status: int = 200, **query: Any) -> dict[str, Any]:
    """Ask for a batch."""
    answer = client.get(f"/v1/jobs/{job}/suggestion", params=query)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def done(client: Client, smiles: list[str], **fields: Any) -> str:
    """Return a finished job."""
    job = submit(client, smiles, **fields)
    assert ended(client, job)["status"] == "done"
    return job


def test_every_row_is_a_candidate_or_named(store: FolderStore) -> None:
    """Refused, measured and repeated rows are left out; an endpoint without a wish has no say, and is shown anyway."""
    with serving(store) as client:
        found = suggested(client, done(client, SMILES), batch=20)

    assert found["goals"] == ["solubility_logs"]
    left_out = {each["code"]: each["first"] for each in found["left_out"]}
    assert left_out == {"invalid-smiles": [1], "empty": [4], "measured": [7], "same-molecule": [3]}
    rows = [pick["row"] for pick in found["picks"]]
    assert sorted(rows) == [0, 2, 5, 6, 8]
    assert found["candidates"] == 5
    assert all(SMILES[pick["row"]] == pick["smiles"] for pick in found["picks"])
    assert set(found["picks"][0]["endpoints"]) == {"solubility_logs", "colour"}
    assert found["picks"][0]["like"] is None
    assert all(pick["like"] in rows[:number] for number, pick in enumerate(found["picks"]) if number)


def test_without_exploration_the_most_desirable_come_first(store: FolderStore) -> None:
    """And equal questions have equal answers."""
    with serving(store) as client:
        job = done(client, SMILES)
        first, again = (suggested(client, job, batch=3, exploration=0) for _ in range(2))
        every = suggested(client, job, batch=9)

    scores = [pick["desirability"] for pick in first["picks"]]
    assert scores == sorted((pick["desirability"] for pick in every["picks"]), reverse=True)[:3]
    assert first == again


def test_columns_of_the_file_come_back(store: FolderStore) -> None:
    """With the row that they belong to."""
    with serving(store) as client:
        found = suggested(client, done(client, SMILES, ids=[f"id {row}" for row in range(len(SMILES))]))

    assert {pick["columns"]["id"] for pick in found["picks"]} == {f"id {row}" for row in (0, 2, 5, 6, 8)}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"endpoints": "colour"}, "expected at least one that says what is wanted, got colour"),
        ({"endpoints": "smell"}, "expected some of the job's"),
        ({"batch": 0}, "batch"),
        ({"exploration": -1}, "exploration"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_answered_is_refused(store: FolderStore, query: dict[str, Any], says: str) -> None:
    """With what was expected."""
    with serving(store) as client:
        refusal = suggested(client, done(client, SMILES), status=422, **query)
    assert says in refusal["detail"]


def test_a_job_without_candidates_suggests_nothing(store: FolderStore) -> None:
    """And says why."""
    with serving(store) as client:
        found = suggested(client, done(client, ["nonsense"]))
    assert (found["picks"], found["candidates"]) == ([], 0)
    assert found["left_out"][0]["rows"] == 1


def test_endpoints_that_standardise_differently_agree_on_what_is_known() -> None:
    """Each knows its training data by its own reading, and what is one molecule to any of them is not bought twice."""
    goals: Any = {
        name: SimpleNamespace(
            bundle=SimpleNamespace(neighbours=SimpleNamespace(smiles=[known])), manifest=SimpleNamespace(unit="u")
        )
        for name, known in {"as_drawn": "CC(=O)[O-]", "uncharged": "CC(=O)O"}.items()
    }
    readings = [("CC(=O)[O-]", "CC(=O)O"), ("CC(=O)O", "CC(=O)O"), ("CC[NH3+]", "CCN"), ("CCN", "CCN")]
    entries = (
        {"endpoints": {name: {"standardised": smiles, "value": 1.0, "unit": "u"}
                       for name, smiles in zip(goals, both, strict=True)}}
        for both in readings
    )  # fmt: skip
    found = _candidates((json.dumps(entry).encode() + b"\n" for entry in entries), goals)
    assert (found.rows, found.left_out) == ([1, 2], {"measured": [0], "same-molecule": [3]})


def test_values_in_the_unit_of_an_earlier_champion_are_not_judged(store: FolderStore, tmp_path: Path) -> None:
    """What is wanted now is said in another unit than what was predicted."""
    with serving(store) as client:
        job = done(client, SMILES)
        newer = publish(store, tmp_path / "newer", onnx_bias=5.0, unit="mg/L", desirable=Desirable(low=5, margin=2))
        until = time.monotonic() + 30
        while client.get("/v1/models").json()[-1]["version"] != newer:
            assert time.monotonic() < until
        refusal = suggested(client, job, status=422)
    assert "the job's values are in log10 mol/L" in refusal["detail"]


def test_a_unit_that_is_written_in_another_way_is_the_same(store: FolderStore, tmp_path: Path) -> None:
    """A file that now writes the same unit otherwise costs nobody the job's values."""
    with serving(store) as client:
        job = done(client, SMILES)
        newer = publish(
            store, tmp_path / "newer", onnx_bias=5.0, unit="log10 mol/l", desirable=Desirable(low=5, margin=2)
        )
        until = time.monotonic() + 30
        while client.get("/v1/models").json()[-1]["version"] != newer:
            assert time.monotonic() < until
        assert suggested(client, job)["picks"]


def test_a_structure_that_only_earlier_rules_accepted_is_left_out() -> None:
    """An R-group that a champion of an earlier release predicted costs nobody the suggestion."""
    found = _Candidates([0, 1, 2], ["CCO", "*CC", "CCN"], left_out={"empty": [3]})
    places, molecules = _compared(found, np.array([0, 1, 2]))
    assert (places.tolist(), [each.smiles for each in molecules]) == ([0, 2], ["CCO", "CCN"])
    assert (found.left_out, found.refused) == ({"empty": [3], "incomplete-structure": [1]}, 1)
