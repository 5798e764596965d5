"""The plan: what would run, and why.

Belongs here: comparing the catalog (what should be) with the ledger (what was made).
Does not belong here: running anything. Imports no model library and no Dagster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_zoo.signature import Reason, differences

from ai_drug_assets.catalog import Catalog, Node
from ai_drug_assets.ledger import Entry, Failure, Ledger


@dataclass(frozen=True)
class Stale:
    """An asset that would be made, why, and whether its last attempt failed."""

    node: Node
    reasons: tuple[Reason, ...]
    failure: Failure | None = None


@dataclass(frozen=True)
class Plan:
    """Stale assets, upstream first, and the keys of those that would stay."""

    stale: tuple[Stale, ...]
    fresh: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Give the plan as `aidrug plan --json` prints it."""
        return {
            "stale": [
                {
                    "asset": item.node.key,
                    "reasons": [reason._asdict() for reason in item.reasons],
                    **({"failure": item.failure.error} if item.failure else {}),
                }
                for item in self.stale
            ],
            "fresh": len(self.fresh),
        }

    def as_text(self) -> str:
        """Give the plan for people."""
        lines = []
        for item in self.stale:
            lines.append(f"stale  {item.node.key}")
            lines.extend(f"         {_line(reason)}" for reason in item.reasons)
            if item.failure:
                lines.append(f"         last attempt failed: {item.failure.error.splitlines()[0]}")
        lines.append(f"{len(self.stale)} stale, {len(self.fresh)} fresh")
        return "\n".join(lines)


def make_plan(catalog: Catalog, ledger: Ledger) -> Plan:
    """Find what is stale: its record changed since it was made, or what it was made from is no longer the same."""
    entries = {key: ledger.read(key) for key in catalog.nodes}
    stale, fresh = [], []
    for node in catalog.nodes.values():
        reasons = _reasons(node, entries)
        if reasons:
            failure = entries[node.key].failure
            current = failure if failure and failure.signature == node.signature else None
            stale.append(Stale(node, tuple(reasons), current))
        else:
            fresh.append(node.key)
    return Plan(tuple(stale), tuple(fresh))


def _reasons(node: Node, entries: dict[str, Entry]) -> list[Reason]:
    made = entries[node.key].made
    if made is None or made.signature != node.signature:
        return differences(made.record if made else None, node.record)
    reasons = []
    for key in node.deps:
        upstream = entries[key].made
        if upstream is not None and upstream.data_version != made.inputs.get(key):
            reasons.append(Reason("upstream", key, "was made anew" if key in made.inputs else "is there now"))
    return reasons


def _line(reason: Reason) -> str:
    detail = f" {reason.detail}" if reason.detail else ""
    return f"{reason.kind:8} {reason.what}{detail}"
