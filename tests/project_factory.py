"""A tiny project on the real engine: two endpoints of made-up measurements and small models, in a temporary folder.

The signatures are computed from a copy of `model_zoo` that a test may edit; the code that runs stays the installed one.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster import DagsterInstance

from ai_drug_assets import keys
from ai_drug_assets.automation import automation_sensor
from ai_drug_assets.definitions import build_defs
from ai_drug_assets.execution.progress import Lines
from ai_drug_assets.execution.runner import Report, bring_up_to_date
from ai_drug_assets.planning.catalog import Catalog, load_catalog
from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.planning.plan import make_plan
from ai_drug_assets.planning.stamps import digest, stamp, stamps_in
from ai_drug_assets.settings import Settings
from ai_drug_assets.tracking import EXPERIMENT, Tracking
from model_zoo.data.reference_drugs import DrugList, chembl_drugs
from model_zoo.models import naive

ROOT = Path(__file__).parents[1]
TAILS = ("O", "N", "F", "Cl", "C#N", "C(=O)O", "C(=O)N", "OC", "S(C)(=O)=O", "N(C)C")

MODELS: Mapping[str, dict[str, Any]] = {
    "naive": {"features": ["descriptors"]},
    "rf": {"features": ["morgan_count"], "config": {"n_estimators": 5, "max_features": 0.5}},
    "xgb": {"features": ["morgan_count"], "config": {"n_estimators": 5}},
    "blend": {"members": ["rf", "xgb"]},
    "mlp_joint": {"features": ["morgan_count"], "config": {"hidden": 32, "members": 2, "epochs": 30}},
    "multitask": {
        "features": ["morgan_count"],
        "auxiliary": "all",
        "config": {"hidden": 16, "code": 8, "batch_size": 16, "epochs": 2},
    },
}
ENDPOINTS: Mapping[str, dict[str, Any]] = {
    "logp": {"task": "regression", "unit": "log10 ratio", "champion": {"metric": "rmse"}},
    "greasy": {"task": "binary", "unit": "probability", "champion": {"metric": "auroc"}},
}


def molecules() -> list[str]:
    """Return 70 small acyclic molecules, each a group of its own for any split."""
    return [f"{'C' * size}{tail}" for size, tail in itertools.product(range(2, 9), TAILS)]


def measurements(endpoint: str, smiles: Sequence[str]) -> list[float]:
    """Return values that a model can learn: Crippen's logP, or whether it is above one."""
    from rdkit import Chem
    from rdkit.Chem import Crippen

    values = [round(Crippen.MolLogP(Chem.MolFromSmiles(text)), 4) for text in smiles]  # type: ignore[attr-defined]
    return [float(value > 1) for value in values] if endpoint == "greasy" else values


def write_csv(path: Path, rows: Sequence[tuple[str, float]]) -> None:
    """Write measurements as a user would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("smiles,value\n" + "".join(f"{text},{value:g}\n" for text, value in rows), encoding="utf-8")


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a configuration file as a user would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")


def project_settings(root: Path) -> Settings:
    """Return the settings of a project in a folder."""
    home = root / "home"
    return Settings(
        root=root,
        code_root=root,
        configs=root / "configs",
        home=home,
        store=str(home / "store"),
        tracking_uri=f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
        artifacts=str(home / "mlflow" / "artifacts"),
        service_port=9,  # nothing listens there
    )


def make_project(root: Path, models: Sequence[str] = ("naive", "rf")) -> Settings:
    """Write configurations, measurements and a copy of the signed code into a folder."""
    shutil.copytree(ROOT / "model_zoo", root / "model_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dagster.yaml", root)
    settings = project_settings(root)
    for name, fields in ENDPOINTS.items():
        write_csv(root / f"{name}.csv", list(zip(molecules(), measurements(name, molecules()), strict=True)))
        source = {"kind": "csv", "files": [f"{name}.csv"]}
        split = {"kind": "random", "folds": 3}
        content = {"name": name, "title": name, "description": name, **fields, "source": source, "split": split}
        write_yaml(settings.configs / "endpoints" / f"{name}.yaml", content)
    for model in models:
        add_model(settings, model)
    return settings


def add_model(settings: Settings, name: str, **fields: Any) -> None:
    """Write a model's configuration; `fields` replace what it usually says."""
    content = {"name": name, "description": name, **MODELS[name], **fields}
    write_yaml(settings.configs / "models" / f"{name}.yaml", content)


@dataclass
class Project:
    """A project with its Dagster instance, and what tests ask of it."""

    settings: Settings
    instance: DagsterInstance
    cursor: str | None = None
    now: float = field(default_factory=time.time)
    lines: list[str] = field(default_factory=list)
    loaded: tuple[str, dg.SensorDefinition] | None = None

    @property
    def root(self) -> Path:
        """The folder of the project."""
        return self.settings.root

    @property
    def ledger(self) -> Ledger:
        """The ledger of the project."""
        return Ledger(self.settings.home / "ledger")

    def catalog(self) -> Catalog:
        """Read the catalog afresh."""
        return load_catalog(self.settings, keep_rest=True)

    def defs(self, **options: Any) -> dg.Definitions:
        """Load the definitions afresh, as a reloaded code location would."""
        return build_defs(self.settings, executor=dg.in_process_executor, **options)

    def run(self) -> Report:
        """Do what `aidrug run` does, on the instance of the test."""
        return bring_up_to_date(self.catalog(), self.instance, Lines(self.lines.append))

    def materialise(
        self, *wanted: str, defs: dg.Definitions | None = None, tags: Mapping[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialise assets as the UI's button would, in one run; all of them when none is named."""
        defs = defs or self.defs()
        chosen = dg.AssetSelection.assets(*map(keys.asset_key, wanted)) if wanted else dg.AssetSelection.all()
        job = dg.define_asset_job("by_hand", selection=chosen)
        resolved = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("by_hand")
        return resolved.execute_in_process(instance=self.instance, raise_on_error=False, tags=tags)

    def ask(self, *, later_s: float = 15.0) -> list[list[str]]:
        """Let the automation's sensor look, so long after its last look; give the runs it asks for, by their assets."""
        self.now += later_s
        found = (pair for folder in ("model_zoo", "configs") for pair in stamps_in(self.root / folder))
        files = digest([*found, *((str(path), stamp(path)) for path in self.root.glob("*.csv"))])
        if self.loaded is None or self.loaded[0] != files:  # as the code location reloads
            self.loaded = (files, automation_sensor(self.catalog(), lambda: self.now))
        sensor = self.loaded[1]
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        wanted = (request.asset_selection or () for request in result.run_requests or ())
        return [[keys.catalog_key(key) for key in chosen] for chosen in wanted]

    def evaluate(self) -> list[str]:
        """Let the automation's sensor look; return what it asks for, without running it."""
        return sorted(key for chosen in self.ask() for key in chosen)

    def tick(self, *, later_s: float = 15.0) -> list[str]:
        """Let the automation's sensor look, and run what it asks for, as the daemon does."""
        requests = self.ask(later_s=later_s)
        for chosen in requests:
            self.materialise(*chosen)
        return sorted(key for chosen in requests for key in chosen)

    def settle(self, limit: int = 20) -> list[list[str]]:
        """Tick until a tick requests nothing; return what each tick before it requested."""
        ticks = []
        while requested := self.tick():
            ticks.append(requested)
            assert len(ticks) < limit, f"the automation does not come to rest: {ticks}"
        return ticks

    def plan(self) -> dict[str, set[tuple[str, str]]]:
        """Return the stale assets, each with its reasons as (kind, what)."""
        made = make_plan(self.catalog(), self.ledger)
        return {item.node.key: {(reason.kind, reason.what) for reason in item.reasons} for item in made.stale}

    def unsynced(self) -> set[str]:
        """Return the assets whose latest materialisation in Dagster has another code version than they have now."""
        nodes = self.catalog().nodes
        known = self.instance.get_latest_materialization_code_versions([keys.asset_key(key) for key in nodes])
        return {
            keys.catalog_key(key)
            for key, version in known.items()
            if version != keys.code_version(nodes[keys.catalog_key(key)])
        }

    def runs(self, status: str | None = "FINISHED") -> list[Any]:
        """Return the MLflow runs of single trained models; those with a status when one is named."""
        return [run for run in self.all_runs(status) if keys.TAG_ASSET in run.data.tags]

    def all_runs(self, status: str | None = None) -> list[Any]:
        """Return every MLflow run, parents too."""
        client = Tracking(self.settings).client
        experiment = client.get_experiment_by_name(EXPERIMENT)
        assert experiment is not None
        asked = f"attributes.status = '{status}'" if status else ""
        return list(client.search_runs([experiment.experiment_id], asked))

    def trained(self) -> list[str]:
        """Return the asset of every fit that really happened, sorted."""
        return sorted(run.data.tags[keys.TAG_ASSET] for run in self.runs())

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that occurs once in a file of the project."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def change_code(self, name: str, mark: str = "1") -> None:
        """Change what importing a file of the signed code does, for all who import it."""
        path = self.root / name
        path.write_text(path.read_text(encoding="utf-8") + f"\nassert {mark}\n", encoding="utf-8")


@contextmanager
def copied(project: Project, folder: Path) -> Iterator[Project]:
    """Copy a project with its instance in memory into a folder, as it is now."""
    shutil.copytree(project.root, folder)
    with DagsterInstance.ephemeral() as instance:
        for name in ("run_storage", "event_log_storage"):  # databases in memory: SQLite copies them
            _database(getattr(project.instance, name)).backup(_database(getattr(instance, name)))
        yield Project(project_settings(folder), instance)


def _database(storage: Any) -> sqlite3.Connection:
    connection = storage._held_conn.connection.dbapi_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection


@cache
def _few_drugs() -> DrugList:
    drugs = chembl_drugs()
    assert drugs is not None
    return replace(drugs, smiles=drugs.smiles[:50])


@contextmanager
def little_judging() -> Iterator[None]:
    """Judge from few draws, without drawing and beside fifty drugs: all of it is most of a small run."""
    from ai_drug_assets.assets import plots
    from model_zoo.bundles import model_card

    few = _few_drugs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_card, "DRAWS", 5)
        patch.setattr(plots, "_picture", lambda draw: dg.MetadataValue.md("![plot](data:image/png;base64,)"))
        patch.setattr("model_zoo.bundles.assembly.chembl_drugs", lambda: few)
        yield


def refuse(X_train: Any, y_train: Any, config: Any) -> Any:
    """Take the place of the training function of a broken model: fails on regression endpoints."""
    if config.task == "regression":
        raise RuntimeError("the booster has no trees\nand a second line")
    return naive.train(X_train, y_train, config)
