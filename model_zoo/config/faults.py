"""What is at fault in a YAML file, in words: the key as it is there, what was expected, and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from pydantic import BaseModel

from model_zoo.io.strict_yaml import hint, plain

_BRANCHES = ("str", "SourceFile", "literal[", "constrained-", "float", "tuple[")


def fault(detail: Any, schema: type[BaseModel], where: Callable[[str], str] = str) -> str:
    """Say in one line what is at fault, from what pydantic found: key, what was expected, what came.

    Parameters
    ----------
    detail, schema
        What pydantic found, and of what.
    where
        Gives the key as it is in the file, where that is laid out otherwise than the schema.
    """
    place, known = _place(detail["loc"], schema)
    key = where(place)
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key, expected one of {', '.join(known)}"
    if detail["type"] == "union_tag_not_found":
        return f"{key}.kind: missing, expected one of {', '.join(_kinds(schema.model_fields[place].annotation))}"
    if detail["type"] == "union_tag_invalid":
        return f"{key}.kind: expected one of {detail['ctx']['expected_tags']}, got {detail['ctx']['tag']!r}"
    if detail["type"] == "missing":
        return f"{key}: missing, expected a value"
    message = str(detail["msg"]).removeprefix("Value error, ")
    came = f", got {plain(detail['input'])!r}" if place and not isinstance(detail["input"], dict) else ""
    return f"{key}: {message}{came}{hint(detail['input'])}" if key else message


def _place(location: tuple[str | int, ...], schema: type[BaseModel]) -> tuple[str, tuple[str, ...]]:
    """Return a fault's key path as it is in the file, and the keys that are known where its last part is."""
    path: list[str] = []
    known: tuple[str, ...] = ()
    holder: Any = schema
    for part in location:
        if holder is None and str(part).startswith(_BRANCHES):
            continue  # names one of several types that a value may have, no key of the file
        if part in _kinds(holder):
            holder = _kinds(holder)[str(part)]  # names one of several schemas, no key of the file
            continue
        fields = getattr(holder, "model_fields", {})
        path.append(str(part))
        known = tuple(fields)
        holder = fields[part].annotation if part in fields else None
    return ".".join(path), known


def _kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """Return the schemas that a key `kind` chooses from, by its value; empty where there is no choice."""
    schemas = [item for item in get_args(annotation) if isinstance(item, type) and issubclass(item, BaseModel)]
    named = [item for item in schemas if "kind" in item.model_fields]
    return {kind: item for item in named for kind in get_args(item.model_fields["kind"].annotation)}
