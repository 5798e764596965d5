"""Fitted models as data: the formats a bundle may hold, and how each is loaded.

Nothing here unpickles, and nothing here imports a training library: the service loads models through this module alone,
so a bundle written today loads as long as this module knows its format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from model_zoo.errors import BundleError, TrainingError
from model_zoo.fitted_models.oblivious_trees import ObliviousModel
from model_zoo.io.memory import give_back_memory
from model_zoo.io.onnx_session import open_session
from model_zoo.type_aliases import Json, Numbers

DESCRIPTION = "model.json"
LARGE_GRAPH = 1_000_000
"""Bytes of a graph from which on what parsing it took is given back to the system."""


class Model(Protocol):
    """Something fitted that predicts.

    For a regression endpoint `predict` gives the value on the scale the model was trained on; for a
    binary endpoint the probability of class 1, in [0, 1].
    """

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Predict `n` values from an `n x d` matrix, in row order."""

    def save(self, folder: Path) -> None:
        """Write the model into an existing, empty folder, in a data-only format."""


def require_equal(model: Model, X: Numbers, expected: Numbers, tolerance: float, library: str) -> None:
    """Refuse an exported model unless it predicts what the training library predicts."""
    difference = float(np.max(np.abs(model.predict(X) - expected), initial=0.0))
    if not difference <= tolerance:
        raise TrainingError(
            f"the exported model differs from {library} by {difference:.3g} on {len(X)} training rows; expected at "
            f"most {tolerance:g}. Export the model in the library's own data-only format instead."
        )


class ConstantModel:
    """The same number for every molecule.

    Examples
    --------
    >>> ConstantModel(1.5).predict(np.zeros((2, 3))).tolist()
    [1.5, 1.5]
    """

    format: ClassVar[str] = "constant"

    def __init__(self, value: float) -> None:
        self.value = float(value)

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Return the constant once per row."""
        return np.full(len(X), self.value, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write one JSON file."""
        _describe(folder, {"format": self.format, "value": self.value})

    @classmethod
    def load(cls, folder: Path, description: Mapping[str, Json]) -> ConstantModel:
        """Read the value back."""
        return cls(float(description["value"]))


class OnnxModel:
    """A model as an ONNX graph, run by ONNX Runtime on one thread.

    One thread, because the service runs several requests side by side and a tree ensemble answers one
    row in 15 microseconds: more threads per call would only add hand-over.

    Parameters
    ----------
    graph, output, column
        The graph's bytes, its output, and the column of it that holds the prediction; none where it has one.
    file
        Where the graph is, when it was read from there.

    Notes
    -----
    Kernel models that were written up to November 2026 multiply over the features that some row has. Where none has
    any, ONNX Runtime 1.31 returns whatever was in memory as the product, so these models predict one row more, which
    has them all.
    """

    format: ClassVar[str] = "onnx"
    FILE: ClassVar[str] = "model.onnx"

    def __init__(self, graph: bytes, output: str, column: int | None, file: Path | None = None) -> None:
        self._session = open_session(graph)
        if len(graph) > LARGE_GRAPH:
            give_back_memory()
        # ONNX Runtime has a copy of its own: the graph is kept only where no file holds it yet.
        self._graph, self._file, self._output, self._column = (None if file else graph), file, output, column
        self._input = self._session.get_inputs()[0]
        self._dtype = np.int64 if "int64" in self._input.type else np.float32
        self._needs_company = b"MatMulInteger" in graph and b"BitwiseOr" not in graph

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Run the graph; pick the column that holds the prediction when the output is a matrix."""
        if len(X) == 0:
            return np.empty(0, dtype=np.float64)
        rows = X.astype(self._dtype, copy=False)
        if self._needs_company:
            rows = np.vstack([rows, np.ones_like(rows[:1])])
        (result,) = self._session.run([self._output], {self._input.name: rows})
        result = result[: len(X)]
        values = result[:, self._column] if self._column is not None else result
        if self._column == 1:  # the probability of class 1; trees summed in float32 may give 1.0000001
            values = np.clip(values, 0.0, 1.0)
        return np.asarray(values, dtype=np.float64).reshape(len(X))

    def save(self, folder: Path) -> None:
        """Write the graph and how to read its output; of a model that was loaded, copy the file."""
        (folder / self.FILE).write_bytes(self.graph)
        _describe(folder, {"format": self.format, "output": self._output, "column": self._column})

    @classmethod
    def load(cls, folder: Path, description: Mapping[str, Json]) -> OnnxModel:
        """Read the graph back and open a session on it."""
        file = folder / cls.FILE
        return cls(file.read_bytes(), str(description["output"]), description["column"], file)

    @property
    def graph(self) -> bytes:
        """The graph's bytes; of a model that was loaded, as its file has them."""
        if self._graph is not None:
            return self._graph
        assert self._file is not None
        return self._file.read_bytes()

    def require_equal(self, X: Numbers, expected: Numbers, tolerance: float, library: str) -> None:
        """Refuse the graph unless it predicts what the training library predicts; see `require_equal`."""
        require_equal(self, X, expected, tolerance, library)


@dataclass(frozen=True)
class BlendMember:
    """One model of a blend."""

    name: str
    """The model's name, which is its folder's name in the saved blend."""
    weight: float
    """Its share of the prediction, positive; the shares of a blend sum to one."""
    columns: tuple[tuple[int, int], ...]
    """The ranges `(start, stop)` of the blend's `n x d` features that this model was fitted on, in its own order."""
    model: Model
    """The fitted model."""

    def features(self, X: Numbers) -> Numbers:
        """Pick this member's columns of the blend's features."""
        parts = [X[:, start:stop] for start, stop in self.columns]
        return parts[0] if len(parts) == 1 else np.hstack(parts)


class BlendModel:
    """A weighted mean of other models' predictions, on the scale of training (binary: of probabilities).

    Examples
    --------
    >>> members = [BlendMember(name, 0.5, ((0, 1),), ConstantModel(value)) for name, value in (("a", 1.0), ("b", 2.0))]
    >>> BlendModel(members).predict(np.zeros((2, 3))).tolist()
    [1.5, 1.5]
    """

    format: ClassVar[str] = "blend"

    def __init__(self, members: Sequence[BlendMember]) -> None:
        self.members = tuple(members)

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        """Sum the members' predictions by their weights."""
        total = np.zeros(len(X), dtype=np.float64)
        for member in self.members:
            total += member.weight * member.model.predict(member.features(X))
        return total

    def save(self, folder: Path) -> None:
        """Write one JSON file and a folder per member."""
        members = []
        for member in self.members:
            (folder / member.name).mkdir()
            member.model.save(folder / member.name)
            columns = [list(bounds) for bounds in member.columns]
            members.append({"name": member.name, "weight": member.weight, "columns": columns})
        _describe(folder, {"format": self.format, "members": members})

    @classmethod
    def load(cls, folder: Path, description: Mapping[str, Json]) -> BlendModel:
        """Read every member back; none of them is a blend itself."""
        members = []
        for item in description["members"]:
            name = str(item["name"])
            if Path(name).name != name:
                raise BundleError(f"{folder}: expected a member's name, got {name!r}")
            columns = tuple((int(start), int(stop)) for start, stop in item["columns"])
            members.append(BlendMember(name, float(item["weight"]), columns, load_model(folder / name)))
        return cls(members)


_FORMATS: dict[str, type[ConstantModel | OnnxModel | ObliviousModel | BlendModel]] = {
    ConstantModel.format: ConstantModel,
    OnnxModel.format: OnnxModel,
    ObliviousModel.format: ObliviousModel,
    BlendModel.format: BlendModel,
}


def _describe(folder: Path, description: Mapping[str, Json]) -> None:
    (folder / DESCRIPTION).write_text(json.dumps(description, sort_keys=True) + "\n", encoding="utf-8")


def load_model(folder: Path) -> Model:
    """Load a saved model of any known format, without unpickling and without its training library.

    Raises
    ------
    BundleError
        When the description is missing or unreadable, or its format is not known.
    """
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        format_name = str(description["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: expected a model description with a 'format', got {error!r}") from error
    if format_name not in _FORMATS:
        raise BundleError(f"{path}: unknown model format {format_name!r}, expected one of {', '.join(_FORMATS)}")
    try:
        return _FORMATS[format_name].load(folder, description)
    except Exception as error:
        raise BundleError(f"{folder}: the {format_name} model cannot be loaded: {error}") from error
