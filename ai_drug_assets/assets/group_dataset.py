"""`dataset/<group>`: the snapshots of endpoints that share compounds, with one place per molecule for all of them."""

from collections.abc import Mapping

import dagster as dg
from model_zoo.data.group_dataset import GroupDataset, make_group_dataset
from model_zoo.data.sources import DvcSource

from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import check, declare
from ai_drug_assets.assets.context import AssetContext, Outcome
from ai_drug_assets.assets.holding import hold_if_unlike
from ai_drug_assets.operations import dvc
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.tracking import Tracking

LEAST_SHARED = 0.05
"""Of an endpoint's molecules, the share that another one of its group should have measured too."""


def group_dataset(asset_context: AssetContext, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    configs = asset_context.catalog.configs
    group, members = configs.groups[str(node.group)], configs.members_of(str(node.group))

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        for endpoint in members.values():
            if isinstance(endpoint.source, DvcSource):
                dvc.pull(endpoint.source, asset_context.settings.root)
        sections = {name: endpoint.dataset for name, endpoint in members.items()}
        made = make_group_dataset(sections, group.split, asset_context.settings.folder_of)
        for name, dataset in made.datasets.items():
            hold_if_unlike(asset_context, asset_context.catalog.nodes[f"dataset/{name}"], members[name], dataset)
        with asset_context.scratch(node) as work:
            made.save(work)
            asset_context.keep(node, work)
        for name, why in made.faults.items():
            context.log.warning(f"{node.key}: divided without {name}: {why}")
        shared = made.shared()
        outcome.data_version = made.digest[:16]
        outcome.checks = _checks(made, shared)
        outcome.metadata = {
            "molecules": len(made.molecules.table),
            "endpoints": plots.markdown_table(
                ("endpoint", "molecules", "shared with another", "train", "test"),
                [
                    (name, len(each.table), shared[name], *(each.summary()[part] for part in ("train", "test")))
                    for name, each in made.datasets.items()
                ],
            ),
            "left_out": plots.markdown_table(("endpoint", "why"), list(made.faults.items())),
        }

    leakage = "Leakage across tasks is 0: no molecule is trained on at one endpoint and held out at another."
    shared = "Each endpoint shares a twentieth of its molecules or more with the others; a warning."
    usable = "The measurements of every endpoint can be used; a warning, the others are divided without it."
    return declare(
        asset_context,
        node,
        body,
        description=f"{group.title or group.name}: {', '.join(members)}, divided together.",
        checks=[
            check(node, "no_leakage_across_tasks", leakage, blocking=True),
            check(node, "shares_compounds", shared),
            check(node, "all_usable", usable),
        ],
    )


def _checks(made: GroupDataset, shared: Mapping[str, int]) -> list[dg.AssetCheckResult]:
    leaking = made.leaks()
    alone = {
        name: f"{count} of {len(made.datasets[name].table)}"
        for name, count in shared.items()
        if count < LEAST_SHARED * len(made.datasets[name].table)
    }
    warn, left_out = dg.AssetCheckSeverity.WARN, str(dict(made.faults))
    return [
        dg.AssetCheckResult(
            check_name="no_leakage_across_tasks",
            passed=not leaking,
            metadata={"leaking": len(leaking), "examples": leaking[:5]},
        ),
        dg.AssetCheckResult(
            check_name="shares_compounds", passed=not alone, severity=warn, metadata={"few_shared": str(alone)}
        ),
        dg.AssetCheckResult(
            check_name="all_usable",
            passed=not made.faults,
            severity=warn,
            metadata={"left_out": left_out},
        ),
    ]
