"""`champion_model/<endpoint>`: the model that serves an endpoint, as a bundle in the store."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import dagster as dg
from model_zoo.bundles.assembly import candidate
from model_zoo.bundles.manifest import FILE as MANIFEST
from model_zoo.bundles.manifest import parse_manifest
from model_zoo.bundles.model_card import to_markdown
from model_zoo.bundles.store import BundleGoneError, parse_pointer, read_card
from model_zoo.config.endpoint import Endpoint
from model_zoo.data.dataset import Dataset
from model_zoo.errors import BundleError
from model_zoo.io.digests import canonical_json
from model_zoo.selection.cost import Cost
from model_zoo.selection.decision import FILE, Decision, parse_decision
from model_zoo.selection.election import Candidate, Election, decide
from model_zoo.selection.leaderboard import Leaderboard
from model_zoo.training.whole_cost import whole_costs
from model_zoo.type_aliases import Json

from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import check, declare
from ai_drug_assets.assets.bundling import made_by, publish_bundle
from ai_drug_assets.assets.context import AssetContext, Outcome
from ai_drug_assets.assets.leaderboard import read_leaderboard
from ai_drug_assets.planning.awaited import PROVISIONAL
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.planning.remains import ALIASES
from ai_drug_assets.tracking import Tracking


def champion_model(asset_context: AssetContext, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    endpoint = asset_context.catalog.configs.endpoints[str(node.endpoint)]
    rules = endpoint.champion

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        asset_context.require_upstream(node)
        board = read_leaderboard(asset_context, asset_context.catalog.nodes[f"leaderboard/{endpoint.name}"])
        served = _served(asset_context, endpoint)
        decision = decide(
            [candidate(row) for row in board.rows],
            served.holder,
            rules,
            blocked=served.blocked,
            awaited=board.awaited,
            provisional=bool(served.awaited),
            costs=lambda some: costs(asset_context, endpoint, some),
        )
        version = served.version
        awaited = decision.awaited if served.awaited else ()  # the card of a provisional champion names whom it awaits
        shown = decision.champion and served.made_by == made_by(node, decision.champion.model)
        if decision.champion and (decision.changed or tuple(awaited) != served.awaited or not shown):
            version = publish_bundle(asset_context, node, decision.champion, decision, board) or version
        challenger = None
        if endpoint.trial and decision.challenger:
            challenger = publish_bundle(asset_context, node, decision.challenger, decision, board)
        card = to_markdown(read_card(asset_context.store, endpoint.name, version)) if version else ""
        aliases = _set_aliases(tracking, endpoint.name, decision, card)
        if decision.champion and not aliases["champion"]:
            context.log.warning(f"{node.key}: MLflow has no run of the champion, so no version has its alias")
        asset_context.keep_file(node, ALIASES, canonical_json(aliases).encode())
        kept = Decision(version=version, challenger=challenger, reason=decision.reason)
        asset_context.keep_file(node, FILE, kept.as_bytes())
        outcome.data_version = f"{version} and {challenger}" if challenger else version or "none"
        if decision.awaited:
            outcome.data_version += PROVISIONAL
        outcome.checks = [
            dg.AssetCheckResult(
                check_name="somebody_serves",
                passed=version is not None,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"why": decision.reason},
            )
        ]
        outcome.metadata = _metadata(decision, board, version) | {"on_trial": challenger or "nobody"}
        if card:
            outcome.metadata["model_card"] = dg.MetadataValue.md(card)

    serves = "A model passes the endpoint's gates, or an earlier champion continues to serve."
    return declare(
        asset_context,
        node,
        body,
        description=f"The model that serves {endpoint.title}: its bundle, and why it was chosen.",
        checks=[check(node, "somebody_serves", serves)],
    )


def read_decision(asset_context: AssetContext, node: Node) -> Decision:
    """Read which bundles a champion asset decided on."""
    path = asset_context.place(node) / FILE
    return parse_decision(path.read_bytes(), str(path))


def costs(asset_context: AssetContext, endpoint: Endpoint, some: Sequence[Candidate]) -> list[Cost]:
    """Return the whole costs of candidates beside the models of all other endpoints."""
    nodes, configs = asset_context.catalog.nodes, asset_context.catalog.configs
    readers = Counter(
        name
        for each in configs.endpoints
        for name in {feature for model in configs.models_of(each) for feature in model.features}
    )
    places = {item.model: asset_context.place(nodes[f"trained_model/{endpoint.name}/{item.model}"]) for item in some}
    return whole_costs(
        some,
        {item.model: configs.models[item.model].features for item in some},
        {
            model: sum(file.stat().st_size for file in (place / "model").rglob("*")) / 1e6
            for model, place in places.items()
        },
        readers,
        list(Dataset.load(asset_context.place(nodes[f"dataset/{endpoint.name}"])).table["smiles"]),
    )


@dataclass(frozen=True)
class _Served:
    """Who serves an endpoint now, as its own model card says; `blocked` are signatures that somebody took away."""

    version: str | None = None
    holder: Candidate | None = None
    awaited: tuple[str, ...] = ()
    made_by: str | None = None
    blocked: frozenset[str] = frozenset()


def _served(asset_context: AssetContext, configured: Endpoint) -> _Served:
    endpoint = configured.name
    now = parse_pointer(asset_context.store.read_pointer_bytes()).endpoints.get(endpoint)
    if now is None:
        return _Served()
    away = [version for version in (now.blocked_version, now.superseded_version) if version]
    blocked = {read_card(asset_context.store, endpoint, version).signature for version in away}
    try:
        card = read_card(asset_context.store, endpoint, now.version)
    except BundleGoneError:
        return _Served(blocked=frozenset(blocked))  # somebody removed it: its scores went with its card
    holder = card.contender
    if holder is None:
        raise BundleError(f"{endpoint}/{now.version}: expected scores of the holder of the title in its card, got none")
    if card.scores.scale != configured.scale or not _learns_alike(asset_context, configured, now.version):
        holder = replace(holder, folds={})  # it was scored on another scale: nothing compares with that
    return _Served(
        now.version,
        holder,
        card.awaited,
        card.made_by,
        frozenset(blocked),
    )


def _learns_alike(asset_context: AssetContext, configured: Endpoint, version: str) -> bool:
    """Return whether scores of a version and of the models of now are on one scale, where that of training decides."""
    if configured.scale != "training":
        return True
    content = asset_context.store.read_manifest_bytes(configured.name, version)
    target = parse_manifest(content, f"{configured.name}/{version}/{MANIFEST}").target
    return target.placing == configured.target.placing


def _set_aliases(tracking: Tracking, endpoint: str, decision: Election, card: str) -> dict[str, str | None]:
    """Report to MLflow's registry who was elected; return the run of each alias, or none."""
    runs = {
        "champion": tracking.find_finished(decision.champion.signature) if decision.champion else None,
        "challenger": tracking.find_finished(decision.challenger.signature) if decision.challenger else None,
    }
    tracking.set_aliases(endpoint, runs)
    if runs["champion"] and card:
        tracking.keep_card(endpoint, runs["champion"], card)
    return runs


def _metadata(decision: Election, board: Leaderboard, version: str | None) -> dict[str, Json]:
    metric, champion = board.metric, decision.champion
    against = "the champion before" if champion and champion.model in decision.p_values else "the champion"
    rows = []
    for row in board.rows:
        name = row.model
        serves = decision.champion is not None and decision.champion.signature == row.signature
        verdict = "champion" if serves else decision.refused.get(name, "")
        p_value = decision.p_values.get(name)
        rows.append((name, row.cv[metric].mean, "" if p_value is None else p_value, verdict))
    return {
        "champion": decision.champion.model if decision.champion else "none",
        "challenger": decision.challenger.model if decision.challenger else "none",
        "changed": decision.changed,
        "reason": decision.reason,
        "awaited": ", ".join(decision.awaited) or "nobody",
        "bundle": version or "none",
        "decision": plots.markdown_table(
            ("model", f"{metric} over folds", f"p (paired, one-sided, against {against})", "verdict"), rows
        ),
    }
