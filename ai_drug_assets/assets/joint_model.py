"""`trained_model/<group>/<model>`: one model fitted once on all endpoints of a group; each of them takes its column."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import numpy as np
from model_zoo.config.files import Configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.fitted_models.formats import load_model
from model_zoo.training.joint import PREDICTIONS, JointLearner, fit_jointly, read_joint_record
from model_zoo.training.validation import plain_joint_errors
from model_zoo.type_aliases import Json

from ai_drug_assets import keys
from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import check, declare
from ai_drug_assets.assets.context import AssetContext, Outcome
from ai_drug_assets.assets.features import FILE
from ai_drug_assets.assets.trained_model import is_there
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.tracking import Tracking


def joint_model(asset_context: AssetContext, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    configs = asset_context.catalog.configs
    model, group = configs.models[str(node.name)], configs.groups[str(node.group)]

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        with asset_context.only_one(node):
            asset_context.require_upstream(node)
            reused = is_there(context, asset_context, node, tracking, _is_usable)
            if not reused:
                _train(context, asset_context, node, model, tracking)
            elif tracking.find_finished(node.signature) is None:
                context.log.warning(f"{node.key}: MLflow has no run of it; recording it, without training")
                _record(context, asset_context, node, model, tracking)
        record = read_joint_record(asset_context.place(node))
        outcome.data_version = node.signature[:16]
        outcome.metadata = {
            "reused": reused,
            "mlflow_run_id": tracking.find_finished(node.signature) or "",
            **{name: record[name] for name in ("molecules", "shared", "train_s")},
            "endpoints": ", ".join(record["endpoints"]),
            "left_out": plots.markdown_table(("endpoint", "why"), list(record["left_out"].items())),
        }
        outcome.checks = [
            dg.AssetCheckResult(
                check_name="all_learnt",
                passed=not record["left_out"],
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"left_out": str(record["left_out"])},
            )
        ]

    learnt = "Something could be learnt of every endpoint; a warning, it is fitted on the others."
    return declare(
        asset_context,
        node,
        body,
        description=f"{model.description} Fitted once on {group.title or group.name}.",
        pool=keys.TRAINING_POOL,
        checks=[check(node, "all_learnt", learnt)],
    )


def _train(
    context: dg.AssetExecutionContext, asset_context: AssetContext, node: Node, model: ModelSpec, tracking: Tracking
) -> None:
    configs: Configs = asset_context.catalog.configs
    targets = {name: endpoint.target for name, endpoint in configs.members_of(str(node.group)).items()}
    (source, _), *_ = asset_context.upstream(node, "group_dataset")
    features = [asset_context.place(block) / FILE for block, _ in asset_context.upstream(node, "group_features")]
    with (
        asset_context.scratch(node) as work,
        tracking.training_run(context, name=_name(node), tags=_tags(asset_context, node), record=node.record) as run,
    ):
        learner = JointLearner(model.recipe, model.settings(), targets)
        record = fit_jointly(
            learner, asset_context.place(source), features, lambda: plain_joint_errors(model.name), work
        )
        place = asset_context.keep(node, work)
        tracking.log(run, params=_params(model), scores=_numbers(record), folder=place)


def _record(
    context: dg.AssetExecutionContext, asset_context: AssetContext, node: Node, model: ModelSpec, tracking: Tracking
) -> None:
    """Report a joint model that is at its place to MLflow."""
    place, tags = asset_context.place(node), _tags(asset_context, node) | {keys.TAG_RECOVERED: "true"}
    with tracking.training_run(context, name=_name(node), tags=tags, record=node.record) as run:
        tracking.log(run, params=_params(model), scores=_numbers(read_joint_record(place)), folder=place)


def _name(node: Node) -> str:
    return f"{node.name} on {node.group}"


def _params(model: ModelSpec) -> dict[str, Json]:
    return model.settings().model_dump(mode="json", exclude={"task"})  # each endpoint of the group has its own


def _numbers(record: Mapping[str, Json]) -> dict[str, float]:
    return {name: float(record[name]) for name in ("train_s", "molecules", "shared")}


def _tags(asset_context: AssetContext, node: Node) -> dict[str, str]:
    return {
        keys.TAG_SIGNATURE: node.signature,
        keys.TAG_ASSET: node.key,
        keys.TAG_MODEL: str(node.name),
        keys.TAG_GIT_SHA: asset_context.git_sha,
    }


def _is_usable(folder: Path) -> bool:
    """Return whether a folder holds a joint model that can be read, where no list says what belongs to it."""
    try:
        record = read_joint_record(folder)
        np.load(folder / PREDICTIONS, allow_pickle=False).close()
        for endpoint in record["endpoints"]:
            load_model(folder / "model" / endpoint)
    except Exception:  # noqa: BLE001  whatever libraries raise about half a file
        return False
    return True
