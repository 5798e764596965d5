"""`leaderboard/<endpoint>`: all trained models of an endpoint, scored on the same folds and the same test split.

Belongs here: collecting what was trained; models whose training failed are listed as such and left out.
Does not belong here: choosing (see `champion_model.py`).
"""

import json
from typing import Any

import dagster as dg
from model_zoo.config import Endpoint
from model_zoo.digests import json_digest
from model_zoo.ranking import ranked
from model_zoo.scales import scale_words

from ai_drug_assets import plots
from ai_drug_assets.assets._asset import declare
from ai_drug_assets.assets.trained_model import read_scores
from ai_drug_assets.catalog import Node
from ai_drug_assets.tracking import Tracking
from ai_drug_assets.workshop import Outcome, UpstreamNotReadyError, Workshop

FILE = "leaderboard.json"


def leaderboard(workshop: Workshop, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    endpoint = workshop.catalog.configs.endpoints[str(node.endpoint)]
    metric = endpoint.champion.metric

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        rows = _rows(workshop, node, endpoint)
        absent = {
            key: failure.error if (failure := workshop.ledger.read(key).failure) else "not trained"
            for key in node.deps
            if key not in {row["asset"] for row in rows}
        }
        awaited = [str(workshop.catalog.nodes[key].name) for key in workshop.awaited(node)]
        board = {
            "endpoint": endpoint.name,
            "metric": metric,
            "scale": endpoint.scale,
            "rows": rows,
            "absent": absent,
            "awaited": awaited,
        }
        workshop.keep_text(node, FILE, json.dumps(board, sort_keys=True))
        outcome.data_version = json_digest({"rows": rows, "awaited": awaited} if awaited else rows)[:16]
        outcome.metadata = _metadata(rows, absent, metric)

    scale = scale_words(endpoint.scale, endpoint.target, endpoint.unit)
    description = f"Every model of {endpoint.title}, compared on the same folds by {metric}, on the scale of {scale}."
    return declare(workshop, node, body, description=description)


def read_leaderboard(workshop: Workshop, node: Node) -> dict[str, Any]:
    """Read a leaderboard as it was written: rows, best first, the models that are absent, and those it waits for."""
    content: dict[str, Any] = json.loads((workshop.place(node) / FILE).read_bytes())
    return {"awaited": [], **content}


def _rows(workshop: Workshop, node: Node, endpoint: Endpoint) -> list[dict[str, Any]]:
    rows = []
    snapshot = workshop.ledger.read(f"dataset/{node.endpoint}").made
    for trained, _ in workshop.upstream(node, "trained_model"):
        scores = read_scores(workshop, trained, endpoint)
        rows.append(
            {
                "asset": trained.key,
                "model": trained.name,
                "signature": trained.signature,
                "snapshot": snapshot.data_version if snapshot else "",
                **scores,
            }
        )
    if not rows:
        raise UpstreamNotReadyError(f"{node.key} needs at least one trained model, got none.")
    return [dict(row) for row in ranked(rows, endpoint.champion.metric)]


def _metadata(rows: list[dict[str, Any]], absent: dict[str, str], metric: str) -> dict[str, Any]:
    return {
        "best": rows[0]["model"],
        "leaderboard": plots.markdown_table(
            ("model", f"{metric} over folds", "std", f"test {metric} (reported only)", "train s", "ms per molecule"),
            [
                (
                    row["model"],
                    row["cv"][metric]["mean"],
                    row["cv"][metric]["std"],
                    row["test"][metric],
                    row["train_s"],
                    row["ms_per_molecule"],
                )
                for row in rows
            ],
        ),
        "folds": plots.fold_plot([row["model"] for row in rows], [row["cv"][metric]["folds"] for row in rows], metric),
        "absent": plots.markdown_table(("asset", "why"), list(absent.items())),
    }
