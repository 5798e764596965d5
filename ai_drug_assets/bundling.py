"""Making a trained model's bundle: everything the service needs, and the model card, published in the store.

Belongs here: collecting from the assets what a bundle holds and what its card tells.
Does not belong here: who gets a bundle (see `assets/champion_model.py`), its format (see `model_zoo.bundle_writing`),
the card's words (see `model_zoo.model_card`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from model_zoo.bundle_writing import Background, write_bundle
from model_zoo.champion import Contender, Decision
from model_zoo.config import Endpoint
from model_zoo.dataset import Dataset
from model_zoo.digests import json_digest
from model_zoo.model_card import intended_use, limits, score_intervals
from model_zoo.molecules import Molecule
from model_zoo.reference_drugs import DrugList, chembl_drugs
from model_zoo.targets import Target
from model_zoo.trust import Held, Trust, make_trust
from model_zoo.uncertainty import fit_domain, pack
from numpy.typing import NDArray

from ai_drug_assets.assets.trained_model import load_dataset
from ai_drug_assets.catalog import Node
from ai_drug_assets.workshop import Workshop, read_molecules

REFERENCE_MOLECULES = 20
SIDES = {"=": 0, ">": 1, "<": -1}
"""Where a true value lies, by its relation to the one on record."""


def made_by(node: Node) -> str:
    """Digest what shapes a bundle beside the trained model: bundle code, and what it shows of the endpoint."""
    return json_digest({"code": node.record["code"], "shown": node.record["config"]["shown"]})[:16]


def publish_bundle(
    workshop: Workshop, node: Node, champion: Contender, decision: Decision, board: dict[str, Any]
) -> str | None:
    """Write a trained model's bundle and publish it; none when it is an old one that is served already."""
    row = next((row for row in board["rows"] if row["signature"] == champion.signature), None)
    if row is None:
        return None
    endpoint = workshop.catalog.configs.endpoints[str(node.endpoint)]
    trained = workshop.catalog.nodes[row["asset"]]
    model = workshop.catalog.configs.model_of(endpoint.name, champion.model)
    place = workshop.place(trained)
    snapshot = load_dataset(workshop, trained)
    train = snapshot.folds >= 0
    everyone = read_molecules(workshop.place(workshop.catalog.nodes[f"dataset/{endpoint.name}"]))
    molecules = [molecule for molecule, inside in zip(everyone, train, strict=True) if inside]
    trust, errors, trusted = _trust(endpoint.target, snapshot, everyone, place)
    drugs, domain = chembl_drugs(), fit_domain(molecules, snapshot.folds[train])
    featurize = workshop.features.joined
    fields = {
        "endpoint": endpoint.name,
        "model": champion.model,
        "signature": champion.signature,
        **endpoint.model_dump(include={"title", "description", "unit", "direction", "desirable"}),
        "features": model.features,
        "standardise": endpoint.curation.standardise,
        "target": endpoint.target,
        "interval_half_width": trusted["interval"]["held_out"]["half_width"]["median"] if trust.interval else None,
        "trust": trust,
    }
    card = _make_card(workshop, node, champion, decision, board, row) | {"trust": trusted, "reference": _drugs(drugs)}
    step = max(1, len(molecules) // REFERENCE_MOLECULES)
    with workshop.scratch(node) as work:
        bundle = write_bundle(
            work,
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
        workshop.store.put_bundle(work)
        return bundle.manifest.version


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


def _make_card(
    workshop: Workshop,
    node: Node,
    champion: Contender,
    decision: Decision,
    board: dict[str, Any],
    row: dict[str, Any],
) -> dict[str, Any]:
    endpoint = workshop.catalog.configs.endpoints[str(node.endpoint)]
    configs = workshop.catalog.configs
    model = configs.model_of(endpoint.name, champion.model)
    parts = [model, *(configs.models[member] for member in model.members)]
    others = {name for part in parts for name in part.auxiliary_of(endpoint.name, configs.endpoints)}
    return {
        "endpoint": endpoint.model_dump(
            mode="json", include={"name", "title", "description", "task", "unit", "direction", "licence"}
        ),
        "model": {
            "name": model.name,
            "description": model.description,
            "features": list(model.features),
            "auxiliary": sorted(others),
            "config": model.settings(endpoint.name).model_dump(mode="json"),
        },
        "signature": champion.signature,
        "record": workshop.catalog.nodes[row["asset"]].record,
        "contender": {**vars(champion), "folds": {name: list(scores) for name, scores in champion.folds.items()}},
        "made_by": made_by(node),
        "metric": endpoint.champion.metric,
        "scores": {"cv": row["cv"], "test": row["test"], "rows": row["rows"]},
        "split": endpoint.split.model_dump(mode="json"),
        "snapshot": row["snapshot"],
        "git_sha": workshop.git_sha,
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
    card["scores"]["test_interval"] = score_intervals(
        endpoint.task, snapshot.values[~train & snapshot.exact], predicted[snapshot.exact[~train]]
    )
    card["intended_use"] = intended_use(card["endpoint"])
    card["limits"] = limits(card)
    return card
