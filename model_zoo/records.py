"""The record of a trained model: which code, configuration, data and libraries can change it.

Belongs here: the one list of parts that the product's assets and the benchmark's results are both keyed by.
Does not belong here: digests and differences (see `signature.py`), assets and what lies between them
(see `ai_drug_assets/catalog.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from model_zoo import signature
from model_zoo.config import Endpoint, ModelFile
from model_zoo.signature import Record

DATASET_CODE = ("model_zoo.dataset",)
TRAINING_CODE = ("model_zoo.training",)


def dataset_record(endpoint: Endpoint, folder: Path, root: Path) -> Record:
    """Give the record of an endpoint's snapshot, whose files lie under a folder."""
    config = {"dataset": endpoint.dataset.model_dump(mode="json")}
    return make_record(DATASET_CODE, root, config, endpoint.dataset.source.digests(folder), {})


def signed_datasets(endpoints: Iterable[Endpoint], folder: Path, root: Path) -> dict[str, tuple[Endpoint, str]]:
    """Give endpoints with the signatures of their snapshots, as `trained_model_record` takes auxiliary ones."""
    records = ((endpoint, dataset_record(endpoint, folder, root)) for endpoint in endpoints)
    return {f"dataset/{endpoint.name}": (endpoint, signature.signature(record)) for endpoint, record in records}


def trained_model_record(
    endpoint: Endpoint,
    model: ModelFile,
    data: Mapping[str, str],
    root: Path,
    members: Mapping[str, str] | None = None,
    auxiliary: Mapping[str, tuple[Endpoint, str]] | None = None,
) -> Record:
    """Give the record of one model on one endpoint.

    Parameters
    ----------
    endpoint, model
        The validated configuration of both.
    data
        Digests of the endpoint's files.
    root
        Folder that holds the first-party packages.
    members
        What an ensemble is made of: signatures of the trained models, by a name that people know them by.
    auxiliary
        The other endpoints that the model learns from, with the signatures of their snapshots, by such a name.
    """
    blocks = tuple(f"model_zoo.featurizers.{block}" for block in model.features)
    config = {
        "dataset": endpoint.dataset.model_dump(mode="json"),
        "target": endpoint.target.model_dump(mode="json"),
        "features": list(model.features),
        "model": model.settings(endpoint.name).model_dump(mode="json"),
    }
    others = auxiliary or {}
    if others:
        config["auxiliary"] = {other.name: other.target.model_dump(mode="json") for other, _ in others.values()}
    upstream = {**(members or {}), **{name: mark for name, (_, mark) in others.items()}}
    code = (*DATASET_CODE, *blocks, *TRAINING_CODE, f"model_zoo.models.{model.recipe}")
    return make_record(code, root, config, data, upstream)


def make_record(
    modules: tuple[str, ...],
    root: Path,
    config: Mapping[str, Any],
    data: Mapping[str, str],
    upstream: Mapping[str, str],
) -> Record:
    """Give the record of something made by modules from configuration, data and what has these signatures."""
    return {
        "code": dict(signature.code_part(modules, root)),
        "config": dict(config),
        "data": dict(data),
        "library": dict(signature.library_part(modules, root)),
        "upstream": dict(upstream),
    }
