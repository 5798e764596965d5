"""The plan: what would run, and why.

Belongs here: comparing the catalog (what should be) with the ledger (what was made).
Does not belong here: running anything. Imports no model library and no Dagster.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from model_zoo.provenance.signature import Reason, differences
from model_zoo.type_aliases import Json

from ai_drug_assets.planning.awaited import AWAITED, awaited
from ai_drug_assets.planning.catalog import Catalog, Node
from ai_drug_assets.planning.ledger import Entry, Failure, Ledger, Made
from ai_drug_assets.planning.remains import Remains


@dataclass(frozen=True)
class Stale:
    """An asset that would be made, why, and whether its last attempt failed."""

    node: Node
    reasons: tuple[Reason, ...]
    failure: Failure | None = None


@dataclass(frozen=True)
class Plan:
    """Stale assets, upstream first, the keys of those that would stay, and warnings about the project."""

    stale: tuple[Stale, ...]
    fresh: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def only(self, keys: Collection[str]) -> Plan:
        """Return the part of the plan that these assets are in."""
        stale = tuple(item for item in self.stale if item.node.key in keys)
        return Plan(stale, tuple(key for key in self.fresh if key in keys), self.warnings)

    def as_json(self) -> dict[str, Json]:
        """Return the plan as `aidrug plan --json` prints it."""
        return {
            "stale": [
                {
                    "asset": item.node.key,
                    "reasons": [reason.as_json() for reason in item.reasons],
                    **({"failure": item.failure.error} if item.failure else {}),
                }
                for item in self.stale
            ],
            "fresh": len(self.fresh),
            "warnings": list(self.warnings),
        }

    def as_text(self) -> str:
        """Return the plan for people."""
        lines: list[str] = []
        for item in self.stale:
            lines.append(f"stale  {item.node.key}")
            lines.extend(f"         {_line(reason)}" for reason in item.reasons)
            if item.failure:
                lines.append(f"         last attempt failed: {item.failure.error.splitlines()[0]}")
        lines.extend(f"warning  {each}" for each in self.warnings)
        lines.append(f"{len(self.stale)} stale, {len(self.fresh)} fresh")
        return "\n".join(lines)

    def as_markdown(self) -> str:
        """Return the plan as a table of the models that would be trained, for the summary of a workflow."""
        trained = [item for item in self.stale if item.node.kind == "trained_model"]
        others = len(self.stale) - len(trained)
        lines = [f"**{len(trained)} models would be trained**, {others} other assets made, {len(self.fresh)} stay."]
        if trained:
            lines += ["", "| model | why |", "| --- | --- |"]
            for item in trained:
                why = "<br>".join(_line(reason).replace("|", "\\|") for reason in item.reasons)
                lines.append(f"| `{item.node.key.removeprefix('trained_model/')}` | {why} |")
        return "\n".join([*lines, *(f"\nWarning: {each}." for each in self.warnings)])


def make_plan(catalog: Catalog, ledger: Ledger) -> Plan:
    """Find what is stale: its record or what it was made from changed since it was made, or what it left is gone."""
    known = {key: ledger.read(key) for key in catalog.nodes}
    return compare(catalog, known, Remains(catalog, known))


def compare(catalog: Catalog, known: Mapping[str, Entry], remains: Remains | None = None) -> Plan:
    """Find what is stale against these entries of a ledger; an asset without one was never made.

    Parameters
    ----------
    catalog, known
        What there is to make, and what the ledger knows of it.
    remains
        Looks for what assets left; none for the ledger of another machine.
    """
    entries = {key: known.get(key, Entry()) for key in catalog.nodes}
    stale, fresh = [], []
    for node in catalog.nodes.values():
        reasons = why_stale(node, catalog, entries) or (remains.reasons(node) if remains else [])
        if reasons:
            failure = entries[node.key].failure
            current = failure if failure and failure.signature == node.signature else None
            stale.append(Stale(node, tuple(reasons), current))
        else:
            fresh.append(node.key)
    return Plan(tuple(stale), tuple(fresh), catalog.configs.warnings)


def why_stale(node: Node, catalog: Catalog, entries: Mapping[str, Entry]) -> list[Reason]:
    """Say why an asset is stale against these entries, which hold all that it is made from; nothing when it is not."""
    made = entries[node.key].made
    if made is None or made.signature != node.signature:
        return differences(made.record if made else None, node.record, catalog.settings.code_root)
    return _other_inputs(node, made, catalog, entries)


def is_stale(node: Node, catalog: Catalog, entries: Mapping[str, Entry]) -> bool:
    """Return whether an asset is stale, as `why_stale` does, without looking for the reasons: it reads no record."""
    made = entries[node.key].made
    if made is None or made.signature != node.signature:
        return True
    return bool(_other_inputs(node, made, catalog, entries))


def _other_inputs(node: Node, made: Made, catalog: Catalog, entries: Mapping[str, Entry]) -> list[Reason]:
    """Say what an asset was made from that is another now."""
    reasons = []
    for key in node.deps:
        upstream = entries[key].made
        if upstream is not None and upstream.data_version != made.inputs.get(key):
            there = made.inputs.get(key, AWAITED) != AWAITED
            reasons.append(Reason("upstream", key, "was made again" if there else "is there now"))
    waits_for = {key for key, data_version in made.inputs.items() if data_version == AWAITED}
    given_up = waits_for.difference(awaited(node, catalog, lambda key: entries.get(key, Entry())))
    explained = {reason.what for reason in reasons}
    return reasons + [Reason("upstream", key, "is not awaited any more") for key in sorted(given_up - explained)]


def _line(reason: Reason) -> str:
    what = f"{_way(reason.via)} ({reason.what}:{reason.line})" if reason.definition else reason.what
    return f"{reason.kind:8} {what} {reason.detail}".rstrip()


def _way(via: Sequence[str]) -> str:
    """Write a way from definition to definition; the module is where it is another one than before."""
    parts, before = [], ""
    for name in via:
        module, _, short = name.rpartition(".")
        parts.append(short if module == before else name)
        before = module
    return " -> ".join(parts)
