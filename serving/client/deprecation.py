"""Fields of answers that are deprecated: reading one warns."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
PRINTING = ("dataclasses", "pprint")
"""Modules that read every field of a value, to print, copy or serialise it."""


def deprecated(name: str, instead: str) -> Callable[[type[T]], type[T]]:
    """Make a dataclass warn where this field of its is read.

    Making, printing, comparing, copying and serialising a value do not warn: nobody asks for the field there.
    """

    def decorated(kind: type[T]) -> type[T]:
        setattr(kind, name, _Field(name, instead, kind.__module__))
        return kind

    return decorated


class _Field:
    """Keeps the field where it was, in the value's own dictionary."""

    def __init__(self, name: str, instead: str, module: str) -> None:
        self._name, self._silent = name, (*PRINTING, module)  # a dataclass' own methods belong to its module
        self._message = f"`{name}` is deprecated, and works until the next major version: use {instead}"

    def __get__(self, value: object | None, kind: type | None = None) -> Any:
        if value is None:  # as of any field without a default
            raise AttributeError(self._name)
        if sys._getframe(1).f_globals.get("__name__") not in self._silent:  # noqa: SLF001  who reads it
            warnings.warn(self._message, DeprecationWarning, stacklevel=2)
        return vars(value)[self._name]

    def __set__(self, value: object, content: object) -> None:
        vars(value)[self._name] = content
