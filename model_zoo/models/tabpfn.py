"""TabPFN: a transformer pretrained on tables, which reads the training rows again with every prediction.

Source: Hollmann et al., Nature 2025, 637, 319. Nothing is fitted: weights, training rows and settings are the model.

The weights come from a local folder, `AIDRUG_TABPFN_WEIGHTS`; nothing is ever downloaded. The YAML names them by the
SHA-256 of their file, so that a signature covers them wherever they are. Checkpoints are accepted as safetensors alone:
the older ones are pickles.

For benchmarks only: a prediction needs PyTorch and TabPFN's own preprocessing, which no bundle may ask of the service.
Tested with the real library on weights drawn at random; the published ones need a licence, and were never run here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_zoo.data.targets import Task
from model_zoo.errors import BundleError, TrainingError
from model_zoo.fitted_models.formats import DESCRIPTION
from model_zoo.io.digests import file_digest
from model_zoo.models._base import ModelConfig
from model_zoo.type_aliases import Numbers

FOLDER = "AIDRUG_TABPFN_WEIGHTS"
FORMAT = "tabpfn"
PRETRAINING_DATA = "tables, synthetic ones by its paper; no assay is known to be among them"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TABPFN_DISABLE_TELEMETRY": "1"}


class Config(ModelConfig):
    """Settings; the weights are not among them, only which ones they are."""

    weights: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """SHA-256 of the checkpoint's file."""
    estimators: int = Field(default=8, ge=1, le=64)
    """Views of the table, differing in order and scale of columns, that are averaged."""
    max_rows: int = Field(default=10_000, ge=10)
    """More rows than this are refused: time grows with their square."""


def train(X_train: Numbers, y_train: Numbers, config: Config) -> TabPFNModel:
    """Keep `n x d` features and their values with the weights that will read them.

    Raises
    ------
    TrainingError
        When the library or the weights are missing, or there are more than `max_rows` rows.
    """
    if len(y_train) > config.max_rows:
        raise TrainingError(f"tabpfn: expected at most max_rows = {config.max_rows} rows, got {len(y_train)}")
    path = weights_file(config.weights)
    _library()
    rows = X_train.astype(np.float32), y_train.astype(np.float64)
    return TabPFNModel(*rows, config.weights, config.task, config.estimators, config.seed, path)


def load(folder: Path) -> TabPFNModel:
    """Load a saved model with the weights that it was made with, and no others.

    Raises
    ------
    BundleError
        When the folder holds no such model.
    TrainingError
        When the library or these weights are missing.
    """
    try:
        kept: Mapping[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        X, y = (np.load(folder / name, allow_pickle=False) for name in ("X.npy", "y.npy"))
        if kept["format"] != FORMAT:
            raise ValueError(f"format {kept['format']!r}")
        digest, task, estimators, seed = kept["weights"], kept["task"], int(kept["estimators"]), int(kept["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder}: expected a saved model of the format {FORMAT!r}, got {error!r}") from error
    return TabPFNModel(X, y, digest, task, estimators, seed, weights_file(digest))


@dataclass(frozen=True)
class TabPFNModel:
    """Training rows, and the weights that read them."""

    X: NDArray[np.float32]
    y: NDArray[np.float64]
    weights: str
    task: Task
    estimators: int
    seed: int
    path: Path

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Predict `n` values, or probabilities of class 1, in row order."""
        if len(X) == 0:
            return np.empty(0, dtype=np.float64)
        rows = X.astype(np.float32)
        if self.task == "binary":
            share = np.asarray(self._fitted.predict_proba(rows), dtype=np.float64)[
                :, list(self._fitted.classes_).index(1)
            ]
            return np.clip(share, 0.0, 1.0)
        return np.asarray(self._fitted.predict(rows), dtype=np.float64).reshape(len(rows))

    def save(self, folder: Path) -> None:
        """Write the rows and the digest of the weights; the weights stay where they are."""
        np.save(folder / "X.npy", self.X)
        np.save(folder / "y.npy", self.y)
        settings = {"weights": self.weights, "task": self.task, "estimators": self.estimators, "seed": self.seed}
        (folder / DESCRIPTION).write_text(json.dumps({"format": FORMAT, **settings}, sort_keys=True) + "\n", "utf-8")

    @cached_property
    def _fitted(self) -> Any:
        library = _library()
        binary = self.task == "binary"
        family = library.TabPFNClassifier if binary else library.TabPFNRegressor
        # The published limits are those of a laptop: how many rows are too many is ours to say, in `max_rows`.
        estimator = family(
            model_path=self.path, n_estimators=self.estimators, random_state=self.seed, ignore_pretraining_limits=True
        )
        return estimator.fit(self.X, self.y.astype(int) if binary else self.y)


def weights_file(digest: str) -> Path:
    """Find the checkpoint of a digest in the folder that `AIDRUG_TABPFN_WEIGHTS` names.

    Raises
    ------
    TrainingError
        When no folder is named, or no file in it has that content. The message lists the files that are there.
    """
    named = os.environ.get(FOLDER, "")
    if not named:
        raise TrainingError(
            f"tabpfn: expected {FOLDER} to name a folder that holds weights of TabPFN as .safetensors, got nothing. "
            "They are never downloaded: fetch them yourself, under their licence."
        )
    found = {file_digest(path): path for path in sorted(Path(named).glob("*.safetensors"))}
    if digest in found:
        return found[digest]
    there = ", ".join(f"{path.name} is {known}" for known, path in found.items()) or "none is there"
    raise TrainingError(
        f"tabpfn: expected a .safetensors file of SHA-256 {digest or '(not set)'} in the folder of {FOLDER}: {there}. "
        "Write the digest of the weights you mean into configs/models/tabpfn.yaml, as `weights`."
    )


def _library() -> Any:
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    try:
        import tabpfn
    except ImportError as error:
        raise TrainingError(
            "tabpfn: its library is missing: .venv/bin/uv pip install -c constraints.txt -e '.[tabular]'"
        ) from error
    return tabpfn
