"""A snapshot that looks unlike the last is held until somebody accepts it.

A held snapshot is not kept: everything made of the endpoint's data stays as it is, and its champion continues serving.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.endpoint_file import endpoint_file
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import Dataset
from model_zoo.data.snapshot_change import suspicions
from model_zoo.errors import DataError
from model_zoo.io.files import atomic_write
from model_zoo.type_aliases import Json

from ai_drug_assets.assets.context import AssetContext
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.planning.ledger import code_version_of
from ai_drug_assets.planning.ledger_copy import open_ledger
from ai_drug_assets.settings import Settings

FOLDER = "held"


def hold_if_unlike(asset_context: AssetContext, node: Node, endpoint: Endpoint, made: Dataset) -> None:
    """Refuse a snapshot that looks unlike the endpoint's last one, unless it was accepted.

    Raises
    ------
    DataError
        With what looks unlike, and the command that accepts it.
    """
    path = _file(asset_context.settings, endpoint.name)
    last = asset_context.ledger.read(node.key).made
    place = None if last is None else asset_context.place(node).with_name(code_version_of(last.signature))
    if place is None or not place.is_dir():
        return
    reasons = suspicions(Dataset.load(place), made, endpoint.task)
    known = _read(path)
    if not reasons:
        path.unlink(missing_ok=True)
        return
    if known.get("snapshot") == made.digest and known.get("accepted"):
        return
    atomic_write(path, json.dumps({"snapshot": made.digest, "reasons": reasons}).encode())
    raise DataError(
        f"{endpoint.name}: the new measurements look unlike the last ones: {'; '.join(reasons)}. They are held, and "
        f"the present champion continues to serve. Correct the file, or accept them with "
        f"`aidrug accept {endpoint.name}` and run again."
    )


def accept(settings: Settings, endpoint: str) -> str:
    """Accept the snapshot of an endpoint that is held; say so in a sentence.

    Raises
    ------
    ConfigError
        When there is no such endpoint.
    DataError
        When nothing is held.
    """
    endpoint_file(settings.configs, endpoint)
    path = _file(settings, endpoint)
    known = _read(path)
    if not known or known.get("accepted"):
        raise DataError(f"expected held measurements of endpoint {endpoint!r}, got none: nothing to accept")
    atomic_write(path, json.dumps({**known, "accepted": True}).encode())
    group = load_configs(settings.configs, keep_rest=True).group_of(endpoint)
    for name in (endpoint, *([group.name] if group else [])):  # where endpoints are grouped, the group is what was held
        open_ledger(settings).try_again(f"dataset/{name}")
    return f"{endpoint}: accepted, although {'; '.join(known['reasons'])}. `aidrug run` trains on them"


def _file(settings: Settings, endpoint: str) -> Path:
    return settings.home / FOLDER / f"{endpoint}.json"


def _read(path: Path) -> dict[str, Json]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content
