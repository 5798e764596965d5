"""What is answered for a text that may be a molecule: estimates by endpoint, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from model_zoo.chemistry.standardisation.outcome import Note
from model_zoo.uncertainty.reliability import Reliability


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a champion says of one molecule, in the endpoint's unit."""

    smiles: str
    """The standardised SMILES that was predicted."""
    value: float
    lower: float | None
    upper: float | None
    """`value`, `lower` and `upper`: the prediction and the ends of its 90 % interval; no ends for a binary endpoint."""
    similarity: float
    """Highest Tanimoto similarity to a training molecule, in [0, 1]."""
    percentile: float | None = None
    """Share of the reference drugs' predictions below the value, 0 to 100; none where the bundle knows none."""
    label: int | None = None
    labels: tuple[int, ...] | None = None
    """`label` and `labels`: of a binary endpoint whose bundle says when a probability means yes: 0 or 1, and the labels
    of its 90 % set."""
    reliability: Reliability | None = None
    usual_error: float | None = None
    """`reliability` and `usual_error`: the level, and the mean absolute error on the scale of training (of a binary
    endpoint the share of wrong labels) that was usual in it; none where the bundle has none, or where no error is
    known so far out."""
    inside: bool = True
    """Whether the molecule counts as inside the applicability domain: where the bundle has levels, as not of low
    reliability, and in older ones by similarity alone."""
    notes: tuple[Note, ...] = ()
    """What was left out or not read of the structure that came."""
    raw: float | None = None
    half_width: float | None = None
    """`raw` and `half_width`: the prediction and half of the bundle's own interval on the scale of training; none
    without an interval."""
    factor: float = 1.0
    calibration: str = "bundle"
    """`factor` and `calibration`: what measured values that came back multiplied the half width by, and the
    calibration's name; see `monitoring.recalibration`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no prediction for a text: a stable code and a sentence."""

    code: str
    detail: str


class Estimates(dict[str, Estimate]):
    """The estimates of one molecule by endpoint; `faults` says of the endpoints that have none why."""

    def __init__(
        self, estimates: Mapping[str, Estimate] | None = None, faults: Mapping[str, Fault] | None = None
    ) -> None:
        super().__init__(estimates or {})
        self.faults = dict(faults or {})


Answer = Estimates | Fault
"""The estimates of one molecule by endpoint, or why there are none."""


class Understood(NamedTuple):
    """How a text was understood: its standardised SMILES, and what was left out or not read."""

    smiles: str
    notes: tuple[Note, ...]
