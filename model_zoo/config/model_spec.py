"""A learning recipe with its settings: the schema of `configs/models/<name>.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from model_zoo import featurizers, models
from model_zoo.config.faults import fault
from model_zoo.config.naming import NAME
from model_zoo.config.search_range import Range
from model_zoo.io.strict_yaml import check
from model_zoo.models._base import ModelConfig
from model_zoo.type_aliases import Json


class ModelSpec(BaseModel):
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
                raise ValueError(f"expected each featurizer once, got {name!r} twice")
        return value

    @model_validator(mode="after")
    def _valid_config(self) -> ModelSpec:
        wanted, other = ("members", "features") if self.is_ensemble else ("features", "members")
        if not getattr(self, wanted) or (getattr(self, other) and not self.is_ensemble):
            raise ValueError(f"{wanted}: missing, expected a list of at least one; {self.name} takes no {other}")
        if bool(self.auxiliary) != isinstance(models.get(self.recipe), models.LearnsFromOthers):
            raise ValueError(
                f"auxiliary: expected none: {self.recipe} learns from its own endpoint alone"
                if self.auxiliary
                else f"auxiliary: missing, expected `all` or a list: {self.recipe} learns from other endpoints too"
            )
        if self.is_joint and self.overrides:
            raise ValueError(f"overrides: expected none: {self.name} is fitted once for all endpoints of a group")
        for endpoint in (None, *self.overrides):
            try:
                self.settings(endpoint)
            except ValidationError as error:
                where = f"overrides.{endpoint}" if endpoint else "config"
                schema = models.get(self.recipe).Config
                raise ValueError("; ".join(f"{where}.{fault(d, schema)}" for d in error.errors())) from None
        return self

    @model_validator(mode="after")
    def _valid_search(self) -> ModelSpec:
        for key, room in self.search.items():
            for value in room.values():
                try:
                    self.settings(changed={key: value})
                except ValidationError as error:
                    schema = models.get(self.recipe).Config
                    raise ValueError(f"search.{fault(error.errors()[0], schema)}") from None
        return self

    @property
    def is_joint(self) -> bool:
        """Whether it is fitted once for all endpoints of a group, and each takes its column."""
        return isinstance(models.get(self.recipe), models.LearnsJointly)

    @property
    def is_ensemble(self) -> bool:
        """Whether this model weighs others instead of learning by itself."""
        return isinstance(models.get(self.recipe), models.Ensemble)

    def settings(self, endpoint: str | None = None, changed: Mapping[str, Json] | None = None) -> ModelConfig:
        """Return the validated hyper-parameters, with the overrides of an endpoint, and others in place of some."""
        recipe = models.get(self.recipe)
        merged = {**self.config, **self.overrides.get(endpoint or "", {}), **(changed or {})}
        if "task" in merged:
            raise ValueError("config.task: the task comes from the endpoint, remove the key")
        if isinstance(recipe, models.HasBlocks):
            merged = recipe.with_widths(merged, [featurizers.width(name) for name in self.features])
        settings: ModelConfig = check(recipe.Config, merged)
        return settings

    def with_overrides(self, endpoint: str, overrides: dict[str, Json]) -> ModelSpec:
        """Return the model with hyper-parameters that an endpoint says.

        Raises
        ------
        ValidationError
            When the recipe has no such one, or it takes another value.
        """
        merged = {**self.overrides.get(endpoint, {}), **overrides}
        made = self.model_copy(update={"overrides": {**self.overrides, endpoint: merged}})
        made.settings(endpoint)
        return made

    def auxiliary_of(self, endpoint: str, known: Iterable[str]) -> list[str]:
        """Name the other endpoints, of all known ones, that it learns from when it is trained on one."""
        if not self.auxiliary:
            return []
        return [name for name in known if name != endpoint and (self.auxiliary == "all" or name in self.auxiliary)]

    @property
    def names_endpoints(self) -> dict[str, tuple[str, ...]]:
        """The endpoints that it names, by key."""
        lists = {"endpoints": self.endpoints, "auxiliary": self.auxiliary, "overrides": tuple(self.overrides)}
        return {key: names for key, names in lists.items() if names != "all"}

    def applies_to(self, endpoint: str) -> bool:
        """Return whether this model competes on an endpoint."""
        return self.endpoints == "all" or endpoint in self.endpoints
