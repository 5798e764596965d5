"""Challengers on trial: who answers for which molecule, and predictions that no caller sees.

Belongs here: the split by molecule, asking challengers in the shadow, notes for the live record.
Does not belong here: which version is on trial (the pointer says it), the verdict (see `model_zoo.monitoring.review`).

In a split, a molecule always gets the same arm: by a digest of its standardised SMILES and the challenger's version,
so that a new trial draws again. The champion is asked for those molecules too, for the record: a verdict compares both
on the same molecules.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from model_zoo.inference.answers import Answer, Estimates
from serving.champions.champion_registry import Champion, ChampionRegistry
from serving.http.problems import ProblemError
from serving.inference.prediction_logger import Note, PredictionLogger

MOST_SHADOWS = 64
"""Requests whose shadow may wait; past it a request's shadow is left out, so that trials never make a queue grow."""


@dataclass(frozen=True)
class AnsweredGroup:
    """Molecules that were answered by the same versions."""

    indices: Sequence[int]
    """Their places in the request."""
    champions: Mapping[str, Champion]
    """Who answered, by endpoint; a challenger where the split says so."""
    answers: Sequence[Answer]
    """One per molecule, in the order of `indices`."""
    on_trial: frozenset[str] = frozenset()
    """Endpoints that a challenger answered."""


class Predict(Protocol):
    """Predicts, see `Engine.predict`."""

    async def __call__(
        self, champions: Mapping[str, Champion], texts: Sequence[str], *, background: bool = False
    ) -> list[Answer]:
        """Return one answer per text, in order."""


class Rollout:
    """Answers requests, with challengers where they are on trial, and leaves notes for the record.

    Parameters
    ----------
    predict
        Predicts.
    prediction_logger
        Takes the notes; none where no record is kept: then nobody is asked in the shadow.

    Attributes
    ----------
    left_out
        Requests whose shadow was left out, because too many were waiting.
    """

    def __init__(self, predict: Predict, prediction_logger: PredictionLogger | None) -> None:
        self._predict, self._observer = predict, prediction_logger
        self._shadows: set[asyncio.Task[None]] = set()
        self.left_out = 0

    async def answer(
        self,
        table: ChampionRegistry,
        champions: Mapping[str, Champion],
        texts: Sequence[str],
        *,
        recorded: bool = True,
        split: bool = True,
    ) -> list[AnsweredGroup]:
        """Predict with the champions a request asked for.

        Parameters
        ----------
        table
            The table that the request read; `champions` are some of it.
        recorded
            Whether predictions are recorded; they are not when somebody looks closer at what was predicted before.
        split
            Whether challengers may answer; they may not where the request names the champion's version.

        Raises
        ------
        ProblemError
            When the engine has no room.
        """
        answers = await self._predict(champions, texts)
        trials = {name: table.challengers[name] for name in champions if name in table.challengers}
        if recorded:
            self._watch(table, champions, trials, texts, answers)
        if not trials or not split:
            return [AnsweredGroup(range(len(texts)), champions, answers)]
        shares = {name: share for name in trials if (share := table.share_on_trial(name))}
        arms: dict[frozenset[str], list[int]] = {}
        for index, answer in enumerate(answers):
            arms.setdefault(_arm(answer, trials, shares), []).append(index)
        given = []
        for arm, indices in arms.items():
            ours = [answers[index] for index in indices]
            if not arm:
                given.append(AnsweredGroup(indices, champions, ours))
                continue
            asked = {name: trials[name] for name in arm}
            theirs = await self._predict(asked, [texts[index] for index in indices])
            if recorded:
                self._note(Note(theirs, asked, role="challenger"))
            for index, our, their in zip(indices, ours, theirs, strict=True):
                # What a challenger cannot predict stays the champion's: a trial must not cost an answer.
                if isinstance(our, Estimates) and isinstance(their, Estimates):
                    both = Estimates({**our, **their}, our.faults)
                    who = {**champions, **{name: asked[name] for name in their}}
                    given.append(AnsweredGroup([index], who, [both], frozenset(their)))
                else:
                    given.append(AnsweredGroup([index], champions, [our]))
        return given

    def _watch(
        self,
        table: ChampionRegistry,
        champions: Mapping[str, Champion],
        trials: Mapping[str, Champion],
        texts: Sequence[str],
        answers: Sequence[Answer],
    ) -> None:
        """Leave what the champions answered for the record, and ask who is in their shadow."""
        self._note(Note(answers, champions))
        readable = [text for text, answer in zip(texts, answers, strict=True) if isinstance(answer, Estimates)]
        self._shadow(table, trials, readable)

    def _shadow(self, table: ChampionRegistry, trials: Mapping[str, Champion], texts: Sequence[str]) -> None:
        """Ask challengers in the shadow what the champions were asked, after the answer and behind every request."""
        hidden = {name: each for name, each in trials.items() if _mode(table, name) == "shadow"}
        if not hidden or not texts or self._observer is None:
            return
        if len(self._shadows) >= MOST_SHADOWS:
            self.left_out += 1
            return
        task = asyncio.create_task(self._ask(hidden, texts))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _ask(self, hidden: Mapping[str, Champion], texts: Sequence[str]) -> None:
        try:
            answers = await self._predict(hidden, texts, background=True)
        except ProblemError:
            self.left_out += 1
            return
        self._note(Note(answers, hidden, role="challenger", answered=False))

    def _note(self, note: Note) -> None:
        if self._observer is not None:
            self._observer.note(note)


def in_split(smiles: str, version: str, share: float) -> bool:
    """Return whether a challenger answers for a molecule.

    Examples
    --------
    >>> sum(in_split("C" * n, "rf-1", 0.25) for n in range(1, 1001))
    270
    """
    digest = hashlib.blake2b(smiles.encode(), digest_size=8, key=version.encode()[:64]).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _arm(answer: Answer, trials: Mapping[str, Champion], shares: Mapping[str, float]) -> frozenset[str]:
    """Return the endpoints for which a challenger answers for this molecule."""
    if not isinstance(answer, Estimates):
        return frozenset()
    return frozenset(
        name
        for name, share in shares.items()
        if name in answer and in_split(answer[name].smiles, trials[name].manifest.version, share)
    )


def _mode(table: ChampionRegistry, name: str) -> str | None:
    trial = table.appointments[name].challenger
    return trial.mode if trial is not None else None
