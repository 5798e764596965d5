"""Predictions for texts that may be molecules, with the champions of one table.

Belongs here: parsing once per standardisation, featurizing once per featurizer, remembering results,
keeping one bad molecule from failing the others.
Does not belong here: threads and HTTP (see `engine.py`, `api.py`), what a model is.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from model_zoo import featurizers
from model_zoo.molecules import InvalidMolecule, Limits, Molecule, Standardise, parse_molecule
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
    """

    smiles: str
    value: float
    lower: float | None
    upper: float | None
    similarity: float


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no prediction for a text: a stable code and a sentence."""

    code: str
    detail: str


Answer = dict[str, Estimate] | Fault
"""The estimates of one molecule by endpoint, or why there are none."""


class Results:
    """The most recently used estimates, by bundle version and standardised SMILES. Safe between threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._lock = capacity, threading.Lock()
        self._entries: OrderedDict[tuple[str, str], Estimate] = OrderedDict()

    def get(self, version: str, smiles: str) -> Estimate | None:
        """Give what is remembered, and count it as used."""
        with self._lock:
            entry = self._entries.get((version, smiles))
            if entry is not None:
                self._entries.move_to_end((version, smiles))
            return entry

    def put(self, version: str, estimate: Estimate) -> None:
        """Remember an estimate, and forget the one longest unused when there are too many."""
        with self._lock:
            self._entries[version, estimate.smiles] = estimate
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)


class Predictor:
    """Predicts with the champions it is given.

    Parameters
    ----------
    limits
        Longest text and largest molecule accepted.
    cache_entries
        How many estimates are remembered.
    """

    def __init__(self, limits: Limits, cache_entries: int) -> None:
        self._limits, self._results = limits, Results(cache_entries)

    def predict(self, champions: Mapping[str, Champion], texts: Sequence[str]) -> list[Answer]:
        """Predict every endpoint for every text: one answer per text, in order, never raising for a bad one."""
        policies: dict[Standardise, dict[str, Champion]] = {}
        for name, champion in champions.items():
            policies.setdefault(champion.manifest.standardise, {})[name] = champion
        answers: list[Answer] = [{} for _ in texts]
        for policy, members in policies.items():
            parsed = [parse_molecule(text, policy, self._limits) for text in texts]
            molecules = {entry.smiles: entry for entry in parsed if isinstance(entry, Molecule)}
            results = self._results_for(members, list(molecules.values()))
            for index, entry in enumerate(parsed):
                answers[index] = _joined(answers[index], entry, results)
        return [
            {name: answer[name] for name in champions} if isinstance(answer, dict) else answer for answer in answers
        ]

    def _results_for(self, champions: Mapping[str, Champion], molecules: list[Molecule]) -> dict[str, Answer]:
        """Give the answers by SMILES for champions of one standardisation and different molecules."""
        known: dict[str, dict[str, Estimate]] = {molecule.smiles: {} for molecule in molecules}
        for name, champion in champions.items():
            for smiles, estimates in known.items():
                if (found := self._results.get(champion.manifest.version, smiles)) is not None:
                    estimates[name] = found
        missing = [molecule for molecule in molecules if len(known[molecule.smiles]) < len(champions)]
        answers: dict[str, Answer] = {**known}
        answers.update(self._computed(champions, missing))
        return answers

    def _computed(self, champions: Mapping[str, Champion], molecules: list[Molecule]) -> dict[str, Answer]:
        try:
            answers = _compute(champions, molecules)
        except Exception as error:  # noqa: BLE001  one molecule must not fail the others
            if len(molecules) > 1:  # one of them did it: find out which, so that the others get their answers
                return {
                    smiles: one
                    for molecule in molecules
                    for smiles, one in self._computed(champions, [molecule]).items()
                }
            return {
                molecule.smiles: Fault(
                    "prediction-failed", f"the models cannot handle this molecule ({type(error).__name__})"
                )
                for molecule in molecules
            }
        for answer in answers.values():
            if isinstance(answer, dict):
                for name, estimate in answer.items():
                    self._results.put(champions[name].manifest.version, estimate)
        return answers


def _joined(answer: Answer, entry: Molecule | InvalidMolecule, results: Mapping[str, Answer]) -> Answer:
    """Add what one standardisation's champions say; the first fault is the molecule's answer."""
    if isinstance(answer, Fault):
        return answer
    if isinstance(entry, InvalidMolecule):
        return Fault(entry.code, entry.detail)
    result = results[entry.smiles]
    return result if isinstance(result, Fault) else {**answer, **result}


def _compute(champions: Mapping[str, Champion], molecules: list[Molecule]) -> dict[str, Answer]:
    """Run the models: each featurizer once, however many champions use it."""
    if not molecules:
        return {}
    blocks: dict[str, NDArray[Any]] = {}
    answers: dict[str, Answer] = {molecule.smiles: {} for molecule in molecules}
    for name, champion in champions.items():
        for feature in champion.manifest.features:
            if feature not in blocks:
                blocks[feature] = featurizers.get(feature).featurize(molecules)
        X = featurizers.join([blocks[feature] for feature in champion.manifest.features])
        got = champion.bundle.predict(molecules, X)
        for row, molecule in enumerate(molecules):
            estimate = Estimate(
                molecule.smiles,
                float(got.value[row]),
                None if got.lower is None else float(got.lower[row]),
                None if got.upper is None else float(got.upper[row]),
                float(got.similarity[row]),
            )
            answer = answers[molecule.smiles]
            if not math.isfinite(estimate.value):
                answers[molecule.smiles] = Fault("prediction-failed", f"{name}: the model gave no finite number")
            elif isinstance(answer, dict):
                answer[name] = estimate
    return answers
