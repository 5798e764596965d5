"""What the record of use keeps for the calibration of intervals by measured values that came back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PredictedInterval:
    """What one version said of one measured molecule: see `prediction_log.PredictionRow`."""

    raw: float
    half_width: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What an administrator decided about the recalibration of an endpoint."""

    active: bool = True
    """Whether it is applied."""
    since: float = 0.0
    """From when on values count, in seconds since 1970."""
    without: tuple[str, ...] = ()
    """Callers whose values do not count."""
