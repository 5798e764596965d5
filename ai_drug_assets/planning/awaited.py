"""Which models a leaderboard still waits for."""

from __future__ import annotations

from collections.abc import Callable

from ai_drug_assets.planning.catalog import Catalog, Node
from ai_drug_assets.planning.ledger import Entry

AWAITED = "awaited"
"""Appears among the inputs of a leaderboard in place of the data version of a model that it waits for."""
PROVISIONAL = ", provisional"
"""Ends the data version of a champion that was elected while models were awaited."""


def awaited(node: Node, catalog: Catalog, entry: Callable[[str], Entry]) -> list[str]:
    """Return the keys of the models that a leaderboard should have and has not, and that can still be trained.

    One whose training failed under its present signature is not waited for, nor one that is made from such a one; one
    whose failure may pass is.

    Parameters
    ----------
    node
        The leaderboard; of any other asset nothing is awaited.
    catalog
        What there is to make.
    entry
        Returns the ledger's entry of an asset.
    """
    if node.kind != "leaderboard":
        return []
    return [key for key in node.deps if not _is_made(key, catalog, entry) and _can_come(key, catalog, entry)]


def _is_made(key: str, catalog: Catalog, entry: Callable[[str], Entry]) -> bool:
    made = entry(key).made
    return made is not None and made.signature == catalog.nodes[key].signature


def _can_come(key: str, catalog: Catalog, entry: Callable[[str], Entry]) -> bool:
    node, failure = catalog.nodes[key], entry(key).failure
    if failure is not None and failure.signature == node.signature and not failure.passing:
        return False
    return _is_made(key, catalog, entry) or all(_can_come(dep, catalog, entry) for dep in node.deps)
