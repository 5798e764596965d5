"""What a trained model's bundle holds: collected from its files, its snapshot and the decision, model card included.

Belongs here: everything that shapes a bundle's content, given where the parts lie. Signatures cover it.
Does not belong here: who gets a bundle (see `champion.py`), its format (see `bundle_writing.py`), the card's words (see
`model_card.py`), publishing it (see `ai_drug_assets/bundling.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.bundle import Bundle
from model_zoo.bundle_writing import Background, Featurize, write_bundle
from model_zoo.champion import Contender, Decision
from model_zoo.config import Endpoint, ModelFile
from model_zoo.dataset import Dataset
from model_zoo.model_card import intended_use, limits, score_intervals
from model_zoo.molecules import Molecule
from model_zoo.reference_drugs import DrugList, chembl_drugs
from model_zoo.scales import scale_words
from model_zoo.signature import Record
from model_zoo.snapshot_molecules import read_molecules
from model_zoo.targets import Target
from model_zoo.trust import Held, Trust, make_trust
from model_zoo.uncertainty import fit_domain, pack

REFERENCE_MOLECULES = 20
SIDES = {"=": 0, ">": 1, "<": -1}
"""Where a true value lies, by its relation to the one on record."""


@dataclass(frozen=True)
class Chosen:
    """A trained model that gets a bundle.

    Attributes
    ----------
    endpoint, model
        Its configuration.
    contender, decision
        Its scores as they were judged, and the judgement.
    board, row
        The leaderboard, and the model's row in it.
    snapshot, trained
        The folders of its snapshot and of its files.
    auxiliary
        Other endpoints that it learnt from.
    record
        What its signature is the digest of.
    made_by
        Digest of what shapes the bundle beside the model.
    git_sha
        The revision that bundles it.
    """

    endpoint: Endpoint
    model: ModelFile
    contender: Contender
    decision: Decision
    board: Mapping[str, Any]
    row: Mapping[str, Any]
    snapshot: Path
    trained: Path
    auxiliary: Sequence[str]
    record: Record
    made_by: str
    git_sha: str


def make_bundle(folder: Path, chosen: Chosen, featurize: Featurize) -> Bundle:
    """Write a trained model's bundle into an empty folder.

    Parameters
    ----------
    folder
        An existing, empty folder.
    chosen
        The model.
    featurize
        Gives features: names of featurizers and `n` molecules to `n x d`.

    Raises
    ------
    BundleError
        As `write_bundle` does.
    """
    endpoint, model, place = chosen.endpoint, chosen.model, chosen.trained
    snapshot = Dataset.load(chosen.snapshot)
    train = snapshot.folds >= 0
    everyone = read_molecules(chosen.snapshot)
    molecules = [molecule for molecule, inside in zip(everyone, train, strict=True) if inside]
    trust, errors, trusted = _trust(endpoint.target, snapshot, everyone, place)
    drugs, domain = chembl_drugs(), fit_domain(molecules, snapshot.folds[train])
    fields = {
        "endpoint": endpoint.name,
        "model": chosen.contender.model,
        "signature": chosen.contender.signature,
        **endpoint.model_dump(include={"title", "description", "unit", "display_unit", "direction", "desirable"}),
        "features": model.features,
        "standardise": endpoint.curation.standardise,
        "target": endpoint.target,
        "interval_half_width": trusted["interval"]["held_out"]["half_width"]["median"] if trust.interval else None,
        "trust": trust,
    }
    card = _card(chosen) | {"trust": trusted, "reference": _drugs(drugs)}
    step = max(1, len(molecules) // REFERENCE_MOLECULES)
    return write_bundle(
        folder,
        fields=fields,
        card=_complete(card, endpoint, snapshot, domain.threshold, place),
        model_folder=place / "model",
        domain=domain,
        neighbours={
            "smiles": [molecule.smiles for molecule in molecules],
            "values": snapshot.values[train].tolist(),
            "errors": errors.tolist(),
            **_relations(snapshot.table["relation"][train].tolist()),
        },
        reference_smiles=[molecule.smiles for molecule in molecules[::step]][:REFERENCE_MOLECULES],
        background=Background(featurize(model.features, molecules), drugs, featurize),
    )


def contender(row: Mapping[str, Any]) -> Contender:
    """Give a row of the leaderboard as the rules of the contest take it."""
    return Contender(
        model=row["model"],
        signature=row["signature"],
        snapshot=row["snapshot"],
        folds={metric: cv["folds"] for metric, cv in row["cv"].items()},
        ms_per_molecule=row["ms_per_molecule"],
    )


def _trust(
    target: Target, snapshot: Dataset, molecules: Sequence[Molecule], place: Path
) -> tuple[Trust, NDArray[np.float64], dict[str, Any]]:
    """Fit what the bundle says about trust, from what the trained model predicted while molecules were held out."""
    predictions = np.load(place / "predictions.npz", allow_pickle=False)
    train = snapshot.folds >= 0
    packed, values = pack(molecules), target.to_training(snapshot.values)
    side = np.array([SIDES[sign] for sign in snapshot.table["relation"]], dtype=int)
    test = target.to_training(predictions["test"])
    return make_trust(
        target,
        Held(values[train] - predictions["residual"], values[train], packed[train], snapshot.folds[train], side[train]),
        Held(test, values[~train], packed[~train], snapshot.folds[~train], side[~train]),
    )


def _relations(signs: list[str]) -> dict[str, list[str]]:
    """Give what neighbours say of their values; nothing where all were measured."""
    return {} if set(signs) <= {"="} else {"relations": signs}


def _drugs(drugs: DrugList | None) -> dict[str, str] | None:
    return None if drugs is None else {"name": drugs.name, "licence": drugs.licence}


def _card(chosen: Chosen) -> dict[str, Any]:
    endpoint, model, decision = chosen.endpoint, chosen.model, chosen.decision
    board, row = chosen.board, chosen.row
    return {
        "endpoint": endpoint.model_dump(
            mode="json",
            include={"name", "title", "description", "task", "unit", "display_unit", "direction", "licence"},
        ),
        "model": {
            "name": model.name,
            "description": model.description,
            "features": list(model.features),
            "auxiliary": sorted(chosen.auxiliary),
            "config": model.settings(endpoint.name).model_dump(mode="json"),
        },
        "signature": chosen.contender.signature,
        "record": chosen.record,
        "contender": {
            **vars(chosen.contender),
            "folds": {name: list(scores) for name, scores in chosen.contender.folds.items()},
        },
        "made_by": chosen.made_by,
        "metric": endpoint.champion.metric,
        "scores": {
            **{part: row[part] for part in ("cv", "test", "rows", "scale", "scales")},
            "scale_name": scale_words(endpoint.scale, endpoint.target, endpoint.unit),
        },
        "split": endpoint.split.model_dump(mode="json"),
        "snapshot": row["snapshot"],
        "git_sha": chosen.git_sha,
        "decision": {
            "reason": decision.reason,
            "refused": dict(decision.refused),
            "p_values": dict(decision.p_values),
            "challenger": decision.challenger.model if decision.challenger else None,
        },
        "leaderboard": [
            {
                "model": other["model"],
                "signature": other["signature"],
                "cv": other["cv"][endpoint.champion.metric]["mean"],
                "cv_std": other["cv"][endpoint.champion.metric]["std"],
                "test": other["test"][endpoint.champion.metric],
            }
            for other in board["rows"]
        ],
        "absent": board["absent"],
        "awaited": list(decision.awaited),
    }


def _complete(
    card: dict[str, Any], endpoint: Endpoint, snapshot: Dataset, domain_threshold: float, place: Path
) -> dict[str, Any]:
    """Add to a card what follows from data and predictions: ranges, intervals of scores, use and limits."""
    train = snapshot.folds >= 0
    predicted = np.load(place / "predictions.npz", allow_pickle=False)["test"]
    measured, source = snapshot.values[train & snapshot.exact], endpoint.dataset.source
    card["data"] = {
        "source": f"{source.kind} {getattr(source, 'package', None) or getattr(source, 'set', '')}".strip(),
        "training_range": [float(measured.min()), float(measured.max())],
        "domain_threshold": domain_threshold,
    }
    ends = snapshot.values[~train & snapshot.exact], predicted[snapshot.exact[~train]]
    if endpoint.scale == "training":
        ends = endpoint.target.to_training(ends[0]), endpoint.target.to_training(ends[1])
    card["scores"]["test_interval"] = score_intervals(endpoint.task, *ends)
    card["intended_use"] = intended_use(card["endpoint"])
    card["limits"] = limits(card)
    return card
