"""`inference_service`: the pointer that makes every champion's bundle current."""

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any

import dagster as dg
from model_zoo.bundles.store import Pointer
from model_zoo.io.digests import json_digest
from model_zoo.monitoring.rollout import RolloutMode
from model_zoo.type_aliases import Json

from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import check, declare
from ai_drug_assets.assets.champion_model import read_decision
from ai_drug_assets.assets.context import AssetContext, Outcome
from ai_drug_assets.planning.catalog import INFERENCE_SERVICE, Node
from ai_drug_assets.tracking import Tracking

PATIENCE_S = 20.0


def inference_service(asset_context: AssetContext, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        versions: dict[str, str] = {}
        trials: dict[str, tuple[str, RolloutMode, float] | None] = {}
        for champion, _ in asset_context.upstream(node, "champion_model"):
            name, decided = str(champion.endpoint), read_decision(asset_context, champion)
            rules = asset_context.catalog.configs.endpoints[name].trial
            if decided.version is not None:
                versions[name] = decided.version
            trials[name] = (decided.challenger, rules.mode, rules.share) if decided.challenger and rules else None
        configs, published = asset_context.catalog.configs, _published(asset_context)
        configured = {*configs.endpoints, *configs.faults}  # a file that cannot be read withdraws nothing
        asset_context.require_unchanged(node)  # now, and not only afterwards: what is published is served
        pointer = asset_context.store.update_pointer(
            lambda before: (
                before.follow(configured, published, by=INFERENCE_SERVICE)
                .appoint(versions, by=INFERENCE_SERVICE)
                .put_on_trial(trials, by=INFERENCE_SERVICE)
            )
        )
        serving = {
            name: [now.version, now.challenger and now.challenger.model_dump(mode="json", exclude={"since"})]
            for name, now in pointer.endpoints.items()
        }
        for name in sorted(set(configured) & set(pointer.withdrawn)):
            context.log.warning(f"{name} is not served: it was withdrawn; `aidrug retire --undo {name}` brings it back")
        outcome.data_version = json_digest(serving)[:16]
        outcome.checks = [_followed(pointer, asset_context.settings.service_url)]
        outcome.metadata = _metadata(pointer, asset_context)

    follows = "A service that runs on this host serves the published versions within seconds."
    return declare(
        asset_context,
        node,
        body,
        description="The inference service: serves every endpoint's champion, swapped while hot.",
        checks=[check(node, "service_follows", follows)],
    )


def _published(asset_context: AssetContext) -> set[str]:
    """Name the endpoints that this installation published last; none before it ever did."""
    made = asset_context.ledger.read(INFERENCE_SERVICE).made
    return set() if made is None else {key.removeprefix("champion_model/") for key in made.record.upstream}


def _followed(pointer: Pointer, service_url: str) -> dg.AssetCheckResult:
    """Wait for the service to say that it serves this generation; not running is no fault."""
    address = f"{service_url}/health/ready"
    wanted = {name: now.version for name, now in pointer.endpoints.items()}
    state: dict[str, Any] = {}
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        state = _ready(address)
        if not state or _follows(state, pointer):
            break
        time.sleep(0.5)
    note = "serves every published version" if state else f"no service answers at {address}"
    if state.get("withheld"):
        note = "follows this generation; it names the versions that it serves only with a key (AIDRUG_API_KEY)"
    passed = not state or _follows(state, pointer)
    return dg.AssetCheckResult(
        check_name="service_follows",
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"state": note if passed else f"serves {serving(state)}, expected {wanted}"},
    )


def _follows(state: dict[str, Json], pointer: Pointer) -> bool:
    """Return whether a service serves what a pointer names, as far as it reports that."""
    if state.get("withheld"):
        return bool(state["generation"] >= pointer.generation)
    return serving(state) == {name: now.version for name, now in pointer.endpoints.items()}


def serving(state: dict[str, Json]) -> dict[str, str]:
    """Return the version per endpoint that `/health/ready` reports."""
    return {name: entry["version"] for name, entry in state.get("endpoints", {}).items()}


def _ready(address: str) -> dict[str, Json]:
    try:
        key = os.environ.get("AIDRUG_API_KEY", "").strip()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=2) as answer:
            state: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        state = json.load(error)
    except (OSError, ValueError):
        return {}
    return state


def _metadata(pointer: Pointer, asset_context: AssetContext) -> dict[str, Json]:
    return {
        "generation": pointer.generation,
        "store": asset_context.settings.store,
        "service": dg.MetadataValue.url(asset_context.settings.service_url),
        "serving": plots.markdown_table(
            ("endpoint", "version", "since", "by", "on trial"),
            [
                (name, now.version, now.since, now.by, now.challenger.version if now.challenger else "")
                for name, now in sorted(pointer.endpoints.items())
            ],
        ),
        "withdrawn": plots.markdown_table(
            ("endpoint", "since", "by", "why"),
            [(name, gone.since, gone.by, gone.reason) for name, gone in sorted(pointer.withdrawn.items())],
        ),
    }
