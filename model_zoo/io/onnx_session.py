"""How ONNX graphs are run."""

from __future__ import annotations

from typing import Any


def open_session(graph: bytes) -> Any:
    """Open a session of ONNX Runtime on a graph, on one thread: requests and molecules run side by side already."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
