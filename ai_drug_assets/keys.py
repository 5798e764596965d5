"""Names that Dagster and MLflow see: keys, groups, pools, tags, kinds.

Belongs here: every such name, once. Does not belong here: which assets exist (see `planning/catalog.py`).
"""

from __future__ import annotations

import dagster as dg

from ai_drug_assets.planning.catalog import Catalog, Node
from ai_drug_assets.planning.ledger import code_version_of

LOCATION = "ai_drug_assets"
TRAINING_POOL = "training"
"""As many at a time as `AIDRUG_WORKERS` (see `execution/instance.py`); in plain `dagster dev`, one."""

TAG_SIGNATURE = "aidrug.signature"
TAG_ASSET = "aidrug.asset"
TAG_ENDPOINT = "aidrug.endpoint"
TAG_MODEL = "aidrug.model"
TAG_GIT_SHA = "aidrug.git_sha"
TAG_DAGSTER_RUN = "aidrug.dagster_run_id"
TAG_RECORD = "aidrug.record"
TAG_FORMER = "aidrug.former_signature"
TAG_PROCESS = "aidrug.process"
TAG_FILES = "aidrug.files"
TAG_RECOVERED = "aidrug.recovered"
RUN_TAG_ASSETS = "aidrug/assets"
RUN_TAG_PROCESS = "aidrug/process"
RUN_TAG_RETRAINING = "aidrug/retraining"

KINDS: dict[str, set[str]] = {
    "dataset": {"dataset", "parquet"},
    "features": {"features", "rdkit"},
    "trained_model": {"trained_model", "mlflow"},
    "group_dataset": {"dataset", "parquet"},
    "group_features": {"features", "rdkit"},
    "joint_model": {"trained_model", "mlflow"},
    "leaderboard": {"leaderboard"},
    "champion_model": {"champion_model", "onnx"},
    "inference_service": {"litestar"},
    "monitoring": {"monitoring", "sqlite"},
}
"""What the lineage shows on each node beside the last part of its key, which four nodes of an endpoint share."""


DATASETS, SERVING, MONITORING, SCREENS = GROUPS = ("datasets", "serving", "monitoring", "screens")
"""The groups that are no endpoint's, in the order of the arrows between them."""


def asset_key(key: str) -> dg.AssetKey:
    """Return Dagster's key of a catalog key."""
    return dg.AssetKey(key.split("/"))


def catalog_key(key: dg.AssetKey) -> str:
    """Return the catalog's key of a Dagster key."""
    return "/".join(key.path)


def group(node: Node, catalog: Catalog) -> str:
    """Return the asset group: one per endpoint and per group of them, one for what serves all, one for shared datasets.

    In the group of its endpoint a dataset that teaches several would close a circle, where endpoints teach each other.
    """
    own = node.endpoint or node.group
    if own is None:
        return SERVING
    if node.key in catalog.shared_datasets:
        return DATASETS
    return f"_{own}" if own in GROUPS else own  # no endpoint's name begins like that


def code_version(node: Node) -> str:
    """Return what Dagster compares: the first 16 digits of the signature."""
    return code_version_of(node.signature)
