"""Names for types that no checker can say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a delivery names `Json`, and has no NumPy
    from numpy.typing import NDArray

    Numbers = NDArray[Any]
else:
    Numbers = Any
"""Numbers of the type that suits their source: counts, tokens, measurements, in single or double precision."""
Json = Any
"""A value of JSON, or of YAML: its reader states and checks what it must be."""
