"""`dataset/<endpoint>`: the curated, split snapshot of an endpoint's measurements."""

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
from model_zoo.config.endpoint import Endpoint
from model_zoo.data.curation_report import MOST_DROPPED, replicate_spreads
from model_zoo.data.dataset import Dataset, make_dataset
from model_zoo.data.group_dataset import member_dataset
from model_zoo.data.sources import DvcSource
from model_zoo.data.splits import leaks
from model_zoo.type_aliases import Json
from serving.machine import processors

from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import check, declare
from ai_drug_assets.assets.context import AssetContext, Outcome
from ai_drug_assets.assets.holding import hold_if_unlike
from ai_drug_assets.operations import dvc
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.tracking import Tracking

if TYPE_CHECKING:
    import pandas as pd

SHOWN_ROWS = 10


def dataset(asset_context: AssetContext, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    endpoint = asset_context.catalog.configs.endpoints[str(node.endpoint)]
    config = endpoint.dataset

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        made = _grouped(asset_context, node) if node.deps else _made(asset_context, node, endpoint)
        with asset_context.scratch(node) as work:
            made.save(work)
            asset_context.keep(node, work)
        outcome.data_version = made.digest[:16]
        outcome.checks = _checks(made, official=config.split.kind == "official")
        outcome.metadata = _metadata(made, endpoint.unit)

    few_dropped = "At most a tenth of the rows that hold a value are dropped; a warning; `aidrug curate` shows why."
    no_leak = "No molecule (stereo-less InChIKey) is in two folds, or in a fold and the test split."
    schema = "Every value is finite; train and test are not empty; every fold has molecules."
    return declare(
        asset_context,
        node,
        body,
        description=f"{endpoint.title}: curated and split measurements. {endpoint.description}",
        checks=[
            check(node, "no_leak", no_leak, blocking=True),
            check(node, "schema", schema, blocking=True),
            check(node, "few_dropped", few_dropped),
        ],
    )


def _made(asset_context: AssetContext, node: Node, endpoint: Endpoint) -> Dataset:
    config = endpoint.dataset
    if isinstance(config.source, DvcSource):
        dvc.pull(config.source, asset_context.settings.root)
    made = make_dataset(config, asset_context.settings.folder_of(config.source), processors())
    hold_if_unlike(asset_context, node, endpoint, made)
    return made


def _grouped(asset_context: AssetContext, node: Node) -> Dataset:
    """Take the endpoint's own out of what was divided together."""
    asset_context.require_upstream(node)
    (group, _), *_ = asset_context.upstream(node, "group_dataset")
    return member_dataset(asset_context.place(group), str(node.endpoint))


def _checks(made: Dataset, *, official: bool) -> list[dg.AssetCheckResult]:
    leaking = leaks(made.table, processors())
    summary = made.summary()
    folds = made.table["fold"].value_counts()
    sound = bool(made.table["value"].notna().all()) and summary["test"] > 0 and int(folds.min()) > 0
    # What a benchmark's official split repeats is known and kept: scores must compare with the published ones.
    severity = dg.AssetCheckSeverity.WARN if official else dg.AssetCheckSeverity.ERROR
    return [
        dg.AssetCheckResult(
            check_name="no_leak",
            passed=not leaking,
            severity=severity,
            metadata={"leaking": len(leaking), "examples": leaking[:5]},
        ),
        dg.AssetCheckResult(check_name="schema", passed=sound, metadata={"molecules_per_fold": str(folds.to_dict())}),
        dg.AssetCheckResult(
            check_name="few_dropped",
            passed=made.share_lost <= MOST_DROPPED,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"share": made.share_lost, "dropped": str(summary["dropped"])},
        ),
    ]


def _replicates(report: "pd.DataFrame", unit: str) -> str:
    """Say how far measurements of one molecule lie apart."""
    spreads = replicate_spreads(report)
    if not spreads:
        return "no molecule was measured more than once"
    described = f"spread {np.median(spreads):.3g} {unit} (median), {max(spreads):.3g} at most"
    several = "molecule" if len(spreads) == 1 else "molecules"
    return f"{len(spreads)} {several} measured more than once; {described}"


def _metadata(made: Dataset, unit: str) -> dict[str, Json]:
    summary = made.summary()
    dropped = made.report[made.report["action"] == "dropped"].head(SHOWN_ROWS)
    return {
        "dagster/row_count": dg.MetadataValue.int(summary["molecules"]),
        "train": dg.MetadataValue.int(summary["train"]),
        "test": dg.MetadataValue.int(summary["test"]),
        "measurements": dg.MetadataValue.int(summary["measurements"]),
        "bounds": dg.MetadataValue.int(summary["bounds"]),
        "merged": dg.MetadataValue.int(summary["merged"]),
        "replicates": _replicates(made.report, unit),
        "dropped": plots.markdown_table(("reason", "rows"), list(summary["dropped"].items())),
        "first_dropped_rows": plots.markdown_table(
            ("file", "row", "value", "reason"),
            [(row.file, row.row, row.value, row.reason) for row in dropped.itertuples()],
        ),
        "values": plots.histogram(made.values[made.exact], unit),
    }
