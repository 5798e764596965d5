"""The records of what is made once for a group of endpoints: its snapshots, their features, its joint models.

Belongs here: which configuration, data and code each of them is the result of.
Does not belong here: what an endpoint takes of it (see `records.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from model_zoo.config.files import Configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.sources import Source
from model_zoo.provenance.records import make_record
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signature import signature
from model_zoo.provenance.signature_record import SignatureRecord


class GroupRecord(NamedTuple):
    """What is made once for a group."""

    key: str
    kind: str
    """`key` and `kind`: the asset, and what it is: `group_dataset`, `group_features` or `joint_model`."""
    name: str | None
    """The featurizer or model, where there is one."""
    deps: tuple[str, ...]
    """Keys of what it is made from."""
    record: SignatureRecord
    """Everything that can change it."""


def group_records(
    group: str, configs: Configs, folder_of: Callable[[Source], Path], root: Path
) -> Iterator[GroupRecord]:
    """Yield what is made once for a group, upstream first."""
    members = configs.members_of(group)
    datasets = {name: endpoint.dataset.model_dump(mode="json") for name, endpoint in members.items()}
    split = configs.groups[group].split.model_dump(mode="json")
    data = {
        f"{name}: {file}": digest
        for name, endpoint in members.items()
        for file, digest in endpoint.dataset.source.digests(folder_of(endpoint.dataset.source)).items()
    }
    config = {"endpoints": datasets, "split": split}
    dataset = f"dataset/{group}"
    snapshot = make_record(Makers(("group",)), root, config, data, {})
    yield GroupRecord(dataset, "group_dataset", None, (), snapshot)
    joint = joint_models(group, configs)
    above = {dataset: signature(snapshot)}
    for featurizer in dict.fromkeys(block for model in joint for block in model.features):
        record = make_record(Makers(("rows", "features"), (featurizer,)), root, {}, {}, above)
        yield GroupRecord(f"features/{group}/{featurizer}", "group_features", featurizer, (dataset,), record)
    for model in joint:
        deps = (dataset, *(f"features/{group}/{block}" for block in model.features))
        settings = {
            "targets": {name: endpoint.target.model_dump(mode="json") for name, endpoint in members.items()},
            "features": list(model.features),
            "model": model.settings().model_dump(mode="json"),
        }
        makers = Makers(("joint", "rows"), model.features, model.recipe)
        record = make_record(makers, root, settings, {}, above)
        yield GroupRecord(f"trained_model/{group}/{model.name}", "joint_model", model.name, deps, record)


def joint_models(group: str, configs: Configs) -> list[ModelSpec]:
    """List the joint models that compete on some endpoint of a group."""
    members = configs.members_of(group)
    return [model for model in configs.models.values() if model.is_joint and any(map(model.applies_to, members))]
