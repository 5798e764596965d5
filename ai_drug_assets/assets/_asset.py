"""One way to declare an asset, for all kinds.

Belongs here: key, dependencies, code version, group, owners, kinds, and the book-keeping around the body.
Does not belong here: what a kind of asset does: that is the body its file hands over.
"""

# No `from __future__ import annotations`: Dagster reads the annotations of the function it decorates.

from collections.abc import Callable, Sequence

import dagster as dg

from ai_drug_assets import keys
from ai_drug_assets.assets.context import AssetContext, Outcome
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.tracking import Tracking

DEFAULT_OWNERS = ("team:drug-discovery",)

Body = Callable[[dg.AssetExecutionContext, Tracking, Outcome], None]
"""Makes the asset; writes what it found out into the outcome."""


def declare(
    asset_context: AssetContext,
    node: Node,
    body: Body,
    *,
    description: str,
    pool: str | None = None,
    checks: Sequence[dg.AssetCheckSpec] = (),
) -> dg.AssetsDefinition:
    """Declare an asset of the catalog.

    Parameters
    ----------
    asset_context, node
        Where it is made, and which asset it is.
    body
        What makes it.
    description
        Shown in the UI.
    pool
        Pool that limits how many of its like run at once.
    checks
        Checks whose results the body puts into the outcome.
    """
    endpoint = asset_context.catalog.configs.endpoints[node.endpoint] if node.endpoint else None

    @dg.asset(
        key=keys.asset_key(node.key),
        deps=[keys.asset_key(dep) for dep in node.deps],
        code_version=keys.code_version(node),
        group_name=keys.group(node, asset_context.catalog),
        owners=list((endpoint.owners if endpoint else ()) or DEFAULT_OWNERS),
        kinds=keys.KINDS[node.kind],
        description=description,
        pool=pool,
        check_specs=checks,
        required_resource_keys={"tracking"},
        config_schema={},  # a key that somebody writes into a run's configuration all the same is refused by its name
    )
    def _asset(context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  Dagster would study them, per asset
        with asset_context.making(context, node) as outcome:
            body(context, context.resources.tracking, outcome)
        return asset_context.result(node, outcome)

    return _asset


def check(node: Node, name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    """Specify a check of an asset. Blocking ones guard integrity; quality is reported, and the champion reads it."""
    return dg.AssetCheckSpec(name, asset=keys.asset_key(node.key), description=description, blocking=blocking)
