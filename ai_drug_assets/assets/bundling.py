"""Publishing a trained model's bundle in the store."""

from __future__ import annotations

from model_zoo.bundles.assembly import Chosen, make_bundle
from model_zoo.io.digests import json_digest
from model_zoo.selection.election import Candidate, Election
from model_zoo.selection.leaderboard import Leaderboard

from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.planning.catalog import Node


def made_by(node: Node, model: str) -> str:
    """Digest all that shapes a bundle beside the trained model, as the champion's record holds it.

    The code and libraries that write it, the data it is compared with, the rules of the election, and what it shows of
    the endpoint and of its own model. Not the scores of other models: a card reports the election that it won.
    """
    record, recorded = node.record, node.record.config
    assert isinstance(recorded["models"], dict)
    config = {"rules": recorded["rules"], "shown": recorded["shown"], "model": recorded["models"].get(model, "")}
    shaped = {"config": config, "code": record.code, "data": record.data, "library": record.library}
    return json_digest(shaped)[:16]


def publish_bundle(
    asset_context: AssetContext, node: Node, champion: Candidate, decision: Election, board: Leaderboard
) -> str | None:
    """Write a trained model's bundle and publish it; none when it is an old one that is served already."""
    row = board.row(champion.signature)
    if row is None:
        return None
    configs, trained = asset_context.catalog.configs, asset_context.catalog.nodes[row.asset]
    endpoint = configs.endpoints[str(node.endpoint)]
    model = configs.model_of(endpoint.name, champion.model)
    parts = [model, *(configs.models[member] for member in model.members)]
    chosen = Chosen(
        endpoint,
        model,
        champion,
        decision,
        board,
        row,
        snapshot=asset_context.place(asset_context.catalog.nodes[f"dataset/{endpoint.name}"]),
        trained=asset_context.place(trained),
        auxiliary=sorted({name for part in parts for name in configs.learnt_from(endpoint.name, part)}),
        record=trained.record,
        made_by=made_by(node, model.name),
        git_sha=asset_context.git_sha,
    )
    with asset_context.scratch(node) as work:
        bundle = make_bundle(work, chosen, asset_context.features.joined)
        asset_context.store.put_bundle(work)
        return bundle.manifest.version
