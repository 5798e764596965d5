"""Predictions for texts that may be molecules, with the champions of one table.

Belongs here: parsing once per standardisation, featurizing once per featurizer, remembering results,
keeping one bad molecule from failing the others.
Does not belong here: threads and HTTP (see `engine.py`, `api.py`), what a model is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from rdkit import Chem

from model_zoo.bundle import Predictions
from model_zoo.molecules import Limits, Molecule, Standardise
from model_zoo.policies import standardise
from model_zoo.shared_features import SharedFeatures
from model_zoo.standardisation.outcome import Note
from serving import metrics
from serving.recent import Recent
from serving.table import Champion


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
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no prediction for a text: a stable code and a sentence."""

    code: str
    detail: str


Reading = tuple[Standardise, int]
"""How a champion's molecules are read, see `Manifest.reading`."""


class Estimates(dict[str, Estimate]):
    """The estimates of one molecule by endpoint; `faults` says of the endpoints that have none why."""

    def __init__(
        self, estimates: Mapping[str, Estimate] | None = None, faults: Mapping[str, Fault] | None = None
    ) -> None:
        super().__init__(estimates or {})
        self.faults = dict(faults or {})


Answer = dict[str, Estimate] | Fault
"""The estimates of one molecule by endpoint, or why there are none."""


def faults_of(answer: Answer) -> Mapping[str, Fault]:
    """Give why single endpoints of a molecule that was predicted have no estimate."""
    return answer.faults if isinstance(answer, Estimates) else {}


class _Understood(NamedTuple):
    """How a text was understood."""

    smiles: str
    notes: tuple[Note, ...]


class Predictor:
    """Predicts with the champions it is given.

    Parameters
    ----------
    limits
        Longest text and largest molecule accepted.
    cache_entries
        How many estimates, and how many readings of a text, are remembered.
    """

    def __init__(self, limits: Limits, cache_entries: int) -> None:
        self._limits = limits
        self._estimates: Recent[tuple[str, str], Estimate] = Recent(cache_entries)
        # Standardising costs as much as all the rest of a prediction. The text is remembered as standardised SMILES,
        # not as an RDKit object: those compute parts of themselves when asked, and are not for several threads.
        self._readings: Recent[tuple[Reading, str], _Understood | Fault] = Recent(cache_entries)

    def known(self, champions: Mapping[str, Champion], texts: Sequence[str]) -> list[Answer | None]:
        """Give the answers that are remembered, without computing anything: quick enough for the event loop."""
        return [self._known(champions, text) for text in texts]

    def _known(self, champions: Mapping[str, Champion], text: str) -> Answer | None:
        answer: dict[str, Estimate] = {}
        for name, champion in champions.items():
            reading = self._readings.get((champion.manifest.reading, text))
            if reading is None or isinstance(reading, Fault):
                return reading
            estimate = self._estimates.get((champion.manifest.version, reading.smiles))
            if estimate is None:
                return None
            answer[name] = _noted(estimate, reading)
        return answer

    def predict(
        self, champions: Mapping[str, Champion], texts: Sequence[str], *, remember: bool = True
    ) -> list[Answer]:
        """Predict every endpoint for every text: one answer per text, in order, never raising for a bad one.

        What is remembered is used; what is new is remembered only if `remember`, so that a batch job of a million
        molecules leaves the memory to those who ask again.
        """
        readers: dict[Reading, dict[str, Champion]] = {}
        for name, champion in champions.items():
            readers.setdefault(champion.manifest.reading, {})[name] = champion
        answers: list[Answer] = [Estimates() for _ in texts]
        for reader, members in readers.items():
            fresh: dict[str, Molecule] = {}
            with metrics.timed(metrics.PARSE):
                readings = [self._read(reader, text, fresh, remember=remember) for text in texts]
            wanted = dict.fromkeys(entry.smiles for entry in readings if isinstance(entry, _Understood))
            results = self._answers(members, wanted, fresh, remember=remember)
            for index, reading in enumerate(readings):
                answers[index] = _joined(answers[index], reading, results)
        return [_in_order(answer, champions) for answer in answers]

    def _read(self, reader: Reading, text: str, fresh: dict[str, Molecule], *, remember: bool) -> _Understood | Fault:
        """Give a text's standardised SMILES; a molecule that had to be parsed for it is added to `fresh`."""
        known = self._readings.get((reader, text))
        if known is not None:
            return known
        options, version = reader
        parsed = standardise(text, options, self._limits, policy=version)
        reading: _Understood | Fault
        if isinstance(parsed, Molecule):
            reading = _Understood(parsed.smiles, parsed.notes)
            fresh[parsed.smiles] = parsed
        else:
            reading = Fault(parsed.code, parsed.detail)
        if remember and len(text) <= self._limits.max_characters:
            self._readings.put((reader, text), reading)
        return reading

    def _answers(
        self,
        champions: Mapping[str, Champion],
        wanted: Iterable[str],
        fresh: Mapping[str, Molecule],
        *,
        remember: bool,
    ) -> dict[str, Answer]:
        """Give the answers by standardised SMILES for champions of one standardisation."""
        answers: dict[str, Answer] = {}
        missing: list[Molecule] = []
        for smiles in wanted:
            found = {name: self._estimates.get((each.manifest.version, smiles)) for name, each in champions.items()}
            known = {name: estimate for name, estimate in found.items() if estimate is not None}
            if len(known) == len(champions):
                answers[smiles] = known
            else:  # read back from its own SMILES, just as standardising does
                missing.append(fresh.get(smiles) or Molecule(smiles, Chem.MolFromSmiles(smiles)))
        computed = self._computed(champions, missing)
        if remember:
            self._remember(champions, computed)
        return answers | computed

    def _computed(self, champions: Mapping[str, Champion], molecules: list[Molecule]) -> dict[str, Answer]:
        try:
            return _compute(champions, molecules)
        except Exception as error:  # noqa: BLE001  one molecule must not fail the others
            if len(molecules) == 1 and len(champions) == 1:
                detail = f"the models cannot handle this molecule ({type(error).__name__})"
                return {molecules[0].smiles: Fault("prediction-failed", detail)}
            if len(molecules) == 1:  # nor one model the other endpoints
                (smiles,) = (molecule.smiles for molecule in molecules)
                alone = {name: self._computed({name: each}, molecules)[smiles] for name, each in champions.items()}
                return {smiles: _gathered(alone)}
            # One of them did it: find out which, so that the others get their answers.
            return {
                smiles: answer
                for molecule in molecules
                for smiles, answer in self._computed(champions, [molecule]).items()
            }

    def _remember(self, champions: Mapping[str, Champion], answers: Mapping[str, Answer]) -> None:
        for answer in answers.values():
            if isinstance(answer, dict):
                for name, estimate in answer.items():
                    self._estimates.put((champions[name].manifest.version, estimate.smiles), estimate)


def _joined(answer: Answer, reading: _Understood | Fault, results: Mapping[str, Answer]) -> Answer:
    """Add what one standardisation's champions say; the first fault is the molecule's answer."""
    if isinstance(answer, Fault):
        return answer
    result = reading if isinstance(reading, Fault) else results[reading.smiles]
    if isinstance(result, Fault) or isinstance(reading, Fault):
        return result
    noted = {name: _noted(estimate, reading) for name, estimate in result.items()}
    return Estimates({**answer, **noted}, {**faults_of(answer), **faults_of(result)})


def _noted(estimate: Estimate, reading: _Understood) -> Estimate:
    return replace(estimate, notes=reading.notes) if reading.notes else estimate


def _in_order(answer: Answer, champions: Iterable[str]) -> Answer:
    if isinstance(answer, Fault):
        return answer
    return Estimates({name: answer[name] for name in champions if name in answer}, faults_of(answer))


def _gathered(alone: Mapping[str, Answer]) -> Answer:
    """Join answers of one endpoint each; a molecule that no endpoint could predict has the first fault."""
    faults = {name: answer for name, answer in alone.items() if isinstance(answer, Fault)}
    if len(faults) == len(alone):
        return next(iter(faults.values()))
    estimates = {name: answer[name] for name, answer in alone.items() if not isinstance(answer, Fault)}
    return Estimates(estimates, faults)


def _compute(champions: Mapping[str, Champion], molecules: list[Molecule]) -> dict[str, Answer]:
    """Run the models: each featurizer and the fingerprint of the domain once, however many champions use them."""
    if not molecules:
        return {}
    shared = SharedFeatures(molecules)
    answers: dict[str, dict[str, Answer]] = {molecule.smiles: {} for molecule in molecules}
    for name, champion in champions.items():
        features = champion.bundle.blocks
        with nullcontext() if shared.has(features) else metrics.timed(metrics.FEATURIZE):
            X = shared.matrix(features)
        with metrics.timed(metrics.PREDICT):
            got = champion.bundle.predict(molecules, X, shared.packed)
        for row, molecule in enumerate(molecules):
            estimate = _estimate(molecule.smiles, got, row)
            numbers = (estimate.value, estimate.lower, estimate.upper, estimate.similarity, estimate.percentile)
            finite = all(number is None or math.isfinite(number) for number in numbers)
            fault = Fault("prediction-failed", f"{name}: the model gave no finite number")
            answers[molecule.smiles][name] = {name: estimate} if finite else fault
    return {smiles: _gathered(alone) for smiles, alone in answers.items()}


def _estimate(smiles: str, got: Predictions, row: int) -> Estimate:
    return Estimate(
        smiles,
        float(got.value[row]),
        None if got.lower is None else float(got.lower[row]),
        None if got.upper is None else float(got.upper[row]),
        float(got.similarity[row]),
        None if got.percentile is None else float(got.percentile[row]),
        None if got.label is None else int(got.label[row]),
        None if got.sets is None else tuple(int(label) for label in np.flatnonzero(got.sets[row])),
    )
