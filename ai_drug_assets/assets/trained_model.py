"""`trained_model/<endpoint>/<model>`: one model fitted on one endpoint under one signature.

Belongs here: making it an asset: reuse of a finished run with the same signature, tracking, what people look at.
Does not belong here: fitting and scoring (see `model_zoo.training`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from model_zoo import featurizers
from model_zoo.auxiliary import Other, prepared
from model_zoo.champion import BASELINE
from model_zoo.config import Endpoint, ModelFile
from model_zoo.dataset import Dataset
from model_zoo.learnable import plain_errors
from model_zoo.metrics import HIGHER_IS_BETTER
from model_zoo.models._base import ModelConfig
from model_zoo.training import Member, TrainingData, train_and_score
from numpy.typing import NDArray

from ai_drug_assets import keys, plots
from ai_drug_assets.assets._asset import check, declare
from ai_drug_assets.assets.features import FILE
from ai_drug_assets.catalog import Node
from ai_drug_assets.tracking import Tracking
from ai_drug_assets.workshop import Outcome, Workshop


def trained_model(workshop: Workshop, node: Node) -> dg.AssetsDefinition:
    """Make the asset."""
    endpoint = workshop.catalog.configs.endpoints[str(node.endpoint)]
    model = workshop.catalog.configs.model_of(endpoint.name, str(node.name))

    def body(context: dg.AssetExecutionContext, tracking: Tracking, outcome: Outcome) -> None:
        with workshop.only_one(node):
            workshop.require_upstream(node)
            reused = tracking.find_finished(node.signature)
            if reused and not workshop.place(node).exists() and not _fetch(workshop, node, tracking, reused):
                context.log.warning(f"{node.key}: the artefacts of the MLflow run {reused} are gone; training again")
                reused = None
            if reused is None:
                _train(context, workshop, node, endpoint, model, tracking)
        if reused:
            context.log.info(f"{node.key}: reused the finished MLflow run {reused} with the same signature")
        scores = read_scores(workshop.place(node))
        outcome.data_version = node.signature[:16]
        outcome.metadata = {
            "reused": reused is not None,
            "mlflow_run_id": reused or tracking.find_finished(node.signature) or "",
            **_metadata(workshop, node, endpoint, scores),
        }
        outcome.checks = [_quality(endpoint, model, scores)]

    minimum = "Reaches the endpoint's minimum quality over the folds; a warning, the champion reads it."
    return declare(
        workshop,
        node,
        body,
        description=f"{model.description} Fitted on {endpoint.title}.",
        pool=keys.TRAINING_POOL,
        checks=[check(node, "meets_minimum", minimum)],
    )


def read_scores(place: Path) -> dict[str, Any]:
    """Read what `train_and_score` wrote about a trained model."""
    scores: dict[str, Any] = json.loads((place / "scores.json").read_bytes())
    return scores


def load_dataset(workshop: Workshop, node: Node) -> Dataset:
    """Load the snapshot that a trained model was made from."""
    return Dataset.load(workshop.place(workshop.catalog.nodes[f"dataset/{node.endpoint}"]))


def _fetch(workshop: Workshop, node: Node, tracking: Tracking, run_id: str) -> bool:
    """Bring a finished run's artefacts to the asset's place; give whether there were any."""
    with workshop.scratch(node) as work:
        found = tracking.download(run_id, work)
        if found:
            workshop.keep(node, work)
    return found


def _train(
    context: dg.AssetExecutionContext,
    workshop: Workshop,
    node: Node,
    endpoint: Endpoint,
    model: ModelFile,
    tracking: Tracking,
) -> None:
    snapshot = load_dataset(workshop, node)
    blocks = {
        str(source.name): np.load(workshop.place(source) / FILE, allow_pickle=False)
        for source, _ in workshop.upstream(node, "features")
    }
    data = TrainingData(featurizers.join(list(blocks.values())), snapshot.values, snapshot.folds, snapshot.exact)
    config = model.settings(endpoint.name)
    tags = {
        keys.TAG_SIGNATURE: node.signature,
        keys.TAG_ASSET: node.key,
        keys.TAG_ENDPOINT: endpoint.name,
        keys.TAG_MODEL: model.name,
        keys.TAG_GIT_SHA: workshop.git_sha,
    }
    with (
        workshop.scratch(node) as work,
        tracking.training_run(context, name=f"{model.name} on {endpoint.name}", tags=tags, record=node.record) as run,
    ):
        with plain_errors(model.name, endpoint.target, data):
            ready = _prepared(workshop, endpoint, model, config, snapshot) if model.auxiliary else config
            scores = train_and_score(model.recipe, ready, endpoint.target, data, work, _members(workshop, node, blocks))
        tracking.log(run, params=config.model_dump(mode="json"), scores=_flat(scores), folder=work)
        workshop.keep(node, work)


def _prepared(
    workshop: Workshop, endpoint: Endpoint, model: ModelFile, config: ModelConfig, own: Dataset
) -> ModelConfig:
    """Let a model learn from its auxiliary endpoints first."""
    known = workshop.catalog.configs.endpoints
    others = []
    for name in model.auxiliary_of(endpoint.name, known):
        dataset = Dataset.load(workshop.place(workshop.catalog.nodes[f"dataset/{name}"]))
        X = workshop.features.joined(model.features, dataset.molecules())
        others.append(Other(name, known[name].target, dataset, X))
    return prepared(model.recipe, config, own, others)


def _members(workshop: Workshop, node: Node, blocks: Mapping[str, NDArray[Any]]) -> list[Member]:
    """Give the trained models that an ensemble is made of, and where each finds its features in the joined ones."""
    places = featurizers.columns({name: block.shape[1] for name, block in blocks.items()})
    members = []
    for source, _ in workshop.upstream(node, "trained_model"):
        model = workshop.catalog.configs.models[str(source.name)]
        columns = tuple(places[block] for block in model.features)
        members.append(Member(model.name, columns, workshop.place(source)))
    return members


def _flat(scores: dict[str, Any]) -> dict[str, float]:
    flat = {f"test_{metric}": value for metric, value in scores["test"].items()}
    for metric, cv in scores["cv"].items():
        flat |= {f"cv_{metric}": cv["mean"], f"cv_{metric}_std": cv["std"]}
    return {**flat, "train_s": scores["train_s"], "ms_per_molecule": scores["ms_per_molecule"]}


def _metadata(workshop: Workshop, node: Node, endpoint: Endpoint, scores: dict[str, Any]) -> dict[str, Any]:
    snapshot = load_dataset(workshop, node)
    predictions = np.load(workshop.place(node) / "predictions.npz", allow_pickle=False)
    train = snapshot.folds >= 0
    scored = snapshot.exact[train]
    measured, predicted = snapshot.values[train][scored], predictions["out_of_fold"][scored]
    metric = endpoint.champion.metric
    plot = (
        plots.roc_plot(measured, predicted)
        if endpoint.task == "binary"
        else plots.parity_plot(measured, predicted, endpoint.unit)
    )
    return {
        f"cv_{metric}": scores["cv"][metric]["mean"],
        f"test_{metric}": scores["test"][metric],
        "train_s": scores["train_s"],
        "ms_per_molecule": scores["ms_per_molecule"],
        "scores": plots.markdown_table(
            ("metric", "mean over folds", "std", "test split (reported only)"),
            [(name, cv["mean"], cv["std"], scores["test"][name]) for name, cv in scores["cv"].items()],
        ),
        "plot": plot,
    }


def _quality(endpoint: Endpoint, model: ModelFile, scores: dict[str, Any]) -> dg.AssetCheckResult:
    short = {
        metric: scores["cv"][metric]["mean"]
        for metric, bound in endpoint.champion.minimum.items()
        if (scores["cv"][metric]["mean"] < bound) == HIGHER_IS_BETTER[metric]
    }
    return dg.AssetCheckResult(
        check_name="meets_minimum",
        passed=not short or model.name == BASELINE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"minimum": str(endpoint.champion.minimum), "below": str(short)},
    )
