"""A process of a run loads the assets that the run makes, and no others."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.instance import InstanceRef
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._grpc.types import ExecuteExternalJobArgs
from dagster._serdes import serialize_value

from ai_drug_assets import keys
from ai_drug_assets.assets.run_scope import assets_of_run, step_name
from ai_drug_assets.definitions import build_defs
from ai_drug_assets.jobs import RETRAINING
from tests.project_factory import Project

WANTED = ("leaderboard/logp", "champion_model/logp")


def started_with(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Let this process be one that was started with these arguments."""
    monkeypatch.setattr(multiprocessing, "current_process", lambda: SimpleNamespace(_args=arguments))


def test_the_process_of_a_run_knows_what_the_run_makes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What Dagster hands to the process of a run names that, and the run what it makes; of everything, everything."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        some = frozenset(map(keys.asset_key, WANTED))
        for selection, expected in ((some, frozenset(map(step_name, WANTED))), (None, None)):
            run = instance.add_run(dg.DagsterRun(job_name=RETRAINING, asset_selection=selection))
            started_with(monkeypatch, _arguments(instance.get_ref(), run.run_id), object(), object())
            assert assets_of_run() == expected

    started_with(monkeypatch, "some other text", 1)
    assert assets_of_run() is None


def test_the_process_of_a_step_knows_what_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of some assets loads these; one of a run of everything loads itself alone."""
    some = frozenset(map(keys.asset_key, WANTED))
    for selection, expected in ((some, frozenset(map(step_name, WANTED))), (None, frozenset(["leaderboard__logp"]))):
        run = SimpleNamespace(asset_selection=selection, op_selection=None, asset_check_selection=None)
        started_with(monkeypatch, object(), SimpleNamespace(dagster_run=run, step_key="leaderboard__logp"))
        assert assets_of_run() == expected


def test_what_is_made_from_part_of_the_definitions_is_what_is_made_from_all(made: Project) -> None:
    """Assets, checks, versions of what they were made from: nothing shows that the others were left out."""
    some = build_defs(made.settings, executor=dg.in_process_executor, only=set(map(step_name, WANTED)))
    loaded = {keys.catalog_key(key) for each in some.assets or () for key in each.keys}  # type: ignore[union-attr]
    assert loaded == set(WANTED)
    assert {job.name for job in some.resolve_all_job_defs()} >= {RETRAINING, "all_assets"}

    materialised = []
    for defs in (made.defs(), some):
        result = made.materialise(*WANTED, defs=defs)
        assert result.success
        events = result.get_asset_materialization_events()
        materialised.append(
            {
                keys.catalog_key(event.asset_key): {
                    name: value
                    for name, value in (event.materialization.tags or {}).items()
                    if not name.startswith("dagster/input_event_pointer")
                }
                for event in events
                if event.asset_key
            }
        )
    assert materialised[0] == materialised[1]
    assert made.plan() == {}
    assert made.unsynced() == set()


def test_what_is_no_asset_loads_everything(made: Project) -> None:
    """The upkeep, say, which prunes what any asset left."""
    defs = build_defs(made.settings, executor=dg.in_process_executor, only={"prune"})

    assert len(list(defs.assets or ())) > len(made.catalog().nodes)


def _arguments(ref: InstanceRef, run_id: str) -> str:
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"), RETRAINING)
    return serialize_value(ExecuteExternalJobArgs(job_origin=origin, run_id=run_id, instance_ref=ref))
