"""The entry of one molecule in an answer: what was found about it, as the structures of `http/schemas.py`.

Belongs here: bringing estimates and annotations into the words of the interface.
Does not belong here: finding them (see `model_zoo.inference.predictor`, `annotations.py`), HTTP (see
`api/handlers.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import UNSET, UnsetType

from model_zoo.bundles.neighbours import Neighbour
from model_zoo.data.display_unit import Display
from model_zoo.explanation.measured_pair import MeasuredPair
from model_zoo.inference.answers import Answer, Estimate, Fault
from model_zoo.monitoring.prediction_log import Role
from model_zoo.type_aliases import Json
from serving.champions.champion_registry import Champion
from serving.http.schemas import (
    AlertInfo,
    EndpointPrediction,
    ExplanationInfo,
    FragmentInfo,
    MoleculeError,
    MoleculePrediction,
    NeighbourInfo,
    NoteInfo,
    PairInfo,
)
from serving.inference.annotations import Annotation, Beside


def build_entry(
    index: int,
    text: str,
    answer: Answer,
    champions: Mapping[str, Champion],
    annotation: Annotation | None = None,
    on_trial: Collection[str] = (),
) -> MoleculePrediction:
    """Return the entry of one molecule; `on_trial` are the endpoints that a challenger answered."""
    if isinstance(answer, Fault):
        return MoleculePrediction(index, text, error=MoleculeError(answer.code, answer.detail))
    annotation = annotation or Annotation()
    endpoints = {
        name: _prediction(estimate, champions[name], name, annotation, "challenger" if name in on_trial else "champion")
        for name, estimate in answer.items()
    }
    alerts = annotation.alerts
    notes = dict.fromkeys(note for estimate in answer.values() for note in estimate.notes)
    failed = {name: MoleculeError(fault.code, fault.detail) for name, fault in answer.faults.items()}
    return MoleculePrediction(
        index,
        text,
        endpoints=endpoints,
        alerts=UNSET if alerts is None else [AlertInfo(a.name, a.catalogue, list(a.atoms)) for a in alerts],
        notes=[NoteInfo(note.code, note.detail) for note in notes] if notes else UNSET,
        failed=failed or UNSET,
    )


def _prediction(
    estimate: Estimate, champion: Champion, name: str, annotation: Annotation, role: Role
) -> EndpointPrediction:
    manifest = champion.manifest
    drugs, rule = manifest.trust.reference, manifest.trust.probability
    near = annotation.neighbours.get(name)
    measured_unit = "class" if manifest.target.task == "binary" else manifest.unit
    return EndpointPrediction(
        value=estimate.value,
        unit=manifest.unit,
        interval=None if estimate.lower is None or estimate.upper is None else (estimate.lower, estimate.upper),
        percentile=None if estimate.percentile is None else round(estimate.percentile, 1),
        reference_name=None if drugs is None else f"{drugs.name} ({drugs.licence})",
        label=estimate.label,
        threshold=None if rule is None else rule.threshold,
        prediction_set=None if estimate.labels is None else list(estimate.labels),
        similarity=round(estimate.similarity, 4),
        domain="inside" if estimate.inside else "outside",
        standardised=estimate.smiles,
        champion=manifest.version,
        role=role,
        model=manifest.model,
        signature=champion.short_signature,
        provisional=champion.provisional,
        no_interval=champion.no_interval or None,
        reliability=estimate.reliability,
        usual_error=estimate.usual_error,
        usual_error_unit=manifest.error_unit if manifest.trust.levels is not None else None,
        interval_factor=None if estimate.half_width is None else estimate.factor,
        calibration=None if estimate.half_width is None else estimate.calibration,
        neighbours=UNSET if near is None else [_neighbour(each, measured_unit, manifest.display) for each in near],
        **_shown(estimate, manifest.display),
        explanation=_explanation(annotation, name, measured_unit, manifest.display),
    )


def _shown(estimate: Estimate, display: Display | None) -> dict[str, Json]:
    if display is None:
        return {}
    ends = None if estimate.lower is None else display.interval(estimate.lower, estimate.upper)
    return {
        "display_value": display.value(estimate.value),
        "display_interval": ends,
        "display_unit": display.unit,
    }


def _neighbour(each: Neighbour, unit: str, display: Display | None) -> NeighbourInfo:
    sign: Literal["=", "<", ">"] = "<" if each.relation == "<" else ">" if each.relation == ">" else "="
    shown = UNSET if display is None else display.value(each.value)
    return NeighbourInfo(each.smiles, round(each.similarity, 4), each.value, unit, sign, shown)


def _explanation(
    annotation: Annotation, name: str, unit: str, display: Display | None
) -> ExplanationInfo | UnsetType | None:
    if name not in annotation.explanations:
        return UNSET
    why, beside = annotation.explanations[name], annotation.beside.get(name, Beside())
    if why is None:
        return None
    pair: PairInfo | UnsetType | None = UNSET
    if beside.sought:
        pair = None if beside.pair is None else _pair(beside.pair, unit, display)
    groups = [FragmentInfo(each.smiles, list(each.atoms), each.worth, each.lost) for each in beside.groups]
    numbers = (why.baseline, list(why.atoms), why.rest, why.prediction)
    return ExplanationInfo(*numbers, why.scale, why.method, why.fidelity, groups, pair)


def _pair(pair: MeasuredPair[Neighbour], unit: str, display: Display | None) -> PairInfo:
    return PairInfo(
        pair.group, pair.instead, _neighbour(pair.having, unit, display), _neighbour(pair.other, unit, display)
    )
