"""Widens and narrows intervals by the measured values that came back, the same in every worker and after a restart.

Belongs here: reading the live record again when it changed, and applying factors to answers.
Does not belong here: the factor itself (see `model_zoo.monitoring.recalibration`), deciding about it (see
`api/calibrations.py`).

Nothing is kept but what the record holds: every reader of a record comes to the same factor. What is remembered of
molecules is the bundle's own interval, so that a new factor holds for them at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from model_zoo.data.targets import Target
from model_zoo.errors import StoreError
from model_zoo.inference.answers import Answer, Estimate, Estimates, Fault
from model_zoo.monitoring.prediction_log import PredictionLog
from model_zoo.monitoring.recalibration import Recalibration, recalibrate
from serving.champions.champion_registry import Champion, ChampionRegistry

PAUSE_SECONDS = 1.0

Known = Mapping[tuple[str, str], Recalibration]
logger = logging.getLogger(__name__)


class Recalibrator:
    """Follows the live record of a service.

    Parameters
    ----------
    folder
        Holds the record; none where there is none: then all intervals are the bundles' own.
    registry
        Gives the champions that serve.

    Attributes
    ----------
    known
        What there is for each regression that serves or is on trial, by endpoint and version; replaced, never changed.
    """

    def __init__(self, folder: Path | None, registry: Callable[[], ChampionRegistry]) -> None:
        self.known: Known = MappingProxyType({})
        self._folder, self._registry = folder, registry
        self._seen: object = None
        self._last, self._error = 0, ""

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(PAUSE_SECONDS)

    def look(self) -> None:
        """Read the record where it changed, or the champions did. Keeps what was known where it cannot be read."""
        if self._folder is None:
            return
        try:
            with closing(PredictionLog(self._folder)) as record:
                self._read(record)
            self._error = ""
        except StoreError as error:
            if str(error) != self._error:
                logger.error("%s; intervals stay as they are", error)  # noqa: TRY400  no stack for a full disk
            self._error = str(error)

    def _read(self, record: PredictionLog) -> None:
        loaded = {key: champion for key, champion in self._registry().loaded.items() if _has_intervals(champion)}
        seen, last = (record.state(), tuple(loaded)), record.last_prediction()
        # What is predicted of a measured molecule may come into the record after its value, long after too: a champion
        # that is new is asked for a molecule that was measured under the one before.
        if seen == self._seen and not (last != self._last and record.predicts_measured(min(last, self._last))):
            self._last = last
            return
        measured = {endpoint: record.measurements(endpoint) for endpoint in {endpoint for endpoint, _ in loaded}}
        self.known = MappingProxyType(
            {
                (endpoint, version): recalibrate(
                    champion.manifest.target,
                    champion.manifest.unit,
                    record.predicted_intervals(endpoint, version),
                    measured[endpoint],
                    record.decision(endpoint),
                )
                for (endpoint, version), champion in loaded.items()
            }
        )
        self._seen, self._last = seen, last

    def of(self, endpoint: str, champion: Champion) -> Recalibration:
        """Return what there is for a champion; the bundle's own where nothing is."""
        return self.known.get((endpoint, champion.manifest.version)) or Recalibration()

    def applied(self, champions: Mapping[str, Champion], answers: Sequence[Answer]) -> list[Answer]:
        """Return answers with the intervals that hold now."""
        factors = {
            name: (champion.manifest.target, found.factor, found.name)
            for name, champion in champions.items()
            if (found := self.of(name, champion)).name != "bundle"
        }
        if not factors:
            return list(answers)

        def adjusted(name: str, estimate: Estimate) -> Estimate:
            return recalibrated(estimate, *factors[name]) if name in factors else estimate

        return [
            answer
            if isinstance(answer, Fault)
            else Estimates({name: adjusted(name, each) for name, each in answer.items()}, answer.faults)
            for answer in answers
        ]


def recalibrated(estimate: Estimate, target: Target, factor: float, calibration: str) -> Estimate:
    """Return an estimate with an interval that many times as wide; as it is where it has none.

    Examples
    --------
    >>> estimate = Estimate("C", 1.0, 0.5, 1.5, 1.0, raw=1.0, half_width=0.5)
    >>> wider = recalibrated(estimate, Target(task="regression"), 2.0, "returned-30")
    >>> wider.lower, wider.value, wider.upper
    (0.0, 1.0, 2.0)
    """
    if estimate.raw is None or estimate.half_width is None:
        return estimate
    ends = np.array([estimate.raw - factor * estimate.half_width, estimate.raw + factor * estimate.half_width])
    lower, upper = target.to_unit(ends).tolist()
    return replace(estimate, lower=lower, upper=upper, factor=factor, calibration=calibration)


def _has_intervals(champion: Champion) -> bool:
    manifest = champion.manifest
    return manifest.trust.interval is not None or manifest.interval_half_width is not None
