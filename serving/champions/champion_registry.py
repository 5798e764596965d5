"""What the service serves at one moment: an immutable table of champions.

Belongs here: the table, and what a champion is to the service (its bundle, its appointment, the spread
of measured values it is shown against).
Does not belong here: how a table comes about (see `champion_watcher.py`), predicting (see
`model_zoo.inference.predictor`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from model_zoo.bundles.manifest import Manifest
from model_zoo.bundles.matched_pairs import MatchedPairs, read_matched_pairs
from model_zoo.bundles.pointer import Current, Withdrawal
from model_zoo.bundles.reader import Bundle
from model_zoo.data.units import unit_name

UNITS = ("unit", "shown_unit")
SHORT_HASH = 12
"""Digits of a signature that are shown to a reader."""


@dataclass(frozen=True)
class Failure:
    """A champion that was appointed but is not served, and why."""

    version: str
    detail: str
    retried: bool
    """Whether the service tries again by itself: yes for an unreachable store, no for a bundle it refuses."""
    manifest: str | None = None
    """What the pointer said of its manifest: a bundle that is refused is looked at again when that changes."""


@dataclass(frozen=True)
class Champion:
    """A loaded bundle that serves an endpoint."""

    bundle: Bundle
    """The verified bundle."""

    @cached_property
    def measured(self) -> NDArray[np.float64]:
        """Measured values of the training molecules in the endpoint's unit, ascending, without bounds; may be empty."""
        values = np.sort(self.bundle.neighbours.measured)
        return values[np.isfinite(values)]

    @cached_property
    def matched_pairs(self) -> MatchedPairs | None:
        """What small changes did to measured values, read when it is first asked for; none where it came without."""
        return read_matched_pairs(self.bundle)

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    @property
    def short_signature(self) -> str:
        """The first digits of the signature, without the name of the digest."""
        return self.manifest.signature.removeprefix("sha256:")[:SHORT_HASH]

    @property
    def earlier_rules(self) -> tuple[str, ...]:
        """The rules that it reads molecules by although there are newer versions."""
        return self.manifest.policies.earlier(self.manifest.features)

    @property
    def awaited(self) -> tuple[str, ...]:
        """The models that were still to be trained when it was elected."""
        return self.bundle.card.awaited

    @property
    def no_interval(self) -> str:
        """Why it gives no interval, in the words of its card; empty where it does, and for classes."""
        intervals = self.bundle.card.trust.interval
        return "" if intervals is None else intervals.missing

    @property
    def provisional(self) -> bool:
        """Whether there were any."""
        return bool(self.awaited)


@dataclass(frozen=True)
class ChampionRegistry:
    """Everything one request needs to know of the champions; never changed, only replaced."""

    generation: int = 0
    """Generation of the pointer that the table was made from."""
    champions: Mapping[str, Champion] = field(default_factory=lambda: MappingProxyType({}))
    """Loaded champion of each endpoint, by name, in alphabetical order."""
    appointments: Mapping[str, Current] = field(default_factory=lambda: MappingProxyType({}))
    """What the pointer says of each endpoint, loaded or not."""
    failures: Mapping[str, Failure] = field(default_factory=lambda: MappingProxyType({}))
    """Endpoints whose appointed version could not be loaded; an older champion may serve them."""
    challengers: Mapping[str, Champion] = field(default_factory=lambda: MappingProxyType({}))
    """Loaded version on trial beside an endpoint's champion, where there is one."""
    trial_failures: Mapping[str, Failure] = field(default_factory=lambda: MappingProxyType({}))
    """Endpoints whose version on trial could not be loaded; the champion answers alone."""
    withdrawn: Mapping[str, Withdrawal] = field(default_factory=lambda: MappingProxyType({}))
    """Endpoints that are served no longer, since when and why."""

    @property
    def loaded(self) -> dict[tuple[str, str], Champion]:
        """Return every loaded bundle by endpoint and version."""
        everyone = (*self.champions.items(), *self.challengers.items())
        return {(endpoint, each.manifest.version): each for endpoint, each in everyone}

    def share_on_trial(self, name: str) -> float:
        """Return for which share of molecules an endpoint's challenger answers.

        None of them where it speaks in other units than the champion, as after a rollback to one from before a change
        of units: one column of a table has one unit.
        """
        trial = self.appointments[name].challenger if name in self.appointments else None
        if trial is None or trial.mode != "split" or not (name in self.champions and name in self.challengers):
            return 0.0
        ours, theirs = self.champions[name].manifest, self.challengers[name].manifest
        alike = all(unit_name(getattr(ours, unit)) == unit_name(getattr(theirs, unit)) for unit in UNITS)
        return trial.share if alike else 0.0

    def manifest_digest(self, endpoint: str, version: str) -> str | None:
        """Return what the pointer says of the manifest of a version that serves, is on trial or served before."""
        now = self.appointments.get(endpoint)
        entries = () if now is None else (now, now.challenger, *now.history)
        return next((each.manifest for each in entries if each is not None and each.version == version), None)
