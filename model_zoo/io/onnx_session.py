"""How ONNX graphs are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from model_zoo.type_aliases import Numbers


class Session(Protocol):
    """What is used of a session of ONNX Runtime, which has no types."""

    get_inputs: Any

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Numbers]) -> list[Numbers]:
        """Return the named outputs."""


def open_session(graph: bytes) -> Session:
    """Open a session of ONNX Runtime on a graph, on one thread: requests and molecules run side by side already."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return cast(Session, onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]))
