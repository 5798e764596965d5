"""An ONNX graph in the making, for models that write their predictions as operators."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from model_zoo.type_aliases import Json


class OnnxGraph:
    """Nodes and constants; names are numbers.

    Examples
    --------
    >>> graph = OnnxGraph()
    >>> graph.add("Neg", graph.constant(np.float64(1)))
    'n0'
    """

    def __init__(self) -> None:
        from onnx import TensorProto

        self.types = TensorProto
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: ArrayLike, dtype: DTypeLike | None = None) -> str:
        """Add a constant, of NumPy's own type when none is named; give its name, by which a node takes it."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype=dtype, order="C"), name))
        return name

    def unpacked(self, bits: NDArray[np.bool_]) -> str:
        """Add `n x m` bits as bytes of 0 and 1, which a file holds eight at a time and a session unpacks once."""
        rows, columns = bits.shape
        packed = self.constant(np.packbits(bits, axis=1)[:, :, None])
        shifted = self.add("BitShift", packed, self.constant(np.arange(7, -1, -1, dtype=np.uint8)), direction="RIGHT")
        single = self.add("BitwiseAnd", shifted, self.constant(np.uint8(1)))
        wide = self.add("Reshape", single, self.constant(np.array([rows, -1])))
        return self.add("Slice", wide, *(self.constant(np.array([bound])) for bound in (0, columns, 1)))

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Json) -> str:
        """Add a node; give the name of its one output."""
        from onnx import helper

        output = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def columns(self, matrix: str, start: int, stop: int) -> str:
        """Pick the columns `start` to `stop`."""
        return self.add("Slice", matrix, *(self.constant([bound]) for bound in (start, stop, 1)))

    def serialized(
        self,
        name: str,
        columns: int,
        kind: int,
        shape: tuple[str | int, ...],
        opsets: Mapping[str, int] = MappingProxyType({"": 18}),
    ) -> bytes:
        """Return the file of the graph from `n x columns` features `X` to `y` of a type and shape.

        The operators are those of a version of each of their domains.
        """
        from onnx import helper

        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("X", self.types.FLOAT, ("n", columns))],
            [helper.make_tensor_value_info("y", kind, shape)],
            self.constants,
        )
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        return bytes(model.SerializeToString())
