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
from typing import Any

from pydantic import ValidationError

from model_zoo import models
from model_zoo.config import grouping
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.endpoint_file import FOLDER, Declared, read_endpoints
from model_zoo.config.faults import fault
from model_zoo.config.group import Group
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.no_effect import of_no_effect
from model_zoo.config.reading import read_folder, yaml_files
from model_zoo.config.screen import Screen
from model_zoo.errors import ConfigError
from model_zoo.selection.election import BASELINE

DEFAULT = "default"
"""Among an endpoint's `models`: all that compete everywhere."""


def load_screens(folder: Path) -> dict[str, Screen]:
    """Read every YAML of a folder, which need not exist."""
    if not yaml_files(folder):
        return {}
    return {screen.name: screen for screen in read_folder(folder, Screen)}


def load_groups(folder: Path) -> dict[str, Group]:
    """Read every YAML of a folder, which need not exist."""
    return {group.name: group for group in read_folder(folder, Group)} if yaml_files(folder) else {}


@dataclass(frozen=True)
class Configs:
    """All endpoints and models, by name, sorted."""

    endpoints: Mapping[str, Endpoint]
    models: Mapping[str, ModelSpec]
    """`endpoints` and `models`: what can be read."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What is at fault, where somebody continues without it; else that is an error."""
    warnings: tuple[str, ...] = ()
    """What is of no effect."""
    own: Mapping[str, ModelSpec] = field(default_factory=dict)
    """The models as their files say them, without what endpoints say of them."""
    groups: Mapping[str, Group] = field(default_factory=dict)
    """The endpoints that share compounds, and their joint models."""
    broken: tuple[str, ...] = ()
    """Those of the faults that are in the configuration itself, each once; a file of measurements that is missing is
    none."""

    def group_of(self, endpoint: str) -> Group | None:
        """Return the group of an endpoint; none where it is by itself."""
        return grouping.group_of(self.groups, endpoint)

    def members_of(self, group: str) -> dict[str, Endpoint]:
        """Return the endpoints of a group that can be read, by name, sorted."""
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
        """Return one of the models that compete on an endpoint."""
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
    """Return the settings of an ensemble, with the loss of a metric where they say none."""
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
    """
    declared = read_endpoints(folder / FOLDER)  # a project may begin without one, and lose its last
    models_ = {item.name: item for item in read_folder(folder / "models", ModelSpec)}
    warnings = _require_models(declared, models_)
    if not keep_rest or not declared.endpoints:
        declared.require()
    endpoints, faults = declared.endpoints, declared.faults
    groups, group_warnings = grouping.checked(load_groups(folder / grouping.FOLDER), endpoints, faults, folder)
    endpoints = {name: grouping.placed(each, grouping.group_of(groups, name)) for name, each in endpoints.items()}
    warnings += group_warnings
    for model in models_.values():
        path = folder / "models" / f"{model.name}.yaml"
        warnings += of_no_effect(path, "endpoint", model.names_endpoints, {*endpoints, *faults})
        for name in model.members:
            if name not in models_ or models_[name].is_ensemble:
                single = [item.name for item in models_.values() if not item.is_ensemble]
                raise ConfigError(f"{path}: members: expected some of {', '.join(single)}, got {name!r}")
    warnings += grouping.suggestions(groups, endpoints, folder)
    own, models_ = models_, at_endpoints(models_, endpoints, groups)
    for each in endpoints.values():
        idle = [name for name in each.overrides if name in models_ and not models_[name].applies_to(each.name)]
        place = f"{declared.files[each.name]}: {declared.places[each.name]}overrides"
        warnings += [f"{place}: {name!r} does not compete on {each.name!r}, so this is of no effect" for name in idle]
    for name in list(endpoints):
        if not any(model.applies_to(name) for model in models_.values()):
            faults[name] = f"{declared.files[name]}: no model competes on endpoint {name!r}"
            del endpoints[name]
    if not keep_rest or not endpoints:
        declared.require()
    broken = tuple(dict.fromkeys(faults.values()))
    warnings += [f"{each}; what this concerns is left out" for each in broken]
    return Configs(endpoints, models_, faults, tuple(warnings), own, groups, broken)


def at_endpoints(
    models_: Mapping[str, ModelSpec], endpoints: Mapping[str, Endpoint], groups: Mapping[str, Group]
) -> dict[str, ModelSpec]:
    """Say in the models what endpoints say of them: who competes there, and which hyper-parameters differ.

    An endpoint that names who competes is asked; where it does not, or names `default`, the model's own `endpoints`
    says it. Joint models compete where endpoints are grouped.
    """
    grouped = {name for group in groups.values() for name in group.endpoints}
    found = {}
    for name, model in models_.items():
        competing = tuple(
            each.name
            for each in endpoints.values()
            if (name in _listed(each) or (DEFAULT in _listed(each) and model.applies_to(each.name)))
            and (each.name in grouped or not model.is_joint)
        )
        own = {each.name: each.overrides[name] for each in endpoints.values() if name in each.overrides}
        merged = {key: {**model.overrides.get(key, {}), **own.get(key, {})} for key in {**model.overrides, **own}}
        found[name] = model.model_copy(update={"endpoints": competing, "overrides": merged})
    return found


def _listed(endpoint: Endpoint) -> tuple[str, ...]:
    return (DEFAULT,) if endpoint.models is None else endpoint.models


def _require_models(declared: Declared, models_: Mapping[str, ModelSpec]) -> list[str]:
    """Check what endpoints say of models; return those that they name and the project does not have.

    A model may be taken out of a project without an edit of every endpoint.
    """
    warnings = []
    for endpoint in list(declared.endpoints.values()):
        path = declared.files[endpoint.name]
        place = declared.places[endpoint.name]
        listed = [name for name in _listed(endpoint) if name != DEFAULT]
        named = {f"{place}models": listed, f"{place}overrides": tuple(endpoint.overrides)}
        warnings += of_no_effect(path, "model", named, models_)
        if BASELINE in models_ and not {BASELINE, DEFAULT} & set(_listed(endpoint)):
            warnings.append(
                f"{path}: {place}models: expected {BASELINE!r} among them: without it, a model that is worse than a "
                "constant may be elected"
            )
        for name, overrides in endpoint.overrides.items():
            if name not in models_:
                continue
            try:
                models_[name].with_overrides(endpoint.name, overrides)
            except ValidationError as error:
                schema = models.get(models_[name].recipe).Config
                reason = "; ".join(f"{place}overrides.{name}.{fault(each, schema)}" for each in error.errors())
                declared.faults[endpoint.name] = f"{path}: {reason}"
                declared.endpoints.pop(endpoint.name, None)
    return warnings
