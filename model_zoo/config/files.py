"""The YAML files under `configs/`, read and checked before anything is trained.

Belongs here: the schema of an endpoint's and of a model's file, and one clear error per fault that names file,
key and what was expected.
Does not belong here: sections that change a trained model are defined beside the code that reads them
(`dataset.DatasetConfig`, `targets.Target`, each model's `Config`), so that a new key here retrains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from model_zoo import models
from model_zoo.config import grouping
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.faults import fault
from model_zoo.config.group import Group
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.no_effect import of_no_effect
from model_zoo.config.panel import Panel
from model_zoo.config.screen import Screen
from model_zoo.errors import AidrugError, ConfigError
from model_zoo.io.strict_yaml import check, read_yaml


def load_screens(folder: Path) -> dict[str, Screen]:
    """Read every YAML of a folder, which need not exist.

    Raises
    ------
    ConfigError
        Naming the file and key at fault.
    """
    if not yaml_files(folder):
        return {}
    return {screen.name: screen for screen in read_folder(folder, Screen)}


def load_groups(folder: Path) -> dict[str, Group]:
    """Read every YAML of a folder, which need not exist.

    Raises
    ------
    ConfigError
        Naming the file and key at fault.
    """
    return {group.name: group for group in read_folder(folder, Group)} if yaml_files(folder) else {}


T = TypeVar("T", "Endpoint", "ModelSpec", "Panel", "Screen", "Group")


@dataclass(frozen=True)
class Configs:
    """All endpoints and models, by name, sorted.

    Attributes
    ----------
    endpoints, models
        What can be read.
    faults
        What is at fault, where somebody goes on without it; else that is an error.
    warnings
        What is of no effect.
    """

    endpoints: Mapping[str, Endpoint]
    models: Mapping[str, ModelSpec]
    faults: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    own: Mapping[str, ModelSpec] = field(default_factory=dict)
    """The models as their files say them, without what endpoints say of them."""
    groups: Mapping[str, Group] = field(default_factory=dict)
    """The endpoints that share compounds, and their joint models."""

    def group_of(self, endpoint: str) -> Group | None:
        """Give the group of an endpoint; none where it is by itself."""
        return grouping.group_of(self.groups, endpoint)

    def members_of(self, group: str) -> dict[str, Endpoint]:
        """Give the endpoints of a group that can be read, by name, sorted."""
        return {name: self.endpoints[name] for name in sorted(self.groups[group].endpoints) if name in self.endpoints}

    def learnt_from(self, endpoint: str, model: ModelSpec) -> list[str]:
        """Name the other endpoints whose measurements a model of one has seen."""
        group = self.group_of(endpoint)
        if model.is_joint and group is not None:
            return [name for name in group.endpoints if name != endpoint and name in self.endpoints]
        return model.auxiliary_of(endpoint, self.endpoints)

    def models_of(self, endpoint: str) -> list[ModelSpec]:
        """List the models that compete on an endpoint, ensembles last; see `with_members`."""
        known = self.endpoints.get(endpoint)
        metric = None if known is None else known.champion.metric
        return with_members([model for model in self.models.values() if model.applies_to(endpoint)], metric)

    def model_of(self, endpoint: str, name: str) -> ModelSpec:
        """Give one of the models that compete on an endpoint."""
        model = self.models[name]
        return model if not model.is_ensemble else next(each for each in self.models_of(endpoint) if each.name == name)


def with_members(competing: Sequence[ModelSpec], metric: str | None = None) -> list[ModelSpec]:
    """Put ensembles behind what they are made of, each with those of its members that compete and their features.

    An ensemble of fewer than two competing members does not compete. One that can aims at the metric that elects.
    """
    single = {model.name: model for model in competing if not model.is_ensemble}
    ensembles = []
    for model in competing:
        members = tuple(name for name in model.members if name in single)
        if len(members) > 1:
            features = dict.fromkeys(block for name in members for block in single[name].features)
            made = {"members": members, "features": tuple(features), "config": _aimed(model, metric)}
            ensembles.append(model.model_copy(update=made))
    return [*single.values(), *ensembles]


def _aimed(model: ModelSpec, metric: str | None) -> dict[str, Any]:
    """Give the settings of an ensemble, with the loss of a metric where they say none."""
    recipe = models.get(model.recipe)
    losses = recipe.LOSSES if isinstance(recipe, models.AimsAtMetric) else {}
    return {"loss": losses[metric], **model.config} if metric in losses else model.config


def load_configs(folder: Path, *, keep_rest: bool = False) -> Configs:
    """Read and check every YAML under `configs/`.

    Parameters
    ----------
    folder
        The folder `configs/`.
    keep_rest
        Whether an endpoint whose file is at fault is left out and named, where another one can be read.

    Raises
    ------
    ConfigError
        Naming the file and key at fault, what was expected and what came.
    """
    faults: dict[str, str] = {}
    endpoints: dict[str, Endpoint] = {}
    if yaml_files(folder / "endpoints"):  # a project may begin without one, and lose its last
        read = read_folder(folder / "endpoints", Endpoint, faults if keep_rest else None)
        endpoints = {item.name: item for item in read}
    models_ = {item.name: item for item in read_folder(folder / "models", ModelSpec)}
    groups, warnings = grouping.checked(load_groups(folder / grouping.FOLDER), endpoints, faults, folder)
    endpoints = {name: grouping.placed(each, grouping.group_of(groups, name)) for name, each in endpoints.items()}
    for endpoint in endpoints.values():
        warnings += _require_models(endpoint, models_, folder)
    for model in models_.values():
        path = folder / "models" / f"{model.name}.yaml"
        warnings += of_no_effect(path, "endpoint", model.names_endpoints, {*endpoints, *faults})
        for name in model.members:
            if name not in models_ or models_[name].is_ensemble:
                single = [item.name for item in models_.values() if not item.is_ensemble]
                raise ConfigError(f"{path}: members: expected some of {', '.join(single)}, got {name!r}")
    warnings += grouping.suggestions(groups, endpoints, folder)
    own, models_ = models_, at_endpoints(models_, endpoints, groups)
    for name in endpoints:
        if not any(model.applies_to(name) for model in models_.values()):
            raise ConfigError(f"{folder / 'endpoints' / name}.yaml: no model competes on this endpoint")
    return Configs(endpoints, models_, faults, tuple(warnings), own, groups)


def at_endpoints(
    models_: Mapping[str, ModelSpec], endpoints: Mapping[str, Endpoint], groups: Mapping[str, Group]
) -> dict[str, ModelSpec]:
    """Say in the models what endpoints say of them: who competes there, and which hyper-parameters differ.

    An endpoint that names who competes is asked; else the model's own `endpoints` says it. Joint models compete where
    endpoints are grouped.
    """
    grouped = {name for group in groups.values() for name in group.endpoints}
    found = {}
    for name, model in models_.items():
        competing = tuple(
            each.name
            for each in endpoints.values()
            if (name in each.models if each.models is not None else model.applies_to(each.name))
            and (each.name in grouped or not model.is_joint)
        )
        own = {each.name: each.overrides[name] for each in endpoints.values() if name in each.overrides}
        merged = {key: {**model.overrides.get(key, {}), **own.get(key, {})} for key in {**model.overrides, **own}}
        found[name] = model.model_copy(update={"endpoints": competing, "overrides": merged})
    return found


def _require_models(endpoint: Endpoint, models_: Mapping[str, ModelSpec], folder: Path) -> list[str]:
    """Check what an endpoint says of models; tell which of those that it names are none of the project's.

    A model may be taken out of a project without an edit of every endpoint.
    """
    path = folder / "endpoints" / f"{endpoint.name}.yaml"
    named = {"models": endpoint.models or (), "overrides": tuple(endpoint.overrides)}
    for name, overrides in endpoint.overrides.items():
        if name not in models_:
            continue
        try:
            models_[name].with_overrides(endpoint.name, overrides)
        except ValidationError as error:
            schema = models.get(models_[name].recipe).Config
            faults = "; ".join(f"overrides.{name}.{fault(each, schema)}" for each in error.errors())
            raise ConfigError(f"{path}: {faults}") from error
    return of_no_effect(path, "model", named, models_)


def yaml_files(folder: Path) -> list[Path]:
    """List the YAML files of a folder; hidden ones, which editors and file managers leave behind, are none."""
    return sorted(path for path in folder.glob("[!.]*") if path.suffix in (".yaml", ".yml"))


def read_folder(folder: Path, schema: type[T], faults: dict[str, str] | None = None) -> list[T]:
    """Read and check every YAML of a folder, each named after what it holds.

    Parameters
    ----------
    folder, schema
        Where they are, and what each must hold.
    faults
        Receives the reason by the name of each file that is at fault, instead of an error, unless all are.

    Raises
    ------
    ConfigError
        When there is none, or naming the file and key at fault.
    """
    paths = yaml_files(folder)
    if not paths:
        raise ConfigError(f"{folder}: expected at least one YAML file, got none")
    found: dict[str, Path] = {}
    items = []
    for path in paths:
        try:
            item = read_config(path, schema)
        except ConfigError as error:
            if faults is None or len(faults) + 1 == len(paths):
                raise
            faults[path.stem] = str(error)
            continue
        if item.name in found:
            raise ConfigError(f"{path}: the name {item.name!r} is already taken by {found[item.name]}")
        if item.name != path.stem:
            raise ConfigError(f"{path}: expected name: {path.stem} (the file's own), got {item.name!r}")
        found[item.name] = path
        items.append(item)
    return items


def read_config(path: Path, schema: type[T]) -> T:
    """Read and check one YAML file.

    Raises
    ------
    ConfigError
        Naming the file and key at fault.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        got = "nothing" if content is None else type(content).__name__
        raise ConfigError(f"{path}: expected keys and values, got {got}")
    try:
        return check(schema, content)
    except ValidationError as error:
        faults = "; ".join(fault(detail, schema) for detail in error.errors())
        raise ConfigError(f"{path}: {faults}") from error
    except AidrugError as error:
        raise ConfigError(f"{path}: {error}") from error
