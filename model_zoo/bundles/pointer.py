"""The pointer: which bundle serves each endpoint, for how long, and what came before.

Belongs here: its fields, its one reader and writer, every change that may be made to it, and what counts as damage.
Does not belong here: where it is and how it is replaced (see `store.py`), following it (see
`serving/champions/champion_watcher.py`).

One pointer names the current version of every endpoint, so that a change of several champions is seen as one::

    {"format": 2, "minimum_reader": 2, "lineage": "5d0c...", "generation": 7, "seal": "9f86...",
     "endpoints": {"solubility_logs": {
        "version": "rf-0123456789ab", "manifest": "2c26...", "since": "2026-01-31T12:00:00+00:00",
        "by": "inference_service", "held": null, "history": [{"version": ..., "since": ..., "by": ...}]}},
     "withdrawn": {"herg_pic50": {"since": ..., "by": ..., "reason": "the assay was wrong", "last": {"version": ...}}}}

`manifest` is the SHA-256 of the version's `manifest.json`, which holds the checksum of every other file: the pointer
covers every byte that can change an answer, and its `seal` covers the pointer. `history` is oldest first and does not
hold the current version. `held` (in code: `blocked_version`) is a version that somebody rolled back from, `over`
(`superseded_version`) one whose challenger was promoted over it: neither is published again by itself. `challenger`,
where there is one, is a version on trial beside the champion:
`{"version": ..., "since": ..., "by": ..., "mode": "split", "share": 0.1}`.

Within a `lineage` the `generation` only grows, and no endpoint goes missing: one that is withdrawn is an entry, with
date and reason. A pointer that breaks this, names nothing, or is not there any more is damage. A restored pointer
begins another lineage. Format 1 had no lineage, no digests and no seal.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from model_zoo.errors import StoreError
from model_zoo.io.artefacts import Artefact, Format, Part, read_artefact
from model_zoo.io.seal import FIELD, is_sealed, sealed
from model_zoo.monitoring.rollout import RolloutMode

POINTER = "current.json"
HISTORY_LENGTH = 50
UNSEALED = 1
"""The last format without a seal."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PointerError(StoreError):
    """The pointer of a bundle store is damaged or lost: nothing may be concluded from what it says, or is silent of."""


class ServedVersion(Part):
    """A version that served an endpoint, since when, and who put it there."""

    version: str
    since: str
    by: str
    manifest: Digest | None = None
    """SHA-256 of the bundle's manifest; none where only a pointer of format 1 ever named the version."""


class Rollout(ServedVersion):
    """A version on trial beside the champion.

    In the `shadow` it predicts what the champion predicts, unseen by callers. In a `split` it answers for `share` of
    the molecules, always the same ones.
    """

    mode: RolloutMode
    share: float = Field(default=0.1, gt=0, lt=1)


class Current(ServedVersion):
    """The version that serves an endpoint now, those before it, and the one on trial."""

    # The file's keys are those of its first format: an older service that rolls back writes it too.
    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    blocked_version: str | None = Field(default=None, validation_alias="held", serialization_alias="held")
    superseded_version: str | None = Field(default=None, validation_alias="over", serialization_alias="over")
    challenger: Rollout | None = None
    history: tuple[ServedVersion, ...] = ()

    @property
    def not_to_publish(self) -> tuple[str | None, ...]:
        """The version that serves, and those that are not published again by themselves."""
        return self.version, self.blocked_version, self.superseded_version


class Withdrawal(Part):
    """Why an endpoint is served no longer, since when, who said so, and what served it last."""

    since: str
    by: str
    reason: Annotated[str, Field(min_length=1)]
    last: Current


class Pointer(Artefact):
    """The current version of every endpoint."""

    NAME: ClassVar[str] = "pointer"
    READER: ClassVar[int] = 2

    format: Format = READER
    minimum_reader: Format = READER
    lineage: str = ""
    """Drawn when a store's first pointer is written, and again when one is restored; empty in format 1."""
    generation: Annotated[int, Field(ge=0)] = 0
    endpoints: Mapping[str, Current] = {}
    withdrawn: Mapping[str, Withdrawal] = {}

    def appoint(self, versions: Mapping[str, str], by: str) -> Pointer:
        """Return the pointer with these versions current.

        Those that already are, or are blocked, stay as they are, and so do endpoints that were withdrawn.
        """
        endpoints = dict(self.endpoints)
        for endpoint, version in versions.items():
            now = endpoints.get(endpoint)
            if endpoint in self.withdrawn or (now is not None and version in now.not_to_publish):
                continue
            endpoints[endpoint] = Current(
                version=version,
                since=_now(),
                by=by,
                history=_grown(now),
                blocked_version=now.blocked_version if now else None,
            )
        return self._with(endpoints)

    def put_on_trial(self, trials: Mapping[str, tuple[str, RolloutMode, float] | None], by: str) -> Pointer:
        """Return the pointer with these challengers on trial, each a version, mode and share; none ends a trial.

        A version that serves, or is blocked, is not put on trial; a trial that runs as wanted keeps its date.
        """
        endpoints = dict(self.endpoints)
        for endpoint, wanted in trials.items():
            now = endpoints.get(endpoint)
            if now is None:
                continue
            trial = None
            if wanted is not None and wanted[0] not in now.not_to_publish:
                trial = Rollout(version=wanted[0], since=_now(), by=by, mode=wanted[1], share=wanted[2])
                runs = now.challenger
                if runs and (runs.version, runs.mode, runs.share) == (trial.version, trial.mode, trial.share):
                    trial = runs
            endpoints[endpoint] = now.model_copy(update={"challenger": trial})
        return self._with(endpoints)

    def promote(self, endpoint: str, by: str) -> Pointer:
        """Return the pointer with the endpoint's challenger as its champion, in the present one's place.

        Raises
        ------
        StoreError
            When no challenger is on trial.
        """
        now = self.endpoints.get(endpoint)
        if now is None or now.challenger is None:
            raise StoreError(f"endpoint {endpoint!r} has no challenger on trial: nothing to promote")
        promoted = Current(
            version=now.challenger.version,
            manifest=now.challenger.manifest,
            since=_now(),
            by=by,
            blocked_version=now.blocked_version,
            superseded_version=now.version,
            history=_grown(now),
        )
        return self._with({**self.endpoints, endpoint: promoted})

    def roll_back(self, endpoint: str, by: str) -> Pointer:
        """Return the pointer with the endpoint's previous version current and the present one blocked.

        Raises
        ------
        StoreError
            When the endpoint serves nothing, or never served anything else.
        """
        now = self._serving(endpoint)
        left = (now.version, now.blocked_version)  # going back twice must not return to the version left first
        previous = next((entry for entry in reversed(now.history) if entry.version not in left), None)
        if previous is None:
            raise StoreError(f"endpoint {endpoint!r} has no earlier champion to go back to")
        back = Current(
            version=previous.version,
            manifest=previous.manifest,
            since=_now(),
            by=by,
            blocked_version=now.version,
            history=_grown(now),
        )
        return self._with({**self.endpoints, endpoint: back})

    def withdraw(self, endpoint: str, by: str, reason: str) -> Pointer:
        """Return the pointer that no longer serves an endpoint, and says why; nobody but `reinstate` brings it back.

        Raises
        ------
        StoreError
            When the endpoint serves nothing, or no reason is given.
        """
        if not reason.strip():
            raise StoreError(
                f"endpoint {endpoint!r}: expected a reason for withdrawing it, got none. Say why, in words"
            )
        entry = Withdrawal(since=_now(), by=by, reason=reason.strip(), last=self._serving(endpoint))
        endpoints = {name: now for name, now in self.endpoints.items() if name != endpoint}
        return self._with(endpoints, {**self.withdrawn, endpoint: entry})

    def follow(self, configured: Collection[str], published: Collection[str], by: str) -> Pointer:
        """Return the pointer in which endpoints follow the configuration of who publishes.

        One that was published and is configured no longer is withdrawn. One that was withdrawn so, and is configured
        again, is served again. Those that another publisher knows, or somebody withdrew by hand, stay as they are.

        Parameters
        ----------
        configured, published
            The publisher's endpoints now, and when it published last.
        by
            The publisher.
        """
        pointer = self
        for name in sorted(set(published) - set(configured)):
            if name in pointer.endpoints:
                reason = "it is no longer configured (configs/endpoints/)"
                pointer = pointer.withdraw(name, by, reason)
        for name in sorted(set(configured) - set(published)):
            if name in pointer.withdrawn and pointer.withdrawn[name].by == by:
                pointer = pointer.reinstate(name, by)
        return pointer

    def reinstate(self, endpoint: str, by: str) -> Pointer:
        """Return the pointer that serves a withdrawn endpoint again, by what served it last.

        Raises
        ------
        StoreError
            When the endpoint was not withdrawn.
        """
        entry = self.withdrawn.get(endpoint)
        if entry is None:
            known = ", ".join(self.withdrawn) or "none"
            raise StoreError(f"endpoint {endpoint!r} was not withdrawn: those that were are {known}")
        again = entry.last.model_copy(update={"since": _now(), "by": by, "challenger": None})
        withdrawn = {name: each for name, each in self.withdrawn.items() if name != endpoint}
        return self._with({**self.endpoints, endpoint: again}, withdrawn)

    def restored(self) -> Pointer:
        """Return this pointer as the first of another lineage, which services that followed the former one follow."""
        return self.model_copy(update={"lineage": new_lineage(), "generation": self.generation + 1})

    def damage_after(self, before: Pointer) -> str | None:
        """Say why this pointer cannot come after another one; none when it can."""
        if self.lineage != before.lineage:
            return None
        where = f"generation {self.generation} of lineage {self.lineage[:8] or 'none'}"
        if self.generation < before.generation:
            return f"{POINTER} went back from generation {before.generation} to {where}"
        if self.generation == before.generation and self != before:
            return f"{POINTER} says something else than before in the same {where}"
        if lost := sorted(set(before.names) - set(self.names)):
            return f"{POINTER} no longer names {', '.join(lost)} in {where}, neither as served nor as withdrawn"
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """Every endpoint that the pointer speaks of, served or withdrawn."""
        return (*self.endpoints, *self.withdrawn)

    def as_bytes(self) -> bytes:
        """Return the pointer's file, sealed; what there is none of is left out."""
        return sealed(self.model_dump(mode="json", exclude_none=True))

    def _serving(self, endpoint: str) -> Current:
        now = self.endpoints.get(endpoint)
        if now is None:
            gone = self.withdrawn.get(endpoint)
            if gone is not None:
                raise StoreError(
                    f"endpoint {endpoint!r} was withdrawn on {gone.since[:10]} by {gone.by}: {gone.reason}. `aidrug "
                    f"retire --undo {endpoint}` brings it back"
                )
            known = ", ".join(self.endpoints) or "none"
            raise StoreError(f"no champion serves endpoint {endpoint!r}: endpoints that serve are {known}")
        return now

    def _with(self, endpoints: Mapping[str, Current], withdrawn: Mapping[str, Withdrawal] | None = None) -> Pointer:
        withdrawn = self.withdrawn if withdrawn is None else withdrawn
        if (endpoints, withdrawn) == (self.endpoints, self.withdrawn):
            return self
        return self.model_copy(
            update={"generation": self.generation + 1, "endpoints": endpoints, "withdrawn": withdrawn}
        )


def parse_pointer(content: bytes | None) -> Pointer:
    """Read a pointer's bytes; none, where nothing was ever published, is the empty pointer.

    What a newer version added and this one does not know is left out when this one writes the pointer back.

    Raises
    ------
    PointerError
        When the bytes are not a whole pointer, or one that names no endpoint, which nobody writes.
    """
    if content is None:
        return Pointer()
    where = f"the pointer {POINTER}"
    pointer = read_artefact(Pointer, content, where, PointerError)
    if (pointer.format > UNSEALED or f'"{FIELD}"'.encode() in content) and not is_sealed(content):
        raise PointerError(
            f"{where} is not a valid pointer: its seal is not that of its content, so a part of it was changed or lost"
        )
    if not pointer.names:
        raise PointerError(f"{where} is not a valid pointer: expected at least one endpoint, got none")
    return pointer.model_copy(update={"format": Pointer.READER, "minimum_reader": Pointer.READER})


def is_unsealed(content: bytes) -> bool:
    """Return whether a valid pointer is of the format that was written before there were lineages and seals."""
    return bool(json.loads(content)["format"] <= UNSEALED)


def new_lineage() -> str:
    """Draw the name of a lineage."""
    return secrets.token_hex(16)


def _grown(now: Current | None) -> tuple[ServedVersion, ...]:
    if now is None:
        return ()
    entry = ServedVersion(version=now.version, since=now.since, by=now.by, manifest=now.manifest)
    return (*now.history, entry)[-HISTORY_LENGTH:]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
