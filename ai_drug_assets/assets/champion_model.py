"""`champion_model/<endpoint>`: the model that serves an endpoint, as a bundle in the store.

Belongs here: who contends, the decision on record (metadata, MLflow aliases, model card), and the bundle.
Does not belong here: the rules (see `model_zoo.champion`), making a bundle current (see `inference_service.py`).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from model_zoo import featurizers
from model_zoo.bundle_writing import Background, write_bundle
from model_zoo.champion import Contender, Decision, decide
from model_zoo.dataset import Dataset
from model_zoo.digests import json_digest
from model_zoo.reference_drugs import DrugList, chembl_drugs
from model_zoo.store import parse_pointer
from model_zoo.targets import Target
from model_zoo.trust import Held, Trust, make_trust
from model_zoo.uncertainty import fit_domain, pack
from numpy.typing import NDArray

from ai_drug_assets import plots
from ai_drug_assets.assets._asset import check, declare
from ai_drug_assets.assets.leaderboard import read_leaderboard
from ai_drug_assets.assets.trained_model import load_dataset
from ai_drug_assets.catalog import Node
from ai_drug_assets.tracking import Tracking
from ai_drug_assets.workshop import Outcome, Workshop

FILE = "champion.json"
REFERENCE_MOLECULES = 20


def champion_model(workshop: Workshop, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    endpoint = workshop.catalog.configs.endpoints[str(node.endpoint)]
    rules = endpoint.champion

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        workshop.require_upstream(node)
        board = read_leaderboard(workshop, workshop.catalog.nodes[f"leaderboard/{endpoint.name}"])
        served = _served(workshop, endpoint.name)
        decision = decide([_contender(row) for row in board["rows"]], served.holder, rules, held=served.held)
        version = served.version
        if decision.champion and (decision.changed or served.made_by != _made_by(node)):
            version = _bundle(workshop, node, decision.champion, decision, board) or version
        challenger = None
        if endpoint.trial and decision.challenger:
            challenger = _bundle(workshop, node, decision.challenger, decision, board)
        _set_aliases(tracking, endpoint.name, decision)
        workshop.keep_text(
            node, FILE, json.dumps({"version": version, "challenger": challenger, "reason": decision.reason})
        )
        outcome.data_version = f"{version} and {challenger}" if challenger else version or "none"
        outcome.checks = [
            dg.AssetCheckResult(
                check_name="somebody_serves",
                passed=version is not None,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"why": decision.reason},
            )
        ]
        outcome.metadata = _metadata(decision, board, version) | {"on_trial": challenger or "nobody"}

    serves = "A model passes the endpoint's gates, or an earlier champion goes on serving."
    return declare(
        workshop,
        node,
        body,
        description=f"The model that serves {endpoint.title}: its bundle, and why it was chosen.",
        checks=[check(node, "somebody_serves", serves)],
    )


def read_champion(workshop: Workshop, node: Node) -> tuple[str | None, str | None]:
    """Read which bundle versions a champion asset decided on: who serves, and who is on trial; none where nobody is."""
    content = json.loads((workshop.place(node) / FILE).read_bytes())
    return content["version"], content.get("challenger")


@dataclass(frozen=True)
class _Served:
    """Who serves an endpoint now, as its own model card tells; `held` are signatures that somebody took away."""

    version: str | None = None
    holder: Contender | None = None
    made_by: str | None = None
    held: frozenset[str] = frozenset()


def _served(workshop: Workshop, endpoint: str) -> _Served:
    now = parse_pointer(workshop.store.read_pointer_bytes()).endpoints.get(endpoint)
    if now is None:
        return _Served()
    card = _card(workshop, endpoint, now.version)
    held = frozenset(_card(workshop, endpoint, version)["signature"] for version in (now.held, now.over) if version)
    return _Served(now.version, Contender(**card["contender"]), card["made_by"], held)


def _card(workshop: Workshop, endpoint: str, version: str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((workshop.store.fetch_bundle(endpoint, version) / "card.json").read_bytes())
    return card


def _contender(row: dict[str, Any]) -> Contender:
    return Contender(
        model=row["model"],
        signature=row["signature"],
        snapshot=row["snapshot"],
        folds={metric: cv["folds"] for metric, cv in row["cv"].items()},
        ms_per_molecule=row["ms_per_molecule"],
    )


def _made_by(node: Node) -> str:
    """Digest what shapes a bundle beside the trained model: bundle code, and what it shows of the endpoint."""
    return json_digest({"code": node.record["code"], "shown": node.record["config"]["shown"]})[:16]


def _bundle(
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
    molecules = [molecule for molecule, inside in zip(snapshot.molecules(), train, strict=True) if inside]
    trust, errors, trusted = _trust(endpoint.target, snapshot, place)
    drugs = chembl_drugs()
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
    step = max(1, len(molecules) // REFERENCE_MOLECULES)
    with workshop.scratch(node) as work:
        bundle = write_bundle(
            work,
            fields=fields,
            card=_make_card(workshop, node, champion, decision, board, row)
            | {"trust": trusted, "reference": _drugs(drugs)},
            model_folder=place / "model",
            domain=fit_domain(molecules, snapshot.folds[train]),
            neighbours={
                "smiles": [molecule.smiles for molecule in molecules],
                "values": snapshot.values[train].tolist(),
                "errors": errors.tolist(),
            },
            reference_smiles=[molecule.smiles for molecule in molecules[::step]][:REFERENCE_MOLECULES],
            background=Background(featurizers.featurize(model.features, molecules), drugs),
        )
        workshop.store.put_bundle(work)
        return bundle.manifest.version


def _trust(target: Target, snapshot: Dataset, place: Path) -> tuple[Trust, NDArray[np.float64], dict[str, Any]]:
    """Fit what the bundle says about trust, from what the trained model predicted while molecules were held out."""
    predictions = np.load(place / "predictions.npz", allow_pickle=False)
    train = snapshot.folds >= 0
    packed, values = pack(snapshot.molecules()), target.to_training(snapshot.values)
    test = target.to_training(predictions["test"])
    return make_trust(
        target,
        Held(values[train] - predictions["residual"], values[train], packed[train], snapshot.folds[train]),
        Held(test, values[~train], packed[~train], snapshot.folds[~train]),
    )


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
    model = workshop.catalog.configs.model_of(endpoint.name, champion.model)
    return {
        "endpoint": endpoint.model_dump(
            mode="json", include={"name", "title", "description", "task", "unit", "direction", "licence"}
        ),
        "model": {
            "name": model.name,
            "description": model.description,
            "features": list(model.features),
            "config": model.settings(endpoint.name).model_dump(mode="json"),
        },
        "signature": champion.signature,
        "record": workshop.catalog.nodes[row["asset"]].record,
        "contender": {**vars(champion), "folds": {name: list(scores) for name, scores in champion.folds.items()}},
        "made_by": _made_by(node),
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
    }


def _set_aliases(tracking: Tracking, endpoint: str, decision: Decision) -> None:
    runs = {
        "champion": tracking.find_finished(decision.champion.signature) if decision.champion else None,
        "challenger": tracking.find_finished(decision.challenger.signature) if decision.challenger else None,
    }
    tracking.set_aliases(endpoint, runs)


def _metadata(decision: Decision, board: dict[str, Any], version: str | None) -> dict[str, Any]:
    metric = board["metric"]
    rows = []
    for row in board["rows"]:
        name = row["model"]
        serves = decision.champion is not None and decision.champion.signature == row["signature"]
        verdict = "champion" if serves else decision.refused.get(name, "")
        p_value = decision.p_values.get(name)
        rows.append((name, row["cv"][metric]["mean"], "" if p_value is None else p_value, verdict))
    return {
        "champion": decision.champion.model if decision.champion else "none",
        "challenger": decision.challenger.model if decision.challenger else "none",
        "changed": decision.changed,
        "reason": decision.reason,
        "bundle": version or "none",
        "decision": plots.markdown_table(
            ("model", f"{metric} over folds", "p (paired, one-sided, against the champion)", "verdict"), rows
        ),
    }
