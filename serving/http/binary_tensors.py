"""Binary tensors beside the JSON of a request, as clients of the Open Inference Protocol send them.

The header `Inference-Header-Content-Length` says where the JSON ends; behind it lie the tensors that say their
`binary_data_size`, in order. An element of a BYTES tensor is its length, four bytes little-endian, and its bytes.

Source: the protocol's extension "binary tensor data".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from model_zoo.type_aliases import Json
from serving.http.problems import ProblemError

HEADER = "inference-header-content-length"
_LENGTH = struct.Struct("<I")


def split(body: bytes, length: str) -> tuple[bytes, bytes]:
    """Split a body into JSON and what follows.

    Raises
    ------
    ProblemError
        `malformed-request`, when the header is no length that fits.
    """
    size = int(length) if length.isdecimal() and len(length) < 12 else -1
    if not 0 <= size <= len(body):
        raise ProblemError("malformed-request", f"{HEADER}: expected 0 to {len(body)}, the bytes that came")
    return body[:size], body[size:]


def with_data(request: Json, rest: bytes) -> Json:
    r"""Return a decoded request with the data of its binary inputs in place.

    Raises
    ------
    ProblemError
        `malformed-request`, when the bytes are not what the inputs say.

    Examples
    --------
    >>> with_data({"inputs": [{"datatype": "BYTES", "parameters": {"binary_data_size": 7}}]}, b"\x03\0\0\0CCO")
    {'inputs': [{'datatype': 'BYTES', 'parameters': {'binary_data_size': 7}, 'data': ['CCO']}]}
    """
    inputs = request.get("inputs") if isinstance(request, dict) else None
    for tensor in inputs if isinstance(inputs, list) else ():
        parameters = tensor.get("parameters") if isinstance(tensor, dict) else None
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            continue
        if not isinstance(size, int) or not 0 <= size <= len(rest) or tensor.get("datatype") != "BYTES":
            raise ProblemError(
                "malformed-request", f"binary_data_size: expected a BYTES tensor of up to {len(rest)} bytes"
            )
        tensor["data"] = list(_texts(rest[:size]))
        rest = rest[size:]
    if rest:
        raise ProblemError("malformed-request", f"{len(rest)} bytes are left that belong to no input")
    return request


def _texts(content: bytes) -> Iterator[str]:
    at = 0
    while at < len(content):
        if at + _LENGTH.size > len(content):
            raise ProblemError("malformed-request", "binary data: expected the length of an element in four bytes")
        (size,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        if at + size > len(content):
            raise ProblemError("malformed-request", f"binary data: an element of {size} bytes is cut off")
        try:
            yield content[at : at + size].decode()
        except UnicodeDecodeError as error:
            raise ProblemError("malformed-request", "binary data: expected texts in UTF-8") from error
        at += size
