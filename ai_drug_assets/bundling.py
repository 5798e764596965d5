"""Publishing a trained model's bundle in the store.

Belongs here: saying where the parts of a bundle lie, and handing the bundle to the store.
Does not belong here: who gets a bundle (see `assets/champion_model.py`), what it holds (see `model_zoo.bundle_making`).
"""

from __future__ import annotations

from model_zoo.bundle_making import Chosen, make_bundle
from model_zoo.champion import Contender, Election
from model_zoo.digests import json_digest
from model_zoo.leaderboard import Leaderboard

from ai_drug_assets.catalog import Node
from ai_drug_assets.workshop import Workshop


def made_by(node: Node, model: str) -> str:
    """Digest all that shapes a bundle beside the trained model, as the champion's record holds it.

    The code and libraries that write it, the data it is compared with, the rules of the election, and what it shows of
    the endpoint and of its own model. Not the scores of other models: a card tells the election that it won.
    """
    record, told = node.record, node.record.config
    assert isinstance(told["models"], dict)
    config = {"rules": told["rules"], "shown": told["shown"], "model": told["models"].get(model, "")}
    shaped = {"config": config, "code": record.code, "data": record.data, "library": record.library}
    return json_digest(shaped)[:16]


def publish_bundle(
    workshop: Workshop, node: Node, champion: Contender, decision: Election, board: Leaderboard
) -> str | None:
    """Write a trained model's bundle and publish it; none when it is an old one that is served already."""
    row = board.row(champion.signature)
    if row is None:
        return None
    configs, trained = workshop.catalog.configs, workshop.catalog.nodes[row.asset]
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
        snapshot=workshop.place(workshop.catalog.nodes[f"dataset/{endpoint.name}"]),
        trained=workshop.place(trained),
        auxiliary=sorted({name for part in parts for name in part.auxiliary_of(endpoint.name, configs.endpoints)}),
        record=trained.record,
        made_by=made_by(node, model.name),
        git_sha=workshop.git_sha,
    )
    with workshop.scratch(node) as work:
        bundle = make_bundle(work, chosen, workshop.features.joined)
        workshop.store.put_bundle(work)
        return bundle.manifest.version
