"""The Gaussian process of `gp`, with what a network learnt from other endpoints as one more block of features.

The network learns every auxiliary endpoint at once (`_multitask_network.py`), without the molecules of the endpoint at
hand. What it predicts of a molecule for each of them is beside its features: a lipophilicity or a clearance that
was never measured on this molecule still says something of its half-life. Served as one ONNX graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import TrainingError
from model_zoo.fitted_models.formats import Model, OnnxModel
from model_zoo.io.onnx_session import open_session
from model_zoo.models import gp
from model_zoo.models._auxiliary import Auxiliary
from model_zoo.models._covariance import Block
from model_zoo.models._multitask_network import NetworkConfig, pretrain
from model_zoo.type_aliases import Numbers

PRETRAINING_DATA = (
    "the training values of the other endpoints that are named as auxiliary (on a benchmark: of the folder's other "
    "sets), without any molecule of the endpoint itself, neither of its training nor of its test rows."
)


class Config(NetworkConfig):
    """Hyper-parameters of both parts."""

    recipe: ClassVar = "multitask"


with_widths = gp.with_widths
require_rows = gp.require_rows


@dataclass(frozen=True)
class Prepared:
    """What was learnt from other endpoints, as an ONNX graph."""

    network: bytes

    def train(self, X_train: Numbers, y_train: Numbers, config: Config) -> Model:
        """Fit on `n x d` features and what the network says of them."""
        from onnx import compose, load, load_from_string

        joined = _outputs(self.network, X_train)
        width = X_train.shape[1]
        blocks = config.blocks or (Block(columns=width),)
        added = Block(columns=joined.shape[1] - width, distance="rank")
        fitted = gp.train(joined, y_train, config.model_copy(update={"blocks": (*blocks, added)}))
        if not isinstance(fitted, OnnxModel):
            return fitted
        with TemporaryDirectory() as folder:
            fitted.save(Path(folder))
            process = load(Path(folder) / OnnxModel.FILE)
        network = load_from_string(self.network)
        whole = compose.merge_models(network, process, io_map=[("y", "X")], prefix1="network/")
        model = OnnxModel(whole.SerializeToString(), "y", column=None)
        sample = slice(gp.CHECKED_ROWS)
        expected = fitted.predict(joined[sample])
        tolerance = gp.TOLERANCE * float(np.abs(expected).max())
        model.require_equal(X_train[sample], expected, tolerance, "its two parts")
        return model


def prepare(config: Config, auxiliaries: Sequence[Auxiliary]) -> Prepared:
    """Learn from the auxiliary endpoints; return what can be trained on the endpoint at hand.

    Raises
    ------
    TrainingError
        When they have too few molecules of their own, or the fit diverges.
    """
    blocks = config.blocks or (Block(columns=auxiliaries[0].X.shape[1] if auxiliaries else 1),)
    return Prepared(pretrain(auxiliaries, blocks, config))


def train(X_train: Numbers, y_train: Numbers, config: Config) -> Model:
    """Refuse to train without other endpoints.

    Raises
    ------
    TrainingError
        Always: what `prepare` gives is trained.
    """
    raise TrainingError("multitask: expected auxiliary endpoints to learn from: only what `prepare` made is trained")


def _outputs(network: bytes, X: Numbers) -> NDArray[np.float32]:
    """Return `n x d` features with a column for each auxiliary endpoint behind them."""
    return np.asarray(open_session(network).run(["y"], {"X": X.astype(np.float32, copy=False)})[0])
