"""A measured property: the schema of `configs/endpoints/<name>.yaml`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_zoo.config.desirability import Desirable
from model_zoo.config.naming import NAME
from model_zoo.data.curation import Curation
from model_zoo.data.dataset import DatasetConfig
from model_zoo.data.display_unit import display
from model_zoo.data.sources import Source
from model_zoo.data.splits import Split
from model_zoo.data.targets import Target, Task, Transform
from model_zoo.data.units import conversion
from model_zoo.metrics import METRICS
from model_zoo.monitoring.rollout import RolloutRules
from model_zoo.selection.criteria import SelectionCriteria
from model_zoo.selection.scores import Scale


class Endpoint(BaseModel):
    """One measured property: `configs/endpoints/<name>.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=NAME, max_length=60)
    """The name in asset keys, addresses and files: the name of the YAML file."""
    title: str
    """What people read, on the page and in Dagster."""
    description: str
    """What was measured and how, in a sentence or two."""
    task: Task
    """`regression` or `binary`."""
    unit: str
    """The endpoint's own unit, in which values are stored, scored and served; `probability` for binary."""
    direction: Literal["higher", "lower", "none"] = "none"
    """Which way a medicinal chemist usually wants it."""
    desirable: Desirable | None = None
    """The values this project wants, for the page's overview of a molecule."""
    category: str = Field(default="", max_length=60)
    """Under which heading people look for it among many, such as `Absorption`; its group's title when omitted."""
    licence: str = "not stated"
    """Of the measurements."""
    owners: tuple[str, ...] = ()
    """Who answers for it, in the Dagster UI.

    E-mail addresses or `team:name`."""
    source: Source
    """Where the measurements are and how their files are laid out."""
    source_unit: str | None = None
    """The unit of files that say none of their own; the endpoint's when omitted."""
    curation: Curation = Curation()
    """How rows become one value for each molecule."""
    split: Split = Split()
    """How molecules are divided into folds and a test split."""
    transform: Transform = "identity"
    """What models are trained on: the value itself, or a function of it."""
    lower: float | None = None
    """What a value cannot be below, for transforms that need it."""
    upper: float | None = None
    """What a value cannot exceed, for transforms that need it."""
    score_scale: Scale | None = None
    """The scale on which models are scored, graded and elected: `training`, or the endpoint's own `unit`. That of
    training when omitted, but for the sets of a benchmark, which keep the official metric and unit."""
    between_laboratories: float | None = Field(default=None, gt=0)
    """Standard deviation of one molecule's values between laboratories, on the scale of training, where predictions are
    compared with values of others than the measurements are from: intervals are wider by it. None when omitted."""
    display_unit: str | None = None
    """The unit that people read, beside the endpoint's own: `%` of `log10 %`, `nM` of `pIC50`."""
    models: tuple[str, ...] | None = None
    """Who competes here; `default` means all models that compete everywhere, as if it was omitted."""
    overrides: dict[str, dict[str, Any]] = {}
    """Hyper-parameters that differ here, by the model's name."""
    champion: SelectionCriteria
    """How the champion is elected."""
    trial: RolloutRules | None = None
    """Puts the best of the losing models on trial beside the champion; nobody is on trial when omitted."""

    @model_validator(mode="after")
    def _consistent(self) -> Endpoint:
        layouts = getattr(self.source, "layouts", {})
        threshold = self.curation.threshold
        if threshold is not None and self.task != "binary":
            raise ValueError("curation.threshold: expected none: a regression endpoint keeps the measured value")
        wanted = self.unit if threshold is None else threshold.unit
        for unit in (self.source_unit or wanted, *(each.unit for each in layouts.values() if each.unit is not None)):
            conversion(unit, wanted)
        _ = self.target
        if self.between_laboratories is not None and self.task == "binary":
            raise ValueError("between_laboratories: expected none: a binary endpoint has no intervals")
        if self.display_unit is not None:
            display(self.unit, self.display_unit)
        unknown = {self.champion.metric, *self.champion.minimum} - set(METRICS[self.task])
        if unknown:
            raise ValueError(
                f"champion: unknown metric {min(unknown)!r} for a {self.task} endpoint, expected one of "
                f"{', '.join(METRICS[self.task])}"
            )
        if self.task == "binary" and self.unit != "probability":
            raise ValueError(
                f"unit: expected 'probability' for a binary endpoint, which predicts one, got {self.unit!r}. The unit "
                "of measured values is `source_unit`, that of a limit `curation.threshold.unit`"
            )
        return self

    @property
    def dataset(self) -> DatasetConfig:
        """The sections that decide the snapshot."""
        return DatasetConfig(
            task=self.task,
            unit=self.unit,
            source=self.source,
            source_unit=self.source_unit or (self.curation.threshold.unit if self.curation.threshold else self.unit),
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
