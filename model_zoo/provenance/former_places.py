"""Where definitions and modules stood before the core was divided into packages.

It goes with `former_signatures.py`: only `aidrug adopt` reads sources of that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FORMER: Mapping[str, str] = {
    "model_zoo.training.transfer.AuxiliaryDataset": "model_zoo.auxiliary.Other",
    "model_zoo.training.transfer.prepared": "model_zoo.auxiliary.prepared",
    "model_zoo.benchmark.protocol": "model_zoo.benchmark_protocol",
    "model_zoo.benchmark.protocol.OfficialRows": "model_zoo.benchmark_protocol.OfficialRows",
    "model_zoo.benchmark.protocol.predict_test_rows": "model_zoo.benchmark_protocol.predict_test_rows",
    "model_zoo.benchmark.protocol.score_predictions": "model_zoo.benchmark_protocol.score_predictions",
    "model_zoo.benchmark.references": "model_zoo.benchmark_references",
    "model_zoo.benchmark.references.paired_difference": "model_zoo.benchmark_references.paired_difference",
    "model_zoo.bundles.assembly.candidate": "model_zoo.bundle_making.contender",
    "model_zoo.bundles.assembly.make_bundle": "model_zoo.bundle_making.make_bundle",
    "model_zoo.bundles.writer": "model_zoo.bundle_writing",
    "model_zoo.selection.election": "model_zoo.champion",
    "model_zoo.selection.election.Candidate": "model_zoo.champion.Contender",
    "model_zoo.selection.election.decide": "model_zoo.champion.decide",
    "model_zoo.data.dataset": "model_zoo.dataset",
    "model_zoo.data.dataset.DatasetConfig": "model_zoo.dataset.DatasetConfig",
    "model_zoo.data.dataset.make_dataset": "model_zoo.dataset.make_dataset",
    "model_zoo.features.rows.FeatureRows": "model_zoo.feature_rows.FeatureRows",
    "model_zoo.training.fit.Learner": "model_zoo.fitting.Learner",
    "model_zoo.training.fit.Sources": "model_zoo.fitting.Sources",
    "model_zoo.training.fit.fit": "model_zoo.fitting.fit",
    "model_zoo.training.fit.write_features": "model_zoo.fitting.write_features",
    "model_zoo.monitoring.review.for_training": "model_zoo.live.review.for_training",
    "model_zoo.monitoring.review.review": "model_zoo.live.review.review",
    "model_zoo.bundles.model_card": "model_zoo.model_card",
    "model_zoo.bundles.model_card.to_markdown": "model_zoo.model_card.to_markdown",
    "model_zoo.bundles.pointer.Pointer": "model_zoo.pointer.Pointer",
    "model_zoo.selection.ranking.ranked": "model_zoo.ranking.ranked",
    "model_zoo.training.scales.score_both": "model_zoo.scales.score_both",
    "model_zoo.inference.screening.find_shards": "model_zoo.screening.find_shards",
    "model_zoo.inference.screening.predict_shard": "model_zoo.screening.predict_shard",
    "model_zoo.bundles.store": "model_zoo.store",
    "model_zoo.data.targets.Target": "model_zoo.targets.Target",
    "model_zoo.training.cross_validation": "model_zoo.training",
    "model_zoo.training.cross_validation.Member": "model_zoo.training.Member",
    "model_zoo.training.cross_validation.TrainingData": "model_zoo.training.TrainingData",
    "model_zoo.training.cross_validation.train_and_score": "model_zoo.training.train_and_score",
    "model_zoo.uncertainty.fit": "model_zoo.trust",
}
"""Qualified names then, by those of now."""


def place_under(root: Path, name: str) -> str:
    """Return the name that a definition or a module has under a root, which may hold sources of before.

    Examples
    --------
    >>> place_under(Path("nowhere"), "model_zoo.models.rf.train")
    'model_zoo.models.rf.train'
    """
    if name not in FORMER:
        return name
    first = "/".join(name.split(".")[:2])
    return name if (root / first).is_dir() else FORMER[name]
