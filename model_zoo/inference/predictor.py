"""Predictions for texts that may be molecules: one answer per text, in order, never an exception.

Belongs here: parsing once per standardisation, featurizing once per featurizer, keeping one molecule from failing the
others and one model from failing the other endpoints, using what is remembered. Requests, the page, jobs and screens
are all answered from here.
Does not belong here: threads and HTTP (see `serving`), what a model is (see `bundles/reader.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.bundles.reader import Bundle, Predictions
from model_zoo.chemistry.molecules import Limits, Molecule
from model_zoo.features.shared import SharedFeatures
from model_zoo.inference.answers import Answer, Estimate, Estimates, Fault, Understood
from model_zoo.inference.chemistry import Chemistry, ProcessEndedError, Reading

MOST_VERSIONS = 2_000
"""Bundles whose estimates of one molecule are kept together; past it those of retired bundles are dropped."""
K_contra = TypeVar("K_contra", contravariant=True)
V = TypeVar("V")


HERE = Chemistry()


class Cache(Protocol[K_contra, V]):
    """What a predictor remembers things in; safe between threads."""

    def get(self, key: K_contra) -> V | None:
        """Return what is remembered, or none."""

    def put(self, key: K_contra, value: V) -> None:
        """Remember a value."""


class _Forgetful:
    """A cache that remembers nothing."""

    def get(self, key: object) -> None:
        """Return nothing."""

    def put(self, key: object, value: object) -> None:
        """Forget it."""


Stage = Literal["parse", "featurize", "predict"]
Timed = Callable[[Stage], AbstractContextManager[None]]
"""Returns what a stage of the work runs in, so that its time can be taken."""


class Predictor:
    """Predicts with the bundles it is given.

    Parameters
    ----------
    limits
        Longest text and largest molecule accepted.
    readings, estimates
        Where readings of texts are remembered, and the estimates of a molecule by the bundle's version; nowhere when
        omitted.
    timed
        What each stage of the work runs in.

    Examples
    --------
    >>> Predictor(Limits()).predict({}, ["CCO"])  # nobody was asked
    [{}]
    """

    def __init__(
        self,
        limits: Limits,
        readings: Cache[tuple[Reading, str], Understood | Fault] | None = None,
        estimates: Cache[str, Mapping[str, Estimate]] | None = None,
        timed: Timed = lambda stage: nullcontext(),
    ) -> None:
        self._limits, self._timed = limits, timed
        self._estimates = estimates or _Forgetful()
        # Standardising costs as much as all the rest of a prediction. The text is remembered as standardised SMILES,
        # not as an RDKit object: those compute parts of themselves when asked, and are not for several threads.
        self._readings = readings or _Forgetful()

    def known(self, bundles: Mapping[str, Bundle], texts: Sequence[str]) -> list[Answer | None]:
        """Return the answers that are remembered, without computing anything: quick enough for the event loop."""
        return [self._known(bundles, text) for text in texts]

    def _known(self, bundles: Mapping[str, Bundle], text: str) -> Answer | None:
        results: dict[str, Estimate | Fault] = {}
        readings: dict[Reading, tuple[Understood | Fault | None, Mapping[str, Estimate]]] = {}
        for name, bundle in bundles.items():
            reader = bundle.manifest.reading
            if reader not in readings:
                found = self._readings.get((reader, text))
                known = self._estimates.get(found.smiles) if isinstance(found, Understood) else None
                readings[reader] = (found, known or {})
            reading, estimates = readings[reader]
            if reading is None:
                return None
            if isinstance(reading, Fault):
                results[name] = reading
                continue
            estimate = estimates.get(bundle.manifest.version)
            if estimate is None:
                return None
            results[name] = _noted(estimate, reading)
        return _answer(results)

    def predict(
        self,
        bundles: Mapping[str, Bundle],
        texts: Sequence[str],
        *,
        remember: bool = True,
        chemistry: Chemistry = HERE,
    ) -> list[Answer]:
        """Predict every endpoint for every text: one answer per text, in order, never raising for a bad one.

        What is remembered is used; what is new is remembered only if `remember`, so that a batch job of a million
        molecules leaves the memory to those who ask again. `chemistry` is done in this process unless another is given.

        Raises
        ------
        ProcessEndedError
            When `chemistry` is that of a process which came to an end.
        """
        readers: dict[Reading, dict[str, Bundle]] = {}
        for name, bundle in bundles.items():
            readers.setdefault(bundle.manifest.reading, {})[name] = bundle
        results: list[dict[str, Estimate | Fault]] = [{} for _ in texts]
        for reader, members in readers.items():
            with self._timed("parse"):
                readings, fresh = self._read(reader, texts, chemistry, remember=remember)
            wanted = dict.fromkeys(entry.smiles for entry in readings if isinstance(entry, Understood))
            found = self._results(members, wanted, fresh, chemistry, remember=remember)
            for row, reading in zip(results, readings, strict=True):
                for name in members:
                    row[name] = reading if isinstance(reading, Fault) else _noted(found[reading.smiles][name], reading)
        return [_answer({name: row[name] for name in bundles}) for row in results]

    def _read(
        self, reader: Reading, texts: Sequence[str], chemistry: Chemistry, *, remember: bool
    ) -> tuple[list[Understood | Fault], dict[str, Molecule]]:
        """Return how each text is understood, and the molecules parsed for that, by standardised SMILES."""
        found = {text: self._readings.get((reader, text)) for text in texts}
        missing = [text for text, reading in found.items() if reading is None]
        fresh: dict[str, Molecule] = {}
        for text, parsed in zip(missing, chemistry.read(missing, reader, self._limits), strict=True):
            reading: Understood | Fault
            if isinstance(parsed, Molecule):
                reading = Understood(parsed.smiles, parsed.notes)
                fresh[parsed.smiles] = parsed
            else:
                reading = Fault(*parsed)
            found[text] = reading
            if remember and len(text) <= self._limits.max_characters:
                self._readings.put((reader, text), reading)
        return [entry for text in texts if (entry := found[text]) is not None], fresh

    def _results(
        self,
        bundles: Mapping[str, Bundle],
        wanted: Iterable[str],
        fresh: Mapping[str, Molecule],
        chemistry: Chemistry,
        *,
        remember: bool,
    ) -> dict[str, dict[str, Estimate | Fault]]:
        """Return what each of some bundles of one standardisation says, by standardised SMILES and endpoint."""
        results: dict[str, dict[str, Estimate | Fault]] = {}
        missing: list[Molecule] = []
        for smiles in wanted:
            known: dict[str, Estimate | Fault] = {}
            remembered = self._estimates.get(smiles) or {}
            for name, bundle in bundles.items():
                estimate = remembered.get(bundle.manifest.version)
                if estimate is None:  # read back from its own SMILES, just as standardising does
                    missing.append(fresh.get(smiles) or Molecule(smiles, Chem.MolFromSmiles(smiles)))
                    break
                known[name] = estimate
            else:
                results[smiles] = known
        for molecule, computed in zip(missing, self._computed(bundles, missing, chemistry), strict=True):
            results[molecule.smiles] = computed
            new = {bundles[name].manifest.version: it for name, it in computed.items() if isinstance(it, Estimate)}
            if remember and new:
                before = self._estimates.get(molecule.smiles) or {}
                kept = before if len(before) < MOST_VERSIONS else {}
                self._estimates.put(molecule.smiles, {**kept, **new})
        return results

    def _computed(
        self, bundles: Mapping[str, Bundle], molecules: Sequence[Molecule], chemistry: Chemistry
    ) -> list[dict[str, Estimate | Fault]]:
        try:
            return self._compute(bundles, molecules, chemistry)
        except ProcessEndedError:
            raise
        except Exception as error:  # noqa: BLE001  RDKit and the models' runtimes raise what they like
            if len(molecules) > 1:  # one of them did it: find out which, so that the others get their answers
                return [result for each in molecules for result in self._computed(bundles, [each], chemistry)]
            if len(bundles) > 1:  # nor may one model fail the other endpoints
                alone = [self._computed({name: each}, molecules, chemistry)[0] for name, each in bundles.items()]
                return [{name: result for each in alone for name, result in each.items()}]
            detail = f"the models cannot handle this molecule ({type(error).__name__})"
            return [dict.fromkeys(bundles, Fault("prediction-failed", detail))]

    def _compute(
        self, bundles: Mapping[str, Bundle], molecules: Sequence[Molecule], chemistry: Chemistry
    ) -> list[dict[str, Estimate | Fault]]:
        """Run the models: each featurizer and the fingerprint of the domain once, however many bundles use them."""
        results: list[dict[str, Estimate | Fault]] = [{} for _ in molecules]
        if not molecules:
            return results
        shared = SharedFeatures(molecules, chemistry)
        for name, bundle in bundles.items():
            with nullcontext() if shared.has(bundle.blocks) else self._timed("featurize"):
                X = shared.matrix(bundle.blocks)
            with self._timed("predict"):
                got = bundle.predict(molecules, X, *_looks(bundle, shared))
            fault = Fault("prediction-failed", f"{name}: the model gave no finite number")
            for row, molecule in enumerate(molecules):
                estimate = _estimate(molecule.smiles, got, row, bundle.manifest.domain_threshold)
                numbers = (estimate.value, estimate.lower, estimate.upper, estimate.similarity, estimate.percentile)
                finite = all(number is None or math.isfinite(number) for number in numbers)
                results[row][name] = estimate if finite else fault
        return results


def _answer(results: Mapping[str, Estimate | Fault]) -> Answer:
    """Join what the endpoints say of one molecule; one that none could predict has the first fault."""
    estimates = {name: result for name, result in results.items() if isinstance(result, Estimate)}
    faults = {name: result for name, result in results.items() if isinstance(result, Fault)}
    if faults and not estimates:
        return next(iter(faults.values()))
    return Estimates(estimates, faults)


def _noted(result: Estimate | Fault, reading: Understood) -> Estimate | Fault:
    return replace(result, notes=reading.notes) if reading.notes and isinstance(result, Estimate) else result


def _looks(bundle: Bundle, shared: SharedFeatures) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
    """Return what a bundle looks for nearest molecules by; one that is older than sizes and kinds asks for none."""
    packed = shared.packed(bundle.manifest.policies.similarity)
    return packed, shared.properties if bundle.reads_properties else None


def _estimate(smiles: str, got: Predictions, row: int, threshold: float) -> Estimate:
    reliability = None if got.reliability is None else got.reliability[row]
    similarity = float(got.similarity[row])
    usual = None if got.usual_error is None or np.isnan(got.usual_error[row]) else float(got.usual_error[row])
    return Estimate(
        smiles,
        float(got.value[row]),
        None if got.lower is None else float(got.lower[row]),
        None if got.upper is None else float(got.upper[row]),
        similarity,
        None if got.percentile is None else float(got.percentile[row]),
        None if got.label is None else int(got.label[row]),
        None if got.sets is None else tuple(int(label) for label in np.flatnonzero(got.sets[row])),
        reliability,
        usual,
        similarity >= threshold if reliability is None else reliability != "low",
        raw=None if got.raw is None else float(got.raw[row]),
        half_width=None if got.half_width is None else float(got.half_width[row]),
    )
