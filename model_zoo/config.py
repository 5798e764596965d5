"""The YAML files under `configs/`, read and checked before anything is trained.

Belongs here: the schema of an endpoint's and of a model's file, and one clear error per fault that names file,
key and what was expected.
Does not belong here: sections that change a trained model are defined beside the code that reads them
(`dataset.DatasetConfig`, `targets.Target`, each model's `Config`), so that a new key here retrains nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from model_zoo import featurizers, models
from model_zoo.champion import ChampionRules
from model_zoo.config_faults import fault
from model_zoo.curation import Curation
from model_zoo.dataset import DatasetConfig
from model_zoo.desirability import Desirable
from model_zoo.display import display
from model_zoo.errors import AidrugError, ConfigError
from model_zoo.metrics import METRICS
from model_zoo.models._base import ModelConfig
from model_zoo.no_effect import of_no_effect
from model_zoo.scores import Scale
from model_zoo.search_range import Range
from model_zoo.sources import Source
from model_zoo.splits import Split
from model_zoo.strict_yaml import check, read_yaml
from model_zoo.targets import Target, Task, Transform
from model_zoo.trials import TrialRules
from model_zoo.units import conversion

if TYPE_CHECKING:
    from model_zoo.screening import Screen

T = TypeVar("T", "Endpoint", "ModelFile", "Screen")
NAME = r"^[a-z][a-z0-9_]*$"


class Endpoint(BaseModel):
    """One measured property: `configs/endpoints/<name>.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=NAME, max_length=60)
    title: str
    description: str
    task: Task
    unit: str
    """The endpoint's own unit, in which values are stored, scored and served; `probability` for binary."""
    direction: Literal["higher", "lower", "none"] = "none"
    """Which way a medicinal chemist usually wants it."""
    desirable: Desirable | None = None
    """The values this project wants, for the page's overview of a molecule."""
    licence: str = "not stated"
    owners: tuple[str, ...] = ()
    """E-mail addresses or `team:name`, shown in the Dagster UI."""
    source: Source
    source_unit: str | None = None
    """The unit of files that say none of their own; the endpoint's when omitted."""
    curation: Curation = Curation()
    split: Split = Split()
    transform: Transform = "identity"
    lower: float | None = None
    upper: float | None = None
    score_scale: Scale | None = None
    """The scale on which models are scored, graded and elected: `training`, or the endpoint's own `unit`. That of
    training when omitted, but for the sets of a benchmark, which keep the official metric and unit."""
    display_unit: str | None = None
    """The unit that people read, beside the endpoint's own: `%` of `log10 %`, `nM` of `pIC50`."""
    champion: ChampionRules
    trial: TrialRules | None = None
    """Puts the best of the losing models on trial beside the champion; nobody is on trial when omitted."""

    @model_validator(mode="after")
    def _consistent(self) -> Endpoint:
        layouts = getattr(self.source, "layouts", {})
        for unit in (self.source_unit or self.unit, *(each.unit for each in layouts.values() if each.unit is not None)):
            conversion(unit, self.unit)
        _ = self.target
        if self.display_unit is not None:
            display(self.unit, self.display_unit)
        unknown = {self.champion.metric, *self.champion.minimum} - set(METRICS[self.task])
        if unknown:
            raise ValueError(
                f"champion: unknown metric {min(unknown)!r} for a {self.task} endpoint, expected one of "
                f"{', '.join(METRICS[self.task])}"
            )
        return self

    @property
    def dataset(self) -> DatasetConfig:
        """The sections that decide the snapshot."""
        return DatasetConfig(
            task=self.task,
            unit=self.unit,
            source=self.source,
            source_unit=self.source_unit or self.unit,
            curation=self.curation,
            split=self.split,
            target=self.target.placing,
        )

    @property
    def target(self) -> Target:
        """The sections that decide the scale of training."""
        return Target(task=self.task, transform=self.transform, lower=self.lower, upper=self.upper)

    @property
    def scale(self) -> Scale:
        """The scale that decides. `unit` where both are one."""
        if self.transform == "identity":
            return "unit"
        return self.score_scale or ("unit" if self.source.kind == "benchmark" else "training")


class ModelFile(BaseModel):
    """One learning recipe: `configs/models/<name>.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=NAME, max_length=40)
    description: str
    recipe: str = ""
    """The module of `model_zoo/models/` that learns; the one of the model's own name when omitted."""
    features: tuple[str, ...] = ()
    """The featurizers whose numbers it learns from; an ensemble's follow from its members."""
    members: tuple[str, ...] = ()
    """The models that an ensemble is made of, and nothing else has."""
    auxiliary: tuple[str, ...] | Literal["all"] = ()
    """Other endpoints whose measurements it learns from too, for recipes that can."""
    endpoints: tuple[str, ...] | Literal["all"] = "all"
    cheap: bool = False
    """Trained before the others, so that something serves soon, and the only ones that `--quick` trains."""
    config: dict[str, Any] = {}
    overrides: dict[str, dict[str, Any]] = {}
    """Hyper-parameters that differ for single endpoints, by endpoint name."""
    search: dict[str, Range] = {}
    """Where `aidrug search` looks, by hyper-parameter. It changes no model until it finds something."""

    @model_validator(mode="before")
    @classmethod
    def _own_recipe(cls, content: Any) -> Any:
        if isinstance(content, dict) and not content.get("recipe"):
            return {**content, "recipe": content.get("name", "")}
        return content

    @field_validator("features")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in featurizers.names():
                raise ValueError(f"unknown featurizer {name!r}, expected one of {', '.join(featurizers.names())}")
            if value.count(name) > 1:
                raise ValueError(f"expected each featurizer once, {name!r} stands twice")
        return value

    @model_validator(mode="after")
    def _valid_config(self) -> ModelFile:
        wanted, other = ("members", "features") if self.is_ensemble else ("features", "members")
        if not getattr(self, wanted) or (getattr(self, other) and not self.is_ensemble):
            raise ValueError(f"{wanted}: missing, expected a list of at least one; {self.name} takes no {other}")
        if bool(self.auxiliary) != hasattr(models.get(self.recipe), "prepare"):
            raise ValueError(
                f"auxiliary: expected none: {self.recipe} learns from its own endpoint alone"
                if self.auxiliary
                else f"auxiliary: missing, expected `all` or a list: {self.recipe} learns from other endpoints too"
            )
        for endpoint in (None, *self.overrides):
            try:
                self.settings(endpoint)
            except ValidationError as error:
                where = f"overrides.{endpoint}" if endpoint else "config"
                schema = models.get(self.recipe).Config
                raise ValueError("; ".join(f"{where}.{fault(d, schema)}" for d in error.errors())) from None
        return self

    @model_validator(mode="after")
    def _valid_search(self) -> ModelFile:
        for key, room in self.search.items():
            for value in room.values():
                try:
                    self.settings().model_validate({**self.config, key: value})
                except ValidationError as error:
                    schema = models.get(self.recipe).Config
                    raise ValueError(f"search.{fault(error.errors()[0], schema)}") from None
        return self

    @property
    def is_ensemble(self) -> bool:
        """Whether this model weighs others instead of learning by itself."""
        return hasattr(models.get(self.recipe), "weigh")

    def settings(self, endpoint: str | None = None) -> ModelConfig:
        """Give the validated hyper-parameters, with the overrides of an endpoint."""
        merged = {**self.config, **self.overrides.get(endpoint or "", {})}
        if "task" in merged:
            raise ValueError("config.task: the task comes from the endpoint, remove the key")
        settings: ModelConfig = check(models.get(self.recipe).Config, merged)
        return settings

    def auxiliary_of(self, endpoint: str, known: Iterable[str]) -> list[str]:
        """Name the other endpoints, of all known ones, that it learns from when it is trained on one."""
        return [name for name in known if name != endpoint and (self.auxiliary == "all" or name in self.auxiliary)]

    @property
    def names_endpoints(self) -> dict[str, tuple[str, ...]]:
        """The endpoints that it names, by key."""
        lists = {"endpoints": self.endpoints, "auxiliary": self.auxiliary, "overrides": tuple(self.overrides)}
        return {key: names for key, names in lists.items() if names != "all"}

    def serves(self, endpoint: str) -> bool:
        """Say whether this model competes on an endpoint."""
        return self.endpoints == "all" or endpoint in self.endpoints


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
    models: Mapping[str, ModelFile]
    faults: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def models_of(self, endpoint: str) -> list[ModelFile]:
        """List the models that compete on an endpoint, ensembles last; see `with_members`."""
        return with_members([model for model in self.models.values() if model.serves(endpoint)])

    def model_of(self, endpoint: str, name: str) -> ModelFile:
        """Give one of the models that compete on an endpoint."""
        return next(model for model in self.models_of(endpoint) if model.name == name)


def with_members(competing: Sequence[ModelFile]) -> list[ModelFile]:
    """Put ensembles behind what they are made of, each with those of its members that compete and their features.

    An ensemble of fewer than two competing members does not compete.
    """
    single = {model.name: model for model in competing if not model.is_ensemble}
    ensembles = []
    for model in competing:
        members = tuple(name for name in model.members if name in single)
        if len(members) > 1:
            features = dict.fromkeys(block for name in members for block in single[name].features)
            ensembles.append(model.model_copy(update={"members": members, "features": tuple(features)}))
    return [*single.values(), *ensembles]


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
    endpoints = {item.name: item for item in read_folder(folder / "endpoints", Endpoint, faults if keep_rest else None)}
    models_ = {item.name: item for item in read_folder(folder / "models", ModelFile)}
    warnings: list[str] = []
    for model in models_.values():
        warnings += of_no_effect(model.name, model.names_endpoints, {*endpoints, *faults}, folder)
        for name in model.members:
            if name not in models_ or models_[name].is_ensemble:
                single = [item.name for item in models_.values() if not item.is_ensemble]
                path = folder / "models" / f"{model.name}.yaml"
                raise ConfigError(f"{path}: members: expected some of {', '.join(single)}, got {name!r}")
    for name in endpoints:
        if not any(model.serves(name) for model in models_.values()):
            raise ConfigError(f"{folder / 'endpoints' / name}.yaml: no model competes on this endpoint")
    return Configs(endpoints, models_, faults, tuple(warnings))


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
