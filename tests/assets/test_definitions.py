"""What Dagster loads, what it costs to load it, and the upkeep of Dagster's records."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.schedules import SqliteScheduleStorage

from ai_drug_assets import jobs, keys, processes
from ai_drug_assets.operations import maintenance
from ai_drug_assets.planning.catalog import load_catalog
from model_zoo.bundles.store import parse_pointer
from model_zoo.errors import ConfigError
from tests.project_factory import ROOT, Project, add_model

KEYS = {
    "dataset/{0}",
    "features/{0}/descriptors",
    "features/{0}/morgan_count",
    "trained_model/{0}/naive",
    "trained_model/{0}/rf",
    "leaderboard/{0}",
    "champion_model/{0}",
    "monitoring/{0}",
}


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the checkout, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_loading_imports_no_model_library(tmp_path: Path) -> None:
    """The code location loads without importing a model library, MLflow or DVC."""
    slow = ("torch", "sklearn", "xgboost", "mlflow", "dvc", "onnxruntime", "matplotlib", "litestar")
    load = "import sys; from ai_drug_assets.definitions import defs; defs();"
    done = run_python(f"{load} print([name for name in {slow} if name in sys.modules])", AIDRUG_HOME=str(tmp_path))
    assert done.stdout.strip() == "[]", done.stderr


def test_keys_are_those_of_the_design(project: Project) -> None:
    """Every asset has the key that the design names, in three parts at most."""
    loaded = {keys.catalog_key(spec.key) for spec in project.defs().resolve_all_asset_specs()}
    assert loaded == {key.format(name) for key in KEYS for name in ("greasy", "logp")} | {"inference_service"}


def test_every_asset_is_fully_declared(project: Project) -> None:
    """Every asset has a code version, a group, owners, a description and kinds."""
    for spec in project.defs().resolve_all_asset_specs():
        node = project.catalog().nodes.get(keys.catalog_key(spec.key))
        assert spec.code_version == node.signature[:16] if node else spec.key.path[0] == "monitoring"
        assert spec.code_version
        assert spec.group_name == (keys.group(node, project.catalog()) if node else "monitoring")
        assert spec.owners
        assert spec.description
        assert spec.kinds


def test_groups_have_no_circle(project: Project) -> None:
    """In the picture of the groups every arrow goes one way: what several learn from, endpoints that teach each other,
    the service, what watches it. An endpoint that is called like one of our groups has its own.
    """
    assert group_arrows(project) == {("greasy", "serving"), ("logp", "serving"), ("serving", "monitoring")}
    path = project.settings.configs / "endpoints" / "greasy.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("name: greasy", "name: serving"), encoding="utf-8")
    path.rename(path.with_name("serving.yaml"))
    add_model(project.settings, "multitask")
    assert group_arrows(project) == {
        ("datasets", "_serving"),
        ("datasets", "logp"),
        ("_serving", "serving"),
        ("logp", "serving"),
        ("serving", "monitoring"),
    }


def group_arrows(project: Project) -> set[tuple[str, str]]:
    """Return the arrows between groups, as Dagster draws them."""
    graph = project.defs().resolve_asset_graph()
    pairs = (
        (graph.get(above), graph.get(key)) for key in graph.get_all_asset_keys() for above in graph.get(key).parent_keys
    )
    names = ((str(above.group_name), str(below.group_name)) for above, below in pairs)
    return {pair for pair in names if pair[0] != pair[1]}


def test_what_the_lineage_shows_of_an_asset_is_its_own(project: Project) -> None:
    """A node shows the last part of its key and its kinds: together they name one asset of a group."""
    specs = list(project.defs().resolve_all_asset_specs())
    shown = {(spec.group_name, spec.key.path[-1], frozenset(spec.kinds)) for spec in specs}
    assert len(shown) == len(specs)
    assert all(spec.key.path[0] in {*spec.kinds, "inference_service"} for spec in specs)


def test_a_key_that_no_asset_knows_is_refused_by_name(project: Project) -> None:
    """Hyper-parameters belong into files: one written into a run's configuration is refused, not ignored."""
    job = project.defs().resolve_implicit_global_asset_job_def()
    config = {"ops": {"trained_model__logp__rf": {"config": {"n_estimators": 3}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="n_estimators"):
        job.execute_in_process(instance=project.instance, run_config=config)


def test_assets_can_be_selected_by_dagsters_own_words(project: Project) -> None:
    """`dagster asset materialize --select` reads them with ANTLR, at a version that nothing else may hold back."""
    chosen = dg.AssetSelection.from_string('key:"dataset/logp"+')
    found = {keys.catalog_key(key) for key in chosen.resolve(project.defs().resolve_asset_graph())}
    assert {"dataset/logp", "trained_model/logp/rf"} <= found


def test_definitions_are_valid(project: Project) -> None:
    """Dagster finds nothing wrong with the definitions, jobs, schedules and sensors included."""
    defs = project.defs()
    dg.Definitions.validate_loadable(defs)
    assert defs.resolve_job_def(jobs.ALL_ASSETS).name == jobs.ALL_ASSETS
    for schedule in ("nightly_maintenance", "nightly_review"):
        assert defs.resolve_schedule_def(schedule).default_status == dg.DefaultScheduleStatus.RUNNING
    for sensor in ("retrain_what_changed", "git_sha"):
        assert defs.resolve_sensor_def(sensor).default_status == dg.DefaultSensorStatus.RUNNING


def test_only_integrity_blocks(project: Project) -> None:
    """Checks guard datasets by blocking; checks of quality, champions and the service never block."""
    checks = {
        f"{keys.catalog_key(spec.asset_key)}:{spec.name}": spec.blocking
        for definition in project.defs().assets or ()
        for spec in definition.check_specs  # type: ignore[union-attr]
    }
    assert {name for name, blocking in checks.items() if blocking} == {
        f"dataset/{endpoint}:{check}" for endpoint in ("greasy", "logp") for check in ("no_leak", "schema")
    }
    assert {"trained_model/logp/rf:meets_minimum", "champion_model/logp:somebody_serves"} <= set(checks)
    assert "inference_service:service_follows" in checks


def test_training_shares_one_pool(project: Project) -> None:
    """Every model trains in one pool, whose limit the instance sets to one."""
    pools = {
        asset.key.path[0]: asset.op.pool  # type: ignore[union-attr]
        for asset in project.defs().assets or ()
    }
    assert {kind for kind, pool in pools.items() if pool} == {"trained_model"}
    assert "default_limit: 1" in (ROOT / "dagster.yaml").read_text(encoding="utf-8")


@pytest.mark.slow(
    sibling=(
        "test_loading_imports_no_model_library",
        "test_definitions_are_valid",
    )
)
def test_the_checkout_validates(tmp_path: Path) -> None:
    """`dagster definitions validate` accepts the checkout's workspace."""
    environment = {
        "AIDRUG_HOME": str(tmp_path / "home"),
        "AIDRUG_DAGSTER_STORAGE": str(tmp_path / "storage"),
        "DAGSTER_HOME": str(ROOT),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("name: rf\nname: rf\n", "'name' appears twice"),
        ("name: rf\ndescription: d\nfeatures: [morgan_count]\nconfig: {trees: 3}\n", "config.trees: unknown key"),
        ("name: rf\ndescription: d\nfeatures: [morgan]\n", "unknown featurizer 'morgan'"),
    ],
)
def test_a_broken_file_is_named(project: Project, content: str, named: str) -> None:
    """A fault in a YAML file stops the loading, with a message that names file and key."""
    (project.settings.configs / "models" / "rf.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rf\.yaml") as fault:
        project.defs()
    assert named in str(fault.value)


def test_upkeep_keeps_what_staleness_needs(made: Project) -> None:
    """Old runs go, but for those that hold the latest materialisation of an asset: nothing becomes stale by upkeep."""
    old = made.materialise("dataset/logp").run_id
    assert made.materialise("dataset/logp").success
    assert maintenance.prune_runs(made.instance) == 0
    assert maintenance.prune_runs(made.instance, days=-1) >= 1
    assert made.instance.get_run_by_id(old) is None
    assert made.unsynced() == set()
    assert made.tick() == made.tick() == []


def test_upkeep_removes_files_that_nothing_names(made: Project) -> None:
    """Files of signatures that are neither wanted nor on record go, and so does what killed processes left."""
    node = made.catalog().nodes["trained_model/logp/rf"]
    made.change_code("model_zoo/models/rf.py")
    made.materialise("trained_model/logp/rf")
    left = made.settings.folder("scratch", "trained_model-killed", "work")
    (left / "half.npy").write_bytes(b"half")
    old = made.settings.home / "trained_model" / "logp" / "rf" / keys.code_version(node)
    assert old.is_dir()
    assert maintenance.prune_files(made.catalog(), made.ledger) == 0
    assert maintenance.prune_files(made.catalog(), made.ledger, days=-1) > 0
    assert not old.exists()
    assert not left.exists()
    made.change_code("model_zoo/models/naive.py")
    assert made.materialise("trained_model/logp/naive", "leaderboard/logp").success


def test_the_upkeep_job_ends_abandoned_runs(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nightly job ends runs whose process is gone, and leaves those of living processes."""
    code = "from ai_drug_assets.processes import this_process; print(this_process())"
    gone = run_python(code).stdout.strip()
    ticks = SqliteScheduleStorage.from_local(str(tmp_path / "schedules"))  # an instance in memory has none
    monkeypatch.setattr(made.instance, "_schedule_storage", ticks)
    job = made.defs().resolve_job_def(jobs.ALL_ASSETS)
    dead, unborn, living = (
        made.instance.create_run_for_job(job, tags={keys.RUN_TAG_PROCESS: process}, status=status).run_id
        for process, status in (
            (gone, dg.DagsterRunStatus.STARTED),
            (gone, dg.DagsterRunStatus.NOT_STARTED),
            (processes.this_process(), dg.DagsterRunStatus.STARTED),
        )
    )
    result = made.defs().resolve_job_def(jobs.MAINTENANCE).execute_in_process(instance=made.instance)
    assert result.output_for_node("prune")["abandoned_runs"] == 2
    ended = {run_id: made.instance.get_run_by_id(run_id) for run_id in (dead, unborn, living)}
    assert {run_id: run.status.value for run_id, run in ended.items() if run} == {
        dead: "FAILURE",
        unborn: "FAILURE",
        living: "STARTED",
    }


def test_a_fault_in_one_endpoints_file_keeps_the_rest(made: Project) -> None:
    """A misspelt key in one endpoint's YAML leaves that endpoint out; the others are made and published, it continues
    being served, its files stay, and nothing that learns from it too is trained without it.
    """
    add_model(made.settings, "multitask")
    made.run()
    before = parse_pointer(Path(made.settings.store, "current.json").read_bytes()).endpoints
    path = made.settings.configs / "endpoints" / "greasy.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("champion:", "champoin:"), encoding="utf-8")
    catalog = load_catalog(made.settings, keep_rest=True)
    assert "champoin: unknown key" in catalog.configs.faults["greasy"]
    assert set(catalog.held) == {"trained_model/logp/multitask", "leaderboard/logp", "champion_model/logp"}
    loaded = {keys.catalog_key(spec.key) for spec in made.defs().resolve_all_asset_specs()}
    assert loaded >= {"dataset/logp", "trained_model/logp/rf", "inference_service"}
    assert not any("greasy" in key for key in loaded)
    assert made.settle() in ([], [["inference_service"]])
    assert parse_pointer(Path(made.settings.store, "current.json").read_bytes()).endpoints == before
    assert maintenance.prune_files(catalog, made.ledger, days=-1) == 0
    result = made.materialise("trained_model/logp/multitask")
    assert not result.success
