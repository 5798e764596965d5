"""The record of a trained model: which code, configuration, data and libraries can change it.

Belongs here: the one list of parts that the product's assets and the benchmark's results are both keyed by.
Does not belong here: digests and differences (see `signed_code.py`, `signature.py`), assets and what is between them
(see `ai_drug_assets/planning/catalog.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.model_spec import ModelSpec
from model_zoo.provenance import signature
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.provenance.signed_code import sign
from model_zoo.type_aliases import Json

FITTED = ("fitting",)
"""What a model of the product goes through beside training: it is read from the assets that it is made of."""
COLUMN = ("column",)
"""The same of one that takes its part of a joint model."""


def dataset_record(
    endpoint: Endpoint, folder: Path, root: Path, group: Mapping[str, str] | None = None
) -> SignatureRecord:
    """Return the record of an endpoint's snapshot, whose files are under a folder; of a group's with its signature."""
    config = {"dataset": endpoint.dataset.model_dump(mode="json")}
    makers = Makers(("group_member",) if group else ("dataset",))
    return make_record(makers, root, config, endpoint.dataset.source.digests(folder), group or {})


def featurizer_makers(name: str) -> Makers:
    """Return what makes the rows of a featurizer."""
    return Makers(("rows",), (name,))


def signed_datasets(
    endpoints: Iterable[Endpoint], folder_of: Callable[[Endpoint], Path], root: Path
) -> dict[str, tuple[Endpoint, str]]:
    """Return endpoints with the signatures of their snapshots, as `trained_model_record` takes auxiliary ones."""
    records = ((endpoint, dataset_record(endpoint, folder_of(endpoint), root)) for endpoint in endpoints)
    return {f"dataset/{endpoint.name}": (endpoint, signature.signature(record)) for endpoint, record in records}


def trained_model_record(
    endpoint: Endpoint,
    model: ModelSpec,
    data: Mapping[str, str],
    root: Path,
    members: Mapping[str, str] | None = None,
    auxiliary: Mapping[str, tuple[Endpoint, str]] | None = None,
    *,
    procedures: tuple[str, ...] = (),
) -> SignatureRecord:
    """Return the record of one model on one endpoint.

    Parameters
    ----------
    endpoint, model
        The validated configuration of both.
    data
        Digests of the endpoint's files.
    root
        Folder that holds the first-party packages.
    members
        What it is made of beside data: signatures of an ensemble's trained models, and of what its endpoint's group
        made, by a name that people know them by.
    auxiliary
        The other endpoints that the model learns from, with the signatures of their snapshots, by such a name.
    procedures
        What it goes through beside training.
    """
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
    learnt = ("auxiliary",) if model.auxiliary else ()
    makers = Makers(("dataset", "rows", "training", *learnt, *procedures), tuple(model.features), model.recipe)
    return make_record(makers, root, config, data, upstream)


def training_libraries(model: ModelSpec, root: Path, procedures: tuple[str, ...] = ()) -> Mapping[str, str]:
    """Return the versions of the libraries that training a model reaches, without the making of its snapshot."""
    makers = Makers(("rows", "training", *procedures), tuple(model.features), model.recipe)
    return sign(makers, root)["library"]


def make_record(
    makers: Makers,
    root: Path,
    config: Mapping[str, Json],
    data: Mapping[str, str],
    upstream: Mapping[str, str],
) -> SignatureRecord:
    """Return the record of something made by some code from configuration, data and what has these signatures."""
    # Shared, not checked and copied: thousands of records have the same hundreds of definitions.
    code: Mapping[str, Any] = sign(makers, root)
    return SignatureRecord.model_construct(**code, config=dict(config), data=dict(data), upstream=dict(upstream))
