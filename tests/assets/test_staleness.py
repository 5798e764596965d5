"""What a change makes stale, what it retrains, and what it leaves alone: in the plan, and in Dagster's own view."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from ai_drug_assets import keys
from model_zoo.bundles import assembly
from model_zoo.bundles.card import ModelCard
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import FolderStore, parse_pointer, read_card
from model_zoo.data import reference_drugs
from model_zoo.data.dataset import Dataset
from tests.project_factory import Project, add_model, measurements, molecules, write_csv

RF = {"trained_model/greasy/rf", "trained_model/logp/rf"}
ROWS = list(zip(molecules(), measurements("logp", molecules()), strict=True))
DRUGS = reference_drugs.drug_file()
JUDGING = {
    "leaderboard/greasy",
    "leaderboard/logp",
    "champion_model/greasy",
    "champion_model/logp",
    "inference_service",
}


def stale(project: Project) -> set[str]:
    """Return what is stale, after making sure that the plan and Dagster agree on it."""
    planned = set(project.plan())
    assert planned == project.unsynced()
    return planned


def trained_by(project: Project) -> list[str]:
    """Run what is stale; give the assets that were really fitted for it, after making sure that all is fresh."""
    before = project.trained()
    assert project.run().failed == {}
    assert stale(project) == set()
    after = project.trained()
    for asset in before:
        after.remove(asset)
    return after


def badges(project: Project) -> dict[str, str]:
    """Return what the Dagster UI marks on an asset that is not fresh, of all assets, those outside the plan too."""
    graph = project.defs().resolve_asset_graph()
    resolver = CachingStaleStatusResolver(project.instance, graph, LoadingContextForTest(project.instance))
    found = {keys.catalog_key(key): resolver.get_status(key) for key in graph.get_all_asset_keys()}
    return {key: status.value for key, status in found.items() if status != StaleStatus.FRESH}


def test_the_badges_of_the_ui_agree_with_the_plan(made: Project) -> None:
    """Whatever the state, the UI marks what the plan names and nothing else: `monitoring` is observed, never stale."""
    assert badges(made) == {}
    made.change_code("model_zoo/models/rf.py")
    assert badges(made) == dict.fromkeys(made.plan(), "STALE")
    made.materialise(*RF)
    assert badges(made) == dict.fromkeys(made.plan(), "STALE")
    assert not RF & made.plan().keys()
    add_model(made.settings, "xgb")
    planned = made.plan().keys()
    assert badges(made).keys() == planned
    assert {key for key, badge in badges(made).items() if badge == "MISSING"} == {
        "trained_model/greasy/xgb",
        "trained_model/logp/xgb",
    }
    (made.settings.configs / "models" / "xgb.yaml").unlink()
    write_csv(made.root / "logp.csv", [("CCCCCCCO", 3.0), ("CCCCCCN", 2.0)])
    assert badges(made).keys() == made.plan().keys()


def test_first_run_makes_everything_and_the_second_nothing(project: Project) -> None:
    """The first run makes every asset and fits every model once; the second makes nothing."""
    assert stale(project) == set(project.catalog().nodes)
    assert set(map(str, project.run().made)) == set(project.catalog().nodes)
    assert len(project.trained()) == len(set(project.trained())) == 4
    again = project.run()
    assert (again.made, again.failed) == ([], {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CHECKED_ROWS = 256", "CHECKED_ROWS = 256  # a comment"),
        ("CHECKED_ROWS = 256", "\n\nCHECKED_ROWS = (\n    256\n)"),
        ('"""Random forest on molecular features.', '"""A forest of another description.'),
        ('"""Fit a forest on `n x d` features and convert it.', '"""Fit.'),
    ],
    ids=["comment", "layout", "module docstring", "function docstring"],
)
def test_comments_and_layout_make_nothing_stale(made: Project, old: str, new: str) -> None:
    """A comment, line break or docstring makes nothing stale."""
    made.edit("model_zoo/models/rf.py", old, new)
    assert stale(made) == set()


def test_one_models_code_retrains_only_that_model(made: Project) -> None:
    """A change of one model's code makes that model stale, says which file, and retrains that model only."""
    made.edit("model_zoo/models/rf.py", "CHECKED_ROWS = 256", "CHECKED_ROWS = 128")
    assert stale(made) == RF | JUDGING
    assert made.plan()["trained_model/logp/rf"] == {("code", "model_zoo/models/rf.py")}
    assert trained_by(made) == sorted(RF)


def test_a_reader_that_reads_the_same_retrains_nothing(made: Project) -> None:
    """Code that makes snapshots makes everything stale; where they hold the same, no model is trained again."""
    signatures = {key: node.signature for key, node in made.catalog().nodes.items()}
    made.edit(
        "model_zoo/data/curation.py", "empty value: expected one, got an empty cell", "empty value: there is none"
    )
    assert stale(made) >= RF
    assert trained_by(made) == []
    assert {key for key, node in made.catalog().nodes.items() if node.signature != signatures[key]} >= RF

    write_csv(made.root / "logp.csv", [("CCCCO", 0.5), *ROWS])
    assert set(trained_by(made)) == {"trained_model/logp/naive", "trained_model/logp/rf"}


def test_a_helper_retrains_exactly_its_users(made: Project) -> None:
    """A change of a helper retrains the models that use it, and no other."""
    (made.root / "model_zoo/models/_helper.py").write_text("DEPTH = 3\n", encoding="utf-8")
    assert stale(made) == set()
    line = "CHECKED_ROWS = 256"
    made.edit("model_zoo/models/rf.py", line, "from model_zoo.models._helper import DEPTH\nCHECKED_ROWS = 253 + DEPTH")
    assert made.materialise(*RF).success
    made.edit("model_zoo/models/_helper.py", "3", "4")
    assert stale(made) == RF | JUDGING
    assert made.plan()["trained_model/logp/rf"] == {("code", "model_zoo/models/_helper.py")}


def test_a_featurizer_retrains_its_users(made: Project) -> None:
    """A change of a featurizer makes its features and the models on them stale, and nothing of the other featurizer."""
    made.change_code("model_zoo/featurizers/morgan_count.py")
    assert stale(made) == RF | JUDGING | {"features/greasy/morgan_count", "features/logp/morgan_count"}


def test_configuration_in_another_order_makes_nothing_stale(made: Project) -> None:
    """The order of keys, quotes and defaults spelled out in YAML make nothing stale."""
    path = made.settings.configs / "models" / "rf.yaml"
    path.write_text(
        "config: {max_features: 5.0e-1, min_samples_leaf: 1,   n_estimators: 5}\n"
        'features:\n- "morgan_count"\nendpoints: all\n# a comment\ndescription: rf\nname: rf\n',
        encoding="utf-8",
    )
    assert stale(made) == set()


def test_a_hyper_parameter_retrains_only_that_model(made: Project) -> None:
    """A hyper-parameter makes its model stale and names the key; an override touches one endpoint only."""
    add_model(made.settings, "rf", config={"n_estimators": 6, "max_features": 0.5})
    assert stale(made) == RF | JUDGING
    assert made.plan()["trained_model/logp/rf"] == {("config", "model.n_estimators")}
    add_model(made.settings, "rf", overrides={"logp": {"n_estimators": 7}})
    assert stale(made) == {"trained_model/logp/rf", "leaderboard/logp", "champion_model/logp", "inference_service"}


def test_what_is_only_shown_trains_nothing(made: Project) -> None:
    """An endpoint's description reaches its champion's bundle without training anything."""
    made.edit("configs/endpoints/logp.yaml", "description: logp", "description: octanol and water")
    assert stale(made) == {"champion_model/logp", "inference_service"}
    assert trained_by(made) == []


def test_a_models_description_reaches_its_card(made: Project) -> None:
    """What a model's YAML says about it reaches the card of its bundle, and trains nothing."""
    before = {name: card(made, name) for name in ("greasy", "logp")}
    add_model(made.settings, "rf", description="a wood")
    champions = {"champion_model/greasy", "champion_model/logp"}
    assert stale(made) == champions | {"inference_service"}
    assert trained_by(made) == []
    for name, was in before.items():
        model = card(made, name).model
        assert model.description == ("a wood" if model.name == "rf" else was.model.description)


def test_another_metric_reaches_the_card(made: Project) -> None:
    """The card that is served says by which metric the champion was elected, also when the champion stays."""
    assert card(made, "logp").metric == "rmse"
    made.edit("configs/endpoints/logp.yaml", "metric: rmse", "metric: mae")
    assert stale(made) == {"leaderboard/logp", "champion_model/logp", "inference_service"}
    assert trained_by(made) == []
    assert card(made, "logp").metric == "mae"


def test_another_list_of_drugs_reaches_the_bundle(
    made: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bundles are made again when the drugs change that their predictions are compared with; nothing is trained."""
    assert DRUGS is not None
    lines = DRUGS.read_text(encoding="utf-8").splitlines()
    (tmp_path / "drugs.csv").write_text("\n".join(lines[:31]) + "\n", encoding="utf-8")
    before = {name: card(made, name) for name in ("greasy", "logp")}
    versions = served(made)
    monkeypatch.setattr(reference_drugs, "drug_file", lambda: tmp_path / "drugs.csv")
    monkeypatch.setattr(assembly, "chembl_drugs", reference_drugs.chembl_drugs)
    champions = {"champion_model/greasy", "champion_model/logp"}
    assert stale(made) == champions | {"inference_service"}
    assert made.plan()["champion_model/logp"] == {("data", "data/chembl_drugs.csv")}
    assert trained_by(made) == []
    assert served(made).keys() == versions.keys()
    assert not set(served(made).values()) & set(versions.values())
    assert {name: card(made, name).signature for name in before} == {
        name: was.signature for name, was in before.items()
    }


def served(project: Project) -> dict[str, str]:
    """Return the version of the bundle that serves each endpoint."""
    pointer = parse_pointer(FolderStore(project.settings.home / "store").read_pointer_bytes())
    return {name: now.version for name, now in pointer.endpoints.items()}


def card(project: Project, endpoint: str) -> ModelCard:
    """Return the card that is served for an endpoint."""
    return read_card(FolderStore(project.settings.home / "store"), endpoint, served(project)[endpoint])


def test_new_data_retrain_only_their_endpoint(made: Project) -> None:
    """New measurements make everything of their endpoint stale, and nothing of another."""
    lines = (made.root / "logp.csv").read_text(encoding="utf-8").replace("CCO,", "CCCO,", 1)
    (made.root / "logp.csv").write_text(lines, encoding="utf-8")
    assert stale(made) == {key for key in made.catalog().nodes if "/logp" in key} | {"inference_service"}
    assert made.plan()["trained_model/logp/rf"] == {("data", "logp.csv")}
    assert trained_by(made) == ["trained_model/logp/naive", "trained_model/logp/rf"]


def test_a_library_retrains_only_its_users(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of a library makes only those models stale whose code imports it."""
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.0" if name == "onnx" else real(name))
    assert stale(made) == RF | JUDGING
    ((kind, what),) = made.plan()["trained_model/logp/rf"]
    assert (kind, what) == ("library", "onnx")


def test_a_new_version_of_the_project_changes_nothing(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another version of this project no asset is stale, and what is served is loaded and replayed as before."""
    real = importlib.metadata.version
    asked = []

    def version(name: str) -> str:
        asked.append(name)
        return "99.0.0" if name.replace("_", "-") == "ai-drug-assets" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert stale(made) == set()
    assert "rdkit" in asked  # the records were made again, with this version in place
    store = FolderStore(made.settings.home / "store")
    for endpoint, champion in served(made).items():
        load_bundle(store.fetch_bundle(endpoint, champion))


def test_a_dataset_made_again_with_equal_content_makes_nothing_stale(made: Project) -> None:
    """A dataset that is materialised again with equal content makes nothing stale."""
    before = made.ledger.read("dataset/logp").made
    assert made.materialise("dataset/logp").success
    after = made.ledger.read("dataset/logp").made
    assert before is not None
    assert after is not None
    assert before.run_id != after.run_id
    assert before.data_version == after.data_version
    assert stale(made) == set()


def test_a_new_model_trains_only_itself(made: Project) -> None:
    """A model that is added makes itself and the judging stale, and only it is trained."""
    add_model(made.settings, "xgb")
    new = {"trained_model/greasy/xgb", "trained_model/logp/xgb"}
    assert stale(made) == new | JUDGING
    assert made.plan()["trained_model/logp/xgb"] == {("new", "never materialised")}
    assert trained_by(made) == sorted(new)


def test_a_removed_model_leaves_the_contest(made: Project) -> None:
    """A model that is removed trains nothing, and leaves the leaderboard; an endpoint continues to be served."""
    served = (made.settings.home / "store" / "current.json").read_text(encoding="utf-8")
    (made.settings.configs / "models" / "rf.yaml").unlink()
    assert stale(made) == JUDGING
    assert trained_by(made) == []
    after = (made.settings.home / "store" / "current.json").read_text(encoding="utf-8")
    assert after == served


@pytest.mark.slow(sibling="test_tracking::test_a_finished_run_is_reused_without_its_files")
def test_reverted_code_reuses_the_old_fit(made: Project) -> None:
    """Code that is reverted makes its model stale again, and the old MLflow run is reused without training."""
    path = made.root / "model_zoo/models/rf.py"
    old = path.read_text(encoding="utf-8")
    made.change_code("model_zoo/models/rf.py")
    assert trained_by(made) == sorted(RF)
    path.write_text(old, encoding="utf-8")
    assert stale(made) == RF | JUDGING
    assert trained_by(made) == []
    event = made.instance.get_latest_materialization_event(keys.asset_key("trained_model/logp/rf"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["reused"].value is True


def test_what_dagster_forgot_is_made_again(made: Project) -> None:
    """An asset whose history was wiped in the UI is made again, without training."""
    made.instance.wipe_assets([keys.asset_key("trained_model/logp/rf")])
    assert trained_by(made) == []


def test_measurements_that_change_while_they_are_read_are_not_labelled(made: Project) -> None:
    """Measurements that change between the plan and the reading are not kept under the old content's signature."""
    path = made.root / "logp.csv"
    wanted = path.read_text(encoding="utf-8").replace("CCO,", "CCCO,", 1)
    path.write_text(wanted, encoding="utf-8")
    defs = made.defs()
    write_csv(path, [(f"{'C' * size}O", float(size)) for size in range(1, 40)])
    assert not made.materialise("dataset/logp", defs=defs).success
    path.write_text(wanted, encoding="utf-8")
    assert made.materialise("dataset/logp").success
    node = made.catalog().nodes["dataset/logp"]
    kept = Dataset.load(made.settings.home / "dataset" / "logp" / keys.code_version(node))
    assert len(kept.table) == 69
