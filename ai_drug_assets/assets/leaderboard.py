"""`leaderboard/<endpoint>`: all trained models of an endpoint, scored on the same folds and the same test split."""

from collections.abc import Mapping

import dagster as dg
from model_zoo.config.endpoint import Endpoint
from model_zoo.io.digests import json_digest
from model_zoo.selection.leaderboard import FILE, Leaderboard, Row, parse_leaderboard
from model_zoo.selection.ranking import ranked
from model_zoo.selection.scores import Scored
from model_zoo.training.scales import scale_words
from model_zoo.type_aliases import Json

from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import declare
from ai_drug_assets.assets.context import AssetContext, Outcome, UpstreamNotReadyError
from ai_drug_assets.assets.trained_model import scores_of
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.tracking import Tracking


def leaderboard(asset_context: AssetContext, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    endpoint = asset_context.catalog.configs.endpoints[str(node.endpoint)]
    metric = endpoint.champion.metric

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        rows = _rows(asset_context, node, endpoint)
        absent = {
            key: failure.error if (failure := asset_context.ledger.read(key).failure) else "not trained"
            for key in node.deps
            if key not in {row.asset for row in rows}
        }
        awaited = tuple(str(asset_context.catalog.nodes[key].name) for key in asset_context.awaited(node))
        board = Leaderboard(
            endpoint=endpoint.name, metric=metric, scale=endpoint.scale, rows=rows, absent=absent, awaited=awaited
        )
        asset_context.keep_file(node, FILE, board.as_bytes())
        content = board.as_json()
        judged = {part: content[part] for part in ("rows", "awaited")} if awaited else content["rows"]
        outcome.data_version = json_digest(judged)[:16]
        outcome.metadata = _metadata(rows, absent, metric)

    scale = scale_words(endpoint.scale, endpoint.target, endpoint.unit)
    description = f"Every model of {endpoint.title}, compared on the same folds by {metric}, on the scale of {scale}."
    return declare(asset_context, node, body, description=description)


def read_leaderboard(asset_context: AssetContext, node: Node) -> Leaderboard:
    """Read the leaderboard that the asset wrote."""
    path = asset_context.place(node) / FILE
    return parse_leaderboard(path.read_bytes(), str(path))


def _rows(asset_context: AssetContext, node: Node, endpoint: Endpoint) -> tuple[Row, ...]:
    rows = []
    snapshot = asset_context.ledger.read(f"dataset/{node.endpoint}").made
    for trained, _ in asset_context.upstream(node, "trained_model"):
        scores = scores_of(asset_context, trained, endpoint)
        rows.append(
            Row(
                asset=trained.key,
                model=str(trained.name),
                signature=trained.signature,
                snapshot=snapshot.data_version if snapshot else "",
                **{part: getattr(scores, part) for part in Scored.model_fields},
            )
        )
    if not rows:
        raise UpstreamNotReadyError(f"{node.key} needs at least one trained model, got none.")
    return ranked(rows, endpoint.champion.metric)


def _metadata(rows: tuple[Row, ...], absent: Mapping[str, str], metric: str) -> dict[str, Json]:
    return {
        "best": rows[0].model,
        "leaderboard": plots.markdown_table(
            ("model", f"{metric} over folds", "std", f"test {metric} (reported only)", "train s", "ms per molecule"),
            [
                (
                    row.model,
                    row.cv[metric].mean,
                    row.cv[metric].std,
                    row.test[metric],
                    row.train_s,
                    row.ms_per_molecule,
                )
                for row in rows
            ],
        ),
        "folds": plots.fold_plot([row.model for row in rows], [row.cv[metric].folds for row in rows], metric),
        "absent": plots.markdown_table(("asset", "why"), list(absent.items())),
    }
