"""`trained_model/<endpoint>/<model>`: one model fitted on one endpoint under one signature."""

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.dataset import Dataset
from model_zoo.data.folds import training_rows
from model_zoo.fitted_models.formats import load_model
from model_zoo.provenance.records import FITTED, training_libraries
from model_zoo.provenance.same_content import differ_only_in_the_making_of_data
from model_zoo.selection.election import BASELINE
from model_zoo.selection.scores import OnScale, Scale, Scores, read_scores
from model_zoo.training.fit import Learner, Sources, fit
from model_zoo.training.joint import take_column
from model_zoo.training.scales import scale_words, score_both
from model_zoo.training.validation import plain_errors, row_limit
from model_zoo.type_aliases import Json

from ai_drug_assets import keys
from ai_drug_assets.assets import plots
from ai_drug_assets.assets._asset import check, declare
from ai_drug_assets.assets.context import AssetContext, Outcome
from ai_drug_assets.assets.features import FILE
from ai_drug_assets.planning.catalog import Node
from ai_drug_assets.planning.ledger import code_version_of
from ai_drug_assets.planning.remains import files_in
from ai_drug_assets.tracking import Tracking


def trained_model(asset_context: AssetContext, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    endpoint = asset_context.catalog.configs.endpoints[str(node.endpoint)]
    model = asset_context.catalog.configs.model_of(endpoint.name, str(node.name))

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        with asset_context.only_one(node):
            asset_context.require_upstream(node)
            reused = is_there(context, asset_context, node, tracking, _is_usable) or _take_over(
                context, asset_context, node, model, tracking
            )
            if not reused:
                _train(context, asset_context, node, endpoint, model, tracking)
            elif tracking.find_finished(node.signature) is None:
                context.log.warning(f"{node.key}: MLflow has no run of it; recording it, without training")
                _record(context, asset_context, node, endpoint, model, tracking)
        run_id = tracking.find_finished(node.signature) or ""
        if reused:
            context.log.info(f"{node.key}: reused what was trained under the same signature, MLflow run {run_id}")
        scores = scores_of(asset_context, node, endpoint)
        outcome.data_version = node.signature[:16]
        outcome.metadata = {
            "reused": reused,
            "mlflow_run_id": run_id,
            **_metadata(asset_context, node, endpoint, scores),
        }
        outcome.checks = [_quality(endpoint, model, scores)]

    minimum = "Reaches the endpoint's minimum quality over the folds; a warning, the champion reads it."
    return declare(
        asset_context,
        node,
        body,
        description=f"{model.description} Fitted on {endpoint.title}.",
        pool=keys.TRAINING_POOL,
        checks=[check(node, "meets_minimum", minimum)],
    )


def scores_of(asset_context: AssetContext, node: Node, endpoint: Endpoint) -> Scores:
    """Read the scores of a trained model, on the scale that decides and on both; see `score_both`."""
    place, snapshot = (
        asset_context.place(node),
        asset_context.place(asset_context.catalog.nodes[f"dataset/{endpoint.name}"]),
    )
    return score_both(read_scores(place), endpoint.target, endpoint.scale, snapshot, place)


def load_dataset(asset_context: AssetContext, node: Node) -> Dataset:
    """Load the snapshot that a trained model was made from."""
    return Dataset.load(asset_context.place(asset_context.catalog.nodes[f"dataset/{node.endpoint}"]))


def is_there(
    context: dg.AssetExecutionContext,
    asset_context: AssetContext,
    node: Node,
    tracking: Tracking,
    is_usable: Callable[[Path], bool],
) -> bool:
    """Return whether the model is trained already: its files are at their place, or MLflow brought them there."""
    place, made = asset_context.place(node), asset_context.made(node)
    if place.exists() and ((made and made.files) or (asset_context.is_whole(node) and is_usable(place))):
        return True
    asset_context.clear(node)
    run_id = tracking.find_finished(node.signature)
    if run_id is None:
        return False
    with asset_context.scratch(node) as work:
        if tracking.download(run_id, work) and is_usable(work):
            asset_context.keep(node, work)
            return True
    context.log.warning(f"{node.key}: artefacts of the MLflow run {run_id} are gone; training again")
    return False


def _take_over(
    context: dg.AssetExecutionContext, asset_context: AssetContext, node: Node, model: ModelSpec, tracking: Tracking
) -> bool:
    """Take what was trained last on the same content, where only the making of the snapshot changed since.

    A reader of files may change without a change of what is read. Ensembles are weighed again, which takes a moment;
    models that learn from other endpoints too are trained again.
    """
    made = asset_context.ledger.read(node.key).made
    data = asset_context.ledger.read(f"dataset/{node.endpoint}").made
    if made is None or data is None or model.is_ensemble or model.is_joint or model.auxiliary or not made.files:
        return False
    if made.inputs.get(f"dataset/{node.endpoint}") != data.data_version:
        return False
    libraries = training_libraries(model, asset_context.settings.code_root, FITTED)
    if not differ_only_in_the_making_of_data(made.record, node.record, libraries):
        return False
    former = asset_context.place(node).with_name(code_version_of(made.signature))
    if not former.is_dir() or files_in(former) != made.files or not _is_usable(former):
        return False
    with asset_context.scratch(node) as work:
        shutil.copytree(former, work, dirs_exist_ok=True)
        asset_context.keep(node, work)
    if run := tracking.find_finished(made.signature):
        tracking.adopt(run, made.signature, node.signature, node.record)
    context.log.info(f"{node.key}: the snapshot was made again with the same content, so nothing is trained")
    return True


def _is_usable(folder: Path) -> bool:
    """Return whether a folder holds a trained model that can be read, where no list says what belongs to it."""
    try:
        read_scores(folder)
        np.load(folder / "predictions.npz", allow_pickle=False).close()
        load_model(folder / "model")
    except Exception:  # noqa: BLE001  whatever libraries raise about half a file
        return False
    return True


def _record(
    context: dg.AssetExecutionContext,
    asset_context: AssetContext,
    node: Node,
    endpoint: Endpoint,
    model: ModelSpec,
    tracking: Tracking,
) -> None:
    """Report a trained model that is at its place to MLflow."""
    place, tags = asset_context.place(node), _tags(asset_context, node, endpoint, model) | {keys.TAG_RECOVERED: "true"}
    name = f"{model.name} on {endpoint.name}"
    with tracking.training_run(context, name=name, tags=tags, record=node.record) as run:
        tracking.log(
            run, params=_params(endpoint, model), scores=_flat(scores_of(asset_context, node, endpoint)), folder=place
        )


def _train(
    context: dg.AssetExecutionContext,
    asset_context: AssetContext,
    node: Node,
    endpoint: Endpoint,
    model: ModelSpec,
    tracking: Tracking,
) -> None:
    tags = _tags(asset_context, node, endpoint, model)
    snapshot = asset_context.place(asset_context.catalog.nodes[f"dataset/{endpoint.name}"])
    with (
        asset_context.scratch(node) as work,
        tracking.training_run(context, name=f"{model.name} on {endpoint.name}", tags=tags, record=node.record) as run,
    ):
        if model.is_joint:
            _take_column(asset_context, node, endpoint, snapshot, work)
        else:
            _fit(asset_context, node, endpoint, model, work)
        both = score_both(read_scores(work), endpoint.target, endpoint.scale, snapshot, work)
        # First kept, then logged: when MLflow is locked or away by now, the next attempt only logs.
        place = asset_context.keep(node, work)
        tracking.log(run, params=_params(endpoint, model), scores=_flat(both), folder=place)


def _params(endpoint: Endpoint, model: ModelSpec) -> dict[str, Json]:
    """Return the hyper-parameters that it was trained with; its task is that of the endpoint."""
    return model.settings(endpoint.name).model_dump(mode="json") | {"task": endpoint.task}


def _fit(asset_context: AssetContext, node: Node, endpoint: Endpoint, model: ModelSpec, work: Path) -> None:
    config = model.settings(endpoint.name)
    fit(
        Learner(model.recipe, config, endpoint.target, model.features),
        _sources(asset_context, node, endpoint, model),
        asset_context.features.joined,
        lambda data: plain_errors(model.name, endpoint.target, data, row_limit(model.recipe, config)),
        work,
    )


def _take_column(asset_context: AssetContext, node: Node, endpoint: Endpoint, snapshot: Path, work: Path) -> None:
    """Write the endpoint's part of what was fitted once for its group."""
    (joint, _), *_ = asset_context.upstream(node, "joint_model")
    group = asset_context.place(asset_context.catalog.nodes[f"dataset/{joint.group}"])
    blocks = [asset_context.place(block) / FILE for block, _ in asset_context.upstream(node, "features")]
    take_column(
        str(node.name),
        endpoint.name,
        endpoint.target,
        group,
        asset_context.place(joint),
        (Dataset.load(snapshot), blocks),
        work,
    )


def _tags(asset_context: AssetContext, node: Node, endpoint: Endpoint, model: ModelSpec) -> dict[str, str]:
    return {
        keys.TAG_SIGNATURE: node.signature,
        keys.TAG_ASSET: node.key,
        keys.TAG_ENDPOINT: endpoint.name,
        keys.TAG_MODEL: model.name,
        keys.TAG_GIT_SHA: asset_context.git_sha,
    }


def _sources(asset_context: AssetContext, node: Node, endpoint: Endpoint, model: ModelSpec) -> Sources:
    """Say where what a model is made of is."""
    nodes, configs = asset_context.catalog.nodes, asset_context.catalog.configs
    return Sources(
        snapshot=asset_context.place(nodes[f"dataset/{endpoint.name}"]),
        features={
            str(block.name): asset_context.place(block) / FILE for block, _ in asset_context.upstream(node, "features")
        },
        members={
            str(member.name): (asset_context.place(member), configs.models[str(member.name)].features)
            for member, _ in asset_context.upstream(node, "trained_model")
        },
        auxiliary={
            name: (configs.endpoints[name].target, asset_context.place(nodes[f"dataset/{name}"]))
            for name in model.auxiliary_of(endpoint.name, configs.endpoints)
        },
    )


def _flat(scores: Scores) -> dict[str, float]:
    """Return scores as MLflow keeps them: in the endpoint's unit, and on another scale of training too."""
    flat = {"train_s": scores.train_s, "ms_per_molecule": scores.ms_per_molecule}
    unit, training = scores.scales["unit"], scores.scales["training"]
    for on, mark in ((unit, ""), (training, "_training_scale"))[: 1 if training == unit else 2]:
        flat |= {f"test_{metric}{mark}": value for metric, value in on.test.items()}
        for metric, cv in on.cv.items():
            flat |= {f"cv_{metric}{mark}": cv.mean, f"cv_{metric}_std{mark}": cv.std}
    return flat


def _metadata(asset_context: AssetContext, node: Node, endpoint: Endpoint, scores: Scores) -> dict[str, Json]:
    snapshot = load_dataset(asset_context, node)
    predictions = np.load(asset_context.place(node) / "predictions.npz", allow_pickle=False)
    train = training_rows(snapshot.folds)
    scored = snapshot.exact[train] & (snapshot.folds[train] >= 0)
    measured, predicted = snapshot.values[train][scored], predictions["out_of_fold"][scored]
    metric = endpoint.champion.metric
    scales: dict[Scale, OnScale] = {endpoint.scale: scores.scales[endpoint.scale]}  # first the one that decides
    if scores.scales["training"] != scores.scales["unit"]:
        other: Scale = "unit" if endpoint.scale == "training" else "training"
        scales[other] = scores.scales[other]
    plot = (
        plots.roc_plot(measured, predicted)
        if endpoint.task == "binary"
        else plots.parity_plot(measured, predicted, endpoint.unit)
    )
    return {
        f"cv_{metric}": scores.cv[metric].mean,
        f"test_{metric}": scores.test[metric],
        "train_s": scores.train_s,
        "ms_per_molecule": scores.ms_per_molecule,
        "scores": plots.markdown_table(
            ("metric", "scale", "mean over folds", "std", "test split (reported only)"),
            [
                (name, scale_words(scale, endpoint.target, endpoint.unit), cv.mean, cv.std, on.test[name])
                for scale, on in scales.items()
                for name, cv in on.cv.items()
            ],
        ),
        "plot": plot,
    }


def _quality(endpoint: Endpoint, model: ModelSpec, scores: Scores) -> dg.AssetCheckResult:
    short = endpoint.champion.unmet({metric: spread.mean for metric, spread in scores.cv.items()})
    return dg.AssetCheckResult(
        check_name="meets_minimum",
        passed=not short or model.name == BASELINE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"minimum": str(endpoint.champion.minimum), "below": str(short)},
    )
