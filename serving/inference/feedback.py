"""Measured values beside what was predicted: checking, predicting, storing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated, Literal

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from model_zoo.bundles.manifest import Manifest
from model_zoo.data.units import possible, unit_name
from model_zoo.errors import StoreError
from model_zoo.inference.answers import Answer, Estimates, Fault
from model_zoo.monitoring.prediction_log import MeasurementRow, PredictionLog
from model_zoo.uncertainty.reliability import Reliability
from serving.champions.champion_registry import Champion, ChampionRegistry
from serving.champions.withdrawal import withdrawal
from serving.http.problems import ProblemError
from serving.http.schemas import MoleculeError
from serving.inference.engine import Engine
from serving.inference.prediction_logger import Note, PredictionLogger

LARGEST = 1e30
"""Nobody measures more: sums of such numbers would have no value."""


class Measurement(Struct, frozen=True, forbid_unknown_fields=True):
    """One measured value."""

    smiles: str
    endpoint: str
    value: Annotated[float, Meta(description="In the endpoint's unit; 0 or 1 for a binary endpoint.")]
    unit: Annotated[
        str | None, Meta(description="Checked against the endpoint's unit when given; nothing is converted.")
    ] = None
    source: Annotated[str, Meta(description="Who or what measured it.", max_length=200)] = ""
    name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(
            description="Your own name for it, once in a request: sent again under it, with your key, the value is "
            "corrected."
        ),
    ] = None
    relation: Annotated[
        Literal["=", "<", ">"],
        Meta(description="`<` or `>` where the value is a bound: the true one is below or above it."),
    ] = "="


class FeedbackRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Measured values."""

    measurements: list[Measurement]


class Compared(Struct, frozen=True):
    """What was predicted for a measured molecule, by the champion that serves now; each as in a prediction."""

    value: float
    interval: tuple[float, float] | None
    champion: str
    reliability: Reliability | None = None
    usual_error: float | None = None
    usual_error_unit: str | None = None


class MeasurementResult(Struct, frozen=True):
    """One measurement of the request, at its own index: either `prediction` or `error`."""

    index: int
    endpoint: str
    prediction: Compared | UnsetType = UNSET
    error: MoleculeError | UnsetType = UNSET


class WithdrawalRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Measurements that are to be forgotten."""

    endpoint: str
    names: Annotated[list[str], Meta(min_length=1, max_length=10_000, description="As you reported them, your key's.")]


class WithdrawalResponse(Struct, frozen=True):
    """What was forgotten, and which names there were none of."""

    withdrawn: list[str]
    unknown: list[str]


class FeedbackResponse(Struct, frozen=True):
    """One entry per measurement, in the order of the request; those without an error are stored."""

    stored: int
    measurements: list[MeasurementResult]


async def store_measurements(
    engine: Engine, measurements: list[Measurement], caller: str, idempotency_key: str | None = None
) -> FeedbackResponse:
    """Predict what was measured, and store the sound ones as the caller's.

    Parameters
    ----------
    idempotency_key
        Names what has no name of its own, so that it is stored once.

    Raises
    ------
    ProblemError
        `record-off`, `record-unavailable`, `idempotency-mismatch`; `busy` and `overdue` as predictions.
    """
    prediction_logger = engine.prediction_logger
    if prediction_logger is None:
        raise ProblemError("record-off", "the service keeps no live record: AIDRUG_RECORD is off")
    table = engine.champion_registry
    nameless = frozenset[int]()
    if idempotency_key is not None:
        nameless = frozenset(index for index, item in enumerate(measurements) if item.name is None)
        measurements = [
            replace(item, name=item.name or f"{idempotency_key} {index}") for index, item in enumerate(measurements)
        ]
    results = _without_contradictions(measurements, await _predicted(engine, table, measurements))
    units = {name: champion.manifest.unit for name, champion in table.champions.items()}
    try:
        stored = await engine.work(_store, prediction_logger, measurements, results, caller, units, nameless)
    except StoreError as error:
        raise ProblemError("record-unavailable", "the live record cannot be written", {"Retry-After": "30"}) from error
    return FeedbackResponse(
        stored, [_entry(index, item, results[index], table) for index, item in enumerate(measurements)]
    )


def withdraw_measurements(engine: Engine, data: WithdrawalRequest, caller: str) -> WithdrawalResponse:
    """Forget what the caller reported; what was made of it (reviews, intervals) is made again without it.

    Raises
    ------
    ProblemError
        `record-off`, `record-unavailable`.
    """
    if engine.prediction_logger is None:
        raise ProblemError("record-off", "the service keeps no live record: AIDRUG_RECORD is off")
    names = list(dict.fromkeys(data.names))
    try:
        with closing(PredictionLog(engine.prediction_logger.folder)) as record:
            gone = record.withdraw(data.endpoint, caller, names)
    except StoreError as error:
        raise ProblemError("record-unavailable", "the live record cannot be written", {"Retry-After": "30"}) from error
    return WithdrawalResponse(gone, [name for name in names if name not in set(gone)])


async def _predicted(engine: Engine, table: ChampionRegistry, measurements: list[Measurement]) -> list[Answer]:
    """Return the champion's answer for every sound measurement, and the fault of every other."""
    results: list[Answer] = [_fault(table, item) or Estimates() for item in measurements]
    by_endpoint: dict[str, list[int]] = {}
    for index, item in enumerate(measurements):
        if isinstance(results[index], Estimates):
            by_endpoint.setdefault(item.endpoint, []).append(index)
    for endpoint, indices in by_endpoint.items():
        champions: dict[str, Champion] = {endpoint: table.champions[endpoint]}
        answers = await engine.predict(champions, [measurements[index].smiles for index in indices])
        for index, answer in zip(indices, answers, strict=True):
            results[index] = answer
        if engine.prediction_logger is not None:
            engine.prediction_logger.note(Note(answers, champions, answered=False))
    return results


def _fault(table: ChampionRegistry, item: Measurement) -> Fault | None:
    champion = table.champions.get(item.endpoint)
    if champion is None:
        if reason := withdrawal(table, item.endpoint):
            return Fault("withdrawn", reason)
        known = ", ".join(table.champions) or "none yet"
        return Fault("unknown-endpoint", f"expected one of {known}, got {item.endpoint!r}")
    manifest = champion.manifest
    binary = manifest.target.task == "binary"
    units = {unit_name(manifest.unit), *(("class",) if binary else ())}  # as it is shown of training molecules
    if item.unit is not None and unit_name(item.unit) not in units:
        return Fault("wrong-unit", f"expected a value in {manifest.unit}, got one in {item.unit}; convert it first")
    if binary and item.value not in (0, 1):
        return Fault("invalid-value", f"expected class 0 or 1, got {item.value:g}")
    if binary and item.relation != "=":
        return Fault("invalid-value", f"expected a class, got the bound {item.relation} {item.value:g}")
    return None if binary else _not_measurable(manifest, item.value)


def _not_measurable(manifest: Manifest, value: float) -> Fault | None:
    """Say why a value is none of an endpoint's: stored, it would count nowhere, or as one in another unit."""
    low, high = possible(manifest.unit)
    if not abs(value) <= LARGEST:
        return Fault("invalid-value", f"expected a finite number up to {LARGEST:g}, got {value:g}")
    if not low <= value <= high:
        return Fault("invalid-value", f"expected {low:g} to {high:g} {manifest.unit}, got {value:g}; convert it first")
    if manifest.target.outside(np.array([value]))[0]:
        return Fault(
            "invalid-value",
            f"expected {manifest.target.takes} in {manifest.unit}, got {value:g}; of what is beyond a limit of the "
            "assay, send the limit with the relation < or >",
        )
    return None


def _without_contradictions(measurements: list[Measurement], results: list[Answer]) -> list[Answer]:
    """Return the results with a fault for what has one name and is not the same: only the last would be kept."""
    found: dict[tuple[str, str], dict[int, tuple[str, float, str]]] = {}
    for index, (item, result) in enumerate(zip(measurements, results, strict=True)):
        if item.name is not None and isinstance(result, Estimates):
            content = (result[item.endpoint].smiles, item.value, item.relation)
            found.setdefault((item.endpoint, item.name), {})[index] = content
    made = list(results)
    for (_, name), contents in found.items():
        if len(set(contents.values())) > 1:
            places = ", ".join(map(str, contents))
            detail = (
                f"expected one measurement of the name {name!r}, got different ones at {places}, and stored none of "
                "them; send each replicate under a name of its own, or without one"
            )
            made = [Fault("ambiguous-name", detail) if index in contents else each for index, each in enumerate(made)]
    return made


def _store(
    prediction_logger: PredictionLogger,
    measurements: list[Measurement],
    results: list[Answer],
    caller: str,
    units: Mapping[str, str],
    nameless: frozenset[int],
) -> int:
    """Store what has no fault; `nameless` are those whose name came from the request's key."""
    name = prediction_logger.namer()
    now = time.time()
    rows, once = [], []
    for index, (item, result) in enumerate(zip(measurements, results, strict=True)):
        if isinstance(result, Fault):
            continue
        smiles = result[item.endpoint].smiles
        kept = smiles if prediction_logger.keep_smiles else None
        fields = (item.endpoint, item.value, item.source, item.name)
        rows.append(MeasurementRow(now, name(smiles), kept, *fields, caller, units[item.endpoint], item.relation))
        if index in nameless:
            once.append(rows[-1])
    if rows:
        with closing(PredictionLog(prediction_logger.folder)) as record:
            if not record.measure(rows, once):
                raise ProblemError(
                    "idempotency-mismatch",
                    "this Idempotency-Key came before, with other measurements: use a new one; nothing was stored",
                )
    return len(rows)


def _entry(index: int, item: Measurement, result: Answer, table: ChampionRegistry) -> MeasurementResult:
    if isinstance(result, Fault):
        return MeasurementResult(index, item.endpoint, error=MoleculeError(result.code, result.detail))
    estimate = result[item.endpoint]
    interval = None if estimate.lower is None or estimate.upper is None else (estimate.lower, estimate.upper)
    manifest = table.champions[item.endpoint].manifest
    unit = manifest.error_unit if manifest.trust.levels is not None else None
    trust = (estimate.reliability, estimate.usual_error, unit)
    return MeasurementResult(
        index, item.endpoint, prediction=Compared(estimate.value, interval, manifest.version, *trust)
    )
