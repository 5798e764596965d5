"""What is on record must be there: files that are gone are fetched or made, and a lost MLflow is filled again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ai_drug_assets import keys
from ai_drug_assets.planning.plan import Stale, make_plan
from ai_drug_assets.planning.remains import place_of
from ai_drug_assets.tracking import Tracking
from model_zoo.bundles.store import FolderStore, parse_pointer, read_card
from tests.project_factory import Project

RF = "trained_model/logp/rf"


def place(project: Project, key: str) -> Path:
    """Return where an asset's files are."""
    return place_of(project.settings.home, project.catalog().nodes[key])


def artifacts(project: Project, key: str) -> Path:
    """Return where MLflow keeps what a trained model's run logged."""
    tracking = Tracking(project.settings)
    run = tracking.find_finished(project.catalog().nodes[key].signature)
    assert run is not None
    return Path(str(tracking.client.get_run(run).info.artifact_uri))


def reused(project: Project, key: str) -> bool:
    """Return whether the latest materialisation says that nothing was trained."""
    event = project.instance.get_latest_materialization_event(keys.asset_key(key))
    assert event is not None
    assert event.asset_materialization is not None
    return bool(event.asset_materialization.metadata["reused"].value)


def test_a_lost_folder_is_fetched(made: Project) -> None:
    """A trained model whose folder is gone is stale, and is fetched from MLflow without training."""
    before = made.trained()
    shutil.rmtree(place(made, RF))
    assert made.plan() == {RF: {("new", "files")}}
    assert made.run().failed == {}
    assert made.trained() == before
    assert reused(made, RF)
    assert made.plan() == {}


def test_a_bundle_that_somebody_removed_is_published_again(made: Project) -> None:
    """A damaged one is put right by that, as the guide says: elected again, nothing trained, the pointer follows."""
    before = made.trained()
    store = FolderStore(Path(made.settings.store))
    versions = {name: now.version for name, now in parse_pointer(store.read_pointer_bytes()).endpoints.items()}
    shutil.rmtree(store.bundle_folder("logp", versions["logp"]))
    assert made.plan() == {"champion_model/logp": {("new", "bundle")}}
    assert made.run().failed == {}

    now = {name: now.version for name, now in parse_pointer(store.read_pointer_bytes()).endpoints.items()}
    assert read_card(store, "logp", now["logp"]).leaderboard
    assert now["greasy"] == versions["greasy"]
    assert made.trained() == before
    assert made.plan() == {}


def test_a_folder_that_lost_a_file_is_fetched(made: Project) -> None:
    """One file less, or one that was cut off, is enough; the message names it."""
    before = made.trained()
    (place(made, RF) / "predictions.npz").write_bytes(b"")
    (reason,) = next(item.reasons for item in plan_of(made) if item.node.key == RF)
    assert reason.detail == "are gone: predictions.npz"
    assert made.run().failed == {}
    assert (place(made, RF) / "predictions.npz").stat().st_size > 0
    assert made.trained() == before
    assert made.plan() == {}


@pytest.mark.parametrize(
    "name",
    [
        "scores.json",
        pytest.param("model/model.onnx", marks=pytest.mark.slow(sibling="test_half_of_the_artefacts_is_no_model")),
    ],
)
def test_half_of_the_artefacts_is_no_model(made: Project, name: str) -> None:
    """What MLflow kept only half of is trained again, once, and not downloaded time after time."""
    made.change_code("model_zoo/models/rf.py")  # a run of this test: that of the fixture is other tests' too
    assert made.run().failed == {}
    before = made.trained()
    (artifacts(made, RF) / name).unlink()
    shutil.rmtree(place(made, RF))
    assert made.run().failed == {}
    assert made.trained() == sorted([*before, RF])
    assert not reused(made, RF)
    assert made.plan() == {}
    shutil.rmtree(place(made, RF))
    assert made.run().failed == {}
    assert made.trained() == sorted([*before, RF])


def test_a_lost_mlflow_is_told_again(made: Project) -> None:
    """Without MLflow's store the plan says which runs are gone; a run records them again and trains nothing."""
    trained = {node.key for node in made.catalog().of_kind("trained_model")}
    champions = {node.key for node in made.catalog().of_kind("champion_model")}
    store = FolderStore(made.settings.home / "store")
    pointer = parse_pointer(store.read_pointer_bytes())
    serving = {name: read_card(store, name, now.version).model.name for name, now in pointer.endpoints.items()}
    shutil.rmtree(made.settings.home / "mlflow")  # nothing of this process has opened it: it keeps what it has opened
    assert {key: {kind for kind, _ in reasons} for key, reasons in made.plan().items()} == {
        key: {"new"} for key in trained | champions
    }
    assert made.run().failed == {}
    assert made.plan() == {}
    assert all(reused(made, key) for key in trained)
    assert {run.data.tags.get(keys.TAG_RECOVERED) for run in made.runs()} == {"true"}
    assert aliases(made) == {name: f"trained_model/{name}/{model}" for name, model in serving.items()}
    shutil.rmtree(place(made, RF))
    assert made.run().failed == {}
    assert reused(made, RF)


def test_lost_features_and_snapshots_are_made(made: Project) -> None:
    """Features or a snapshot that are gone are made again; what was made from them stays."""
    lost = {"dataset/logp", "features/logp/morgan_count"}
    for key in lost:
        shutil.rmtree(place(made, key))
    before = made.trained()
    assert set(made.plan()) == lost
    assert made.run().failed == {}
    assert made.plan() == {}
    assert made.trained() == before


def test_a_leaderboard_is_not_judged_on_what_is_gone(made: Project) -> None:
    """Materialised by hand, a leaderboard leaves out a model whose files are gone, and features say what they need."""
    shutil.rmtree(place(made, RF))
    assert made.materialise("leaderboard/logp").success
    shutil.rmtree(place(made, "dataset/logp"))
    assert not made.materialise("features/logp/morgan_count").success
    failure = made.ledger.read("features/logp/morgan_count").failure
    assert failure is not None
    assert "needs dataset/logp, which has lost its files" in failure.error
    assert made.run().failed == {}
    assert made.plan() == {}


def plan_of(project: Project) -> tuple[Stale, ...]:
    """Plan, with reasons whole."""
    return make_plan(project.catalog(), project.ledger).stale


def aliases(project: Project) -> dict[str, str]:
    """Return what MLflow's registry calls champion, by endpoint: the asset of its run."""
    client = Tracking(project.settings).client
    found = {}
    for endpoint in project.catalog().configs.endpoints:
        version = client.get_model_version_by_alias(endpoint, "champion")
        found[endpoint] = client.get_run(str(version.run_id)).data.tags[keys.TAG_ASSET]
    return found
