"""Every asset of the project with its record and signature, without Dagster.

Belongs here: which assets exist, what each depends on, and which code, configuration, data, libraries and
upstream signatures make up its record.
Does not belong here: how an asset is made (see `assets/`), what was made before (see `ledger.py`).

A trained model's record covers all that is upstream of it, because staleness in Dagster stops at the first edge:
one change makes everything it touches stale at once, and one run brings it up to date in order.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import Configs, load_configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.reload import reload_configs
from model_zoo.data.reference_drugs import reference_digest
from model_zoo.data.sources import require_there
from model_zoo.errors import DataError
from model_zoo.provenance import signature
from model_zoo.provenance.group_records import group_records
from model_zoo.provenance.records import COLUMN, FITTED, dataset_record, make_record, trained_model_record
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signature_record import SignatureRecord

from ai_drug_assets.settings import Settings

INFERENCE_SERVICE = "inference_service"
MODELS = ("trained_model", "joint_model")


class _All:
    """Holds every key."""

    def __contains__(self, key: object) -> bool:
        return True


_ALL = _All()


@dataclass(frozen=True)
class Node:
    """One asset."""

    key: str
    """The asset key, its parts joined by `/`."""
    kind: str
    """First part of the key: `dataset`, `features`, `trained_model`, `leaderboard`, `champion_model` or
    `inference_service`; `group_dataset`, `group_features` or `joint_model` of a group, whose keys begin alike."""
    endpoint: str | None
    name: str | None
    """`endpoint` and `name`: the endpoint, and the featurizer or model, where the kind has one."""
    deps: tuple[str, ...]
    """Keys of the assets it is made from."""
    record: SignatureRecord
    """Everything that can change it."""
    group: str | None = None
    """The group of endpoints, of what is made once for all of them."""

    @cached_property
    def signature(self) -> str:
        """The digest of the record; it is the asset's `code_version`."""
        return signature.signature(self.record)

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class Catalog:
    """All assets, upstream first, and the configuration they come from."""

    settings: Settings
    configs: Configs
    nodes: Mapping[str, Node]

    @cached_property
    def held(self) -> Mapping[str, str]:
        """Assets that wait until an endpoint's file can be read again, each with the reason.

        Models that learn from that endpoint too, and what judges them: without it they would be others.
        """
        held: dict[str, str] = {}
        for key, node in self.nodes.items():
            why = next((held[dep] for dep in node.deps if dep in held), None)
            if node.group is not None:
                missing = [name for name in self.configs.groups[node.group].endpoints if name in self.configs.faults]
                why = self.configs.faults[missing[0]] if missing else why
            if node.kind == "trained_model":
                others = self.configs.models[str(node.name)].auxiliary_of(str(node.endpoint), self.configs.faults)
                why = self.configs.faults[others[0]] if others else why
            if why is not None and node.kind != INFERENCE_SERVICE:
                held[key] = why
        return held

    @cached_property
    def shared_datasets(self) -> frozenset[str]:
        """Datasets that models of other endpoints learn from too."""
        trained = self.of_kind("trained_model")
        return frozenset(dep for node in trained for dep in node.deps if self.nodes[dep].endpoint != node.endpoint)

    def upstream(self, key: str) -> list[str]:
        """Return the keys of all that an asset is made from, directly or not."""
        waiting, found = list(self.nodes[key].deps), dict[str, None]()
        while waiting:
            dep = waiting.pop()
            if dep not in found:
                found[dep] = None
                waiting.extend(self.nodes[dep].deps)
        return list(found)

    def of_kind(self, kind: str, endpoint: str | None = None) -> list[Node]:
        """List the assets of a kind, of one endpoint when named."""
        if endpoint is not None:
            return list(self._of_kind.get((kind, endpoint), ()))
        return [node for node in self.nodes.values() if node.kind == kind]

    @cached_property
    def _of_kind(self) -> Mapping[tuple[str, str | None], list[Node]]:
        found: dict[tuple[str, str | None], list[Node]] = {}
        for node in self.nodes.values():
            found.setdefault((node.kind, node.endpoint), []).append(node)
        return found


def load_catalog(settings: Settings, *, keep_rest: bool = False) -> Catalog:
    """Read the configuration and compute every record afresh from the files.

    Parameters
    ----------
    settings
        Where the files are.
    keep_rest
        Whether an endpoint whose file is at fault is left out instead; see `Configs.faults`.

    Raises
    ------
    ConfigError, DataError
        For the first fault in configuration, code or sources, before anything is trained.
    """
    signature.forget()
    configs = without_sources(load_configs(settings.configs, keep_rest=keep_rest), settings)
    nodes: dict[str, Node] = {}
    for node in _nodes(configs, settings, nodes):
        nodes[node.key] = node
    return Catalog(settings, configs, nodes)


def without_sources(configs: Configs, settings: Settings) -> Configs:
    """Leave out endpoints whose files are not there, and say so: the others continue without them.

    Raises
    ------
    DataError
        When there is no other.
    """
    missing: dict[str, str] = {}
    for name, endpoint in configs.endpoints.items():
        try:
            require_there(endpoint.source, settings.folder_of(endpoint.source))
        except DataError as error:
            if len(missing) + 1 == len(configs.endpoints):
                raise
            missing[name] = f"{name} is left out: {error}"
    found = {name: endpoint for name, endpoint in configs.endpoints.items() if name not in missing}
    warnings = (*configs.warnings, *missing.values())
    return (
        replace(configs, endpoints=found, faults={**configs.faults, **missing}, warnings=warnings)
        if missing
        else configs
    )


def current_signature(catalog: Catalog, key: str) -> str | None:
    """Compute one asset's signature again from the files as they are now; none when it is gone.

    A process that loaded its code a while ago calls this before it labels what it made. Only what the asset is made
    from is read: a fault in the file of another model is no reason to throw this one away.
    """
    if key not in catalog.nodes:
        return None
    wanted = {key, *catalog.upstream(key)}
    signature.forget()
    endpoints = {str(catalog.nodes[each].endpoint) for each in wanted if catalog.nodes[each].endpoint}
    groups = {str(catalog.nodes[each].group) for each in wanted if catalog.nodes[each].group}
    endpoints.update(name for group in groups for name in catalog.configs.groups[group].endpoints)
    models = {str(node.name) for node in map(catalog.nodes.__getitem__, wanted) if node.kind in MODELS}
    configs = reload_configs(catalog.settings.configs, catalog.configs, endpoints, models, groups)
    nodes: dict[str, Node] = {}
    for node in _nodes(configs, catalog.settings, nodes, wanted):
        nodes[node.key] = node
    return nodes[key].signature if key in nodes else None


def _nodes(
    configs: Configs,
    settings: Settings,
    nodes: Mapping[str, Node],
    wanted: Container[str] = _ALL,
) -> Iterator[Node]:
    """Yield the assets, upstream first; of some that are wanted with all that they are made from, these alone."""
    for group in configs.groups:
        for key, kind, name, deps, record in group_records(group, configs, settings.folder_of, settings.code_root):
            if key in wanted:
                yield Node(key, kind, None, name, deps, record, group)
    for endpoint in configs.endpoints.values():
        if f"dataset/{endpoint.name}" in wanted:
            above = _of_group(configs, endpoint.name, nodes)
            record = dataset_record(endpoint, settings.folder_of(endpoint.source), settings.code_root, above)
            yield Node(f"dataset/{endpoint.name}", "dataset", endpoint.name, None, tuple(above), record)
    for endpoint in configs.endpoints.values():
        yield from _trained_nodes(endpoint, configs, settings, nodes, wanted)
        yield from _judging_nodes(endpoint, configs, settings, nodes, wanted)
    if INFERENCE_SERVICE not in wanted:
        return
    champions = tuple(f"champion_model/{name}" for name in configs.endpoints)
    upstream = {key: nodes[key].signature for key in champions}
    record = make_record(Makers(("service",)), settings.code_root, {}, {}, upstream)
    yield Node(INFERENCE_SERVICE, INFERENCE_SERVICE, None, None, champions, record)


def _trained_nodes(
    endpoint: Endpoint,
    configs: Configs,
    settings: Settings,
    nodes: Mapping[str, Node],
    wanted: Container[str],
) -> Iterator[Node]:
    name, root, models = endpoint.name, settings.code_root, configs.models_of(endpoint.name)
    dataset = f"dataset/{name}"
    if dataset not in wanted:
        return
    data, dataset_config = nodes[dataset].record.data, nodes[dataset].record.config
    above = _of_group(configs, name, nodes)
    for featurizer in dict.fromkeys(block for model in models for block in model.features):
        if f"features/{name}/{featurizer}" not in wanted:
            continue
        makers = Makers(("dataset", "rows", "features"), (featurizer,))
        record = make_record(makers, root, dataset_config, data, above)
        yield Node(f"features/{name}/{featurizer}", "features", name, featurizer, (dataset,), record)
    for model in models:
        key = f"trained_model/{name}/{model.name}"
        if key not in wanted:
            continue
        members = {member: nodes[member].signature for member in (f"trained_model/{name}/{n}" for n in model.members)}
        others = {
            f"dataset/{other}": (configs.endpoints[other], nodes[f"dataset/{other}"].signature)
            for other in model.auxiliary_of(name, configs.endpoints)
        }
        joint = _joint(configs, name, model, nodes)
        deps = (dataset, *(f"features/{name}/{block}" for block in model.features), *members, *others, *joint)
        made_of, procedures = {**above, **members, **joint}, COLUMN if joint else FITTED
        record = trained_model_record(endpoint, model, data, root, made_of, others, procedures=procedures)
        yield Node(key, "trained_model", name, model.name, deps, record)


def _of_group(configs: Configs, endpoint: str, nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return the signature of what divides the molecules of an endpoint's group, by key; empty without one."""
    group = configs.group_of(endpoint)
    return {} if group is None else {(key := f"dataset/{group.name}"): nodes[key].signature}


def _joint(configs: Configs, endpoint: str, model: ModelSpec, nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return the signature of the joint model that an endpoint takes its column of, by its key."""
    group = configs.group_of(endpoint)
    return (
        {}
        if group is None or not model.is_joint
        else {(key := f"trained_model/{group.name}/{model.name}"): nodes[key].signature}
    )


def _judging_nodes(
    endpoint: Endpoint,
    configs: Configs,
    settings: Settings,
    nodes: Mapping[str, Node],
    wanted: Container[str],
) -> Iterator[Node]:
    name, root, models = endpoint.name, settings.code_root, configs.models_of(endpoint.name)
    leaderboard = f"leaderboard/{name}"
    if leaderboard not in wanted:
        return
    trained = [f"trained_model/{name}/{model.name}" for model in models]
    upstream = {key: nodes[key].signature for key in trained}
    metric = {"metric": {"name": endpoint.champion.metric, "scale": endpoint.scale}}
    record = make_record(Makers(("leaderboard",)), root, metric, {}, upstream)
    yield Node(leaderboard, "leaderboard", name, None, tuple(trained), record)
    if f"champion_model/{name}" not in wanted:
        return
    shown = endpoint.model_dump(
        mode="json", include={"title", "description", "unit", "display_unit", "direction", "desirable", "licence"}
    )
    shown["scale"] = endpoint.scale
    if endpoint.category:
        shown["category"] = endpoint.category
    if endpoint.between_laboratories is not None:
        shown["between_laboratories"] = endpoint.between_laboratories
    descriptions = {model.name: model.description for model in models}
    config = {"rules": endpoint.champion.model_dump(mode="json"), "shown": shown, "models": descriptions}
    if endpoint.trial is not None:
        config["trial"] = endpoint.trial.model_dump(mode="json")
    upstream = {leaderboard: nodes[leaderboard].signature}
    record = make_record(Makers(("champion",)), root, config, reference_digest(), upstream)
    yield Node(f"champion_model/{name}", "champion_model", name, None, (leaderboard,), record)
