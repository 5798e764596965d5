"""A panel of twenty endpoints to measure the service with: CatBoost as configured, fitted on real ADMET sets.

Belongs here: fitting it from a benchmark folder and keeping it; one of the same shape where there is no such folder.
Does not belong here: measuring (see `bench_admet_ai.py`), scores (see `aidrug benchmark`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ai_drug_assets.settings import BENCHMARK_FOLDER
from model_zoo.benchmark.candidates import Snapshot
from model_zoo.benchmark.sets import load_benchmark_config, read_sets
from model_zoo.bundles.card import ModelCard
from model_zoo.bundles.store import FolderStore, parse_pointer
from model_zoo.bundles.writer import Background, write_bundle
from model_zoo.chemistry.molecules import Molecule, Standardise
from model_zoo.chemistry.similarity import pack
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import load_configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.reference_drugs import chembl_drugs
from model_zoo.features.cache import FeatureCache
from model_zoo.featurizers import join
from model_zoo.models import get
from model_zoo.training.cross_validation import training_values
from model_zoo.uncertainty.applicability_domain import Domain
from tests.benchmarks.bench_service import MANY_ENDPOINTS, catboost_panel
from tests.server_process import ROOT

MODEL = "catboost"


def admet_panel(folder: Path) -> str:
    """Make a store with twenty champions in `folder / "store"`, or keep the one that is there; say what it holds."""
    sets = os.environ.get(BENCHMARK_FOLDER)
    if not sets:
        if not (folder / "store").exists():
            folder.mkdir(parents=True, exist_ok=True)
            catboost_panel(folder, MANY_ENDPOINTS)
        return (
            f"{MANY_ENDPOINTS} CatBoost endpoints on made-up values ({BENCHMARK_FOLDER} names no folder of real sets)"
        )
    store = FolderStore(folder / "store")
    config = load_benchmark_config(ROOT / "configs" / "benchmark.yaml")
    # The twenty with the fewest rows: fitting them takes minutes.
    endpoints = sorted(read_sets(Path(sets), config), key=lambda each: _size(Path(sets) / each.name))
    for endpoint in endpoints[:MANY_ENDPOINTS]:
        if endpoint.name not in parse_pointer(store.read_pointer_bytes()).endpoints:
            print(f"fitting {endpoint.name}", flush=True)
            _publish(store, endpoint, Path(sets))
    return f"{MANY_ENDPOINTS} CatBoost endpoints as configured, fitted on TDC ADMET sets"


def _size(folder: Path) -> int:
    return (folder / "train_val.csv").stat().st_size


def _publish(store: FolderStore, endpoint: Endpoint, sets: Path) -> None:
    home = Path(os.environ.get("AIDRUG_HOME") or ROOT / ".aidrug")
    features = FeatureCache(home / "feature_cache", ROOT)
    model = load_configs(ROOT / "configs").models[MODEL]
    snapshot = Snapshot(endpoint, sets, features)
    dataset, target = snapshot.dataset, endpoint.target
    train = dataset.folds >= 0
    X, values = snapshot.joined(model)[train], dataset.values[train]
    molecules = [molecule for molecule, taken in zip(dataset.molecules(), train, strict=True) if taken]
    fitted = get(MODEL).train(
        X, training_values(target, values), model.settings().model_copy(update={"task": target.task})
    )

    def featurize(names: Sequence[str], some: Sequence[Molecule]) -> NDArray[Any]:
        return join([features.featurize(name, some) for name in names])

    with tempfile.TemporaryDirectory() as scratch:
        saved, bundle = Path(scratch) / "model", Path(scratch) / "bundle"
        saved.mkdir()
        bundle.mkdir()
        fitted.save(saved)
        write_bundle(
            bundle,
            fields=_fields(endpoint, model),
            card=ModelCard(),
            model_folder=saved,
            domain=Domain(pack(molecules), 0.3, size_and_kind(molecules)),
            neighbours={"smiles": [each.smiles for each in molecules], "values": values.tolist()},
            reference_smiles=["CCO", "c1ccccc1"],
            background=Background(X, chembl_drugs(), featurize),
        )
        version = store.put_bundle(bundle)
        store.update_pointer(lambda now: now.appoint({endpoint.name: version}, by="benchmark"))


def _fields(endpoint: Endpoint, model: ModelSpec) -> dict[str, Any]:
    return {
        "endpoint": endpoint.name,
        "model": MODEL,
        "signature": "sha256:" + "0" * 64,
        "title": endpoint.title,
        "description": endpoint.description,
        "unit": endpoint.unit,
        "direction": "none",
        "features": model.features,
        "standardise": Standardise(),
        "target": endpoint.target,
        "interval_half_width": None if endpoint.task == "binary" else 1.0,
    }
