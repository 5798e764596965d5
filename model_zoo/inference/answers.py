"""What is answered for a text that may be a molecule: estimates by endpoint, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from model_zoo.chemistry.standardisation.outcome import Note
from model_zoo.uncertainty.reliability import Reliability


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a champion says of one molecule, in the endpoint's unit.

    Attributes
    ----------
    smiles
        The standardised SMILES that was predicted.
    value, lower, upper
        The prediction and the ends of its 90 % interval; no ends for a binary endpoint.
    similarity
        Highest Tanimoto similarity to a training molecule, in [0, 1].
    percentile
        Share of the reference drugs' predictions below the value, 0 to 100; none where the bundle knows none.
    label, labels
        Of a binary endpoint whose bundle says when a probability means yes: 0 or 1, and the labels of its 90 % set.
    reliability, usual_error
        The level, and the mean absolute error on the scale of training (of a binary endpoint the share of wrong labels)
        that was usual in it; none where the bundle tells none, or where no error is known so far out.
    inside
        Whether the molecule counts as inside the applicability domain: where the bundle tells levels, as not of low
        reliability, and in older ones by similarity alone.
    raw, half_width
        The prediction and half of the bundle's own interval on the scale of training; none without an interval.
    factor, calibration
        What measured values that came back multiplied the half width by, and the calibration's name; see
        `monitoring.recalibration`.
    notes
        What was left out or not read of the structure that came.
    """

    smiles: str
    value: float
    lower: float | None
    upper: float | None
    similarity: float
    percentile: float | None = None
    label: int | None = None
    labels: tuple[int, ...] | None = None
    reliability: Reliability | None = None
    usual_error: float | None = None
    inside: bool = True
    notes: tuple[Note, ...] = ()
    raw: float | None = None
    half_width: float | None = None
    factor: float = 1.0
    calibration: str = "bundle"


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
