"""Molecule to numbers: one module per featurizer, found by its name.

Belongs here: looking a featurizer up and joining several into one matrix.
Does not belong here: imports of single featurizers. They are found by name at run time, so that a
change to one featurizer reaches the signatures of only those models that use it.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.molecules import Molecule
from model_zoo.errors import ConfigError
from model_zoo.type_aliases import Numbers


class Featurizer(Protocol):
    """What a module in this package offers: one pure function."""

    def featurize(self, molecules: Sequence[Molecule]) -> Numbers:
        """Return an `n x d` matrix, a row per molecule in the order given, `d` fixed by the module."""


class KnownWidth(Protocol):
    """What every module says besides: how many numbers it gives. Apart, for features are signed with `Featurizer`."""

    WIDTH: int


@runtime_checkable
class TellsAtoms(Protocol):
    """What a module offers besides when it knows which atoms its numbers come from."""

    def atom_parts(self, molecule: Molecule, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the part of each of `n` atoms in each of `k` columns, `n x k`; zeros where it is no sum."""


def names() -> list[str]:
    """List every featurizer, by file name, without importing any."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def get(name: str) -> Featurizer:
    """Find a featurizer by its name.

    Raises
    ------
    ConfigError
        When no module has that name.
    """
    if name not in names():
        raise ConfigError(f"unknown featurizer {name!r}: expected one of {', '.join(names())}")
    return cast(Featurizer, importlib.import_module(f"{__name__}.{name}"))


def width(name: str) -> int:
    """Say how many numbers a featurizer gives, without computing any.

    Examples
    --------
    >>> width("morgan_count")
    1024
    """
    return cast(KnownWidth, get(name)).WIDTH


def join(blocks: Sequence[Numbers]) -> Numbers:
    """Put feature blocks of the same molecules side by side.

    A single block keeps its own dtype (tokens are integers); several become `float32`.

    Examples
    --------
    >>> join([np.ones((2, 1)), np.zeros((2, 2))]).shape
    (2, 3)
    """
    return blocks[0] if len(blocks) == 1 else np.hstack([block.astype(np.float32) for block in blocks])


def columns(widths: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Say where each block is in a joined matrix: the range `(start, stop)` of its columns, by name.

    Examples
    --------
    >>> columns({"a": 3, "b": 2})
    {'a': (0, 3), 'b': (3, 5)}
    """
    ends = list(itertools.accumulate(widths.values()))
    return {name: (end - width, end) for (name, width), end in zip(widths.items(), ends, strict=True)}


def featurize(features: Sequence[str], molecules: Sequence[Molecule]) -> Numbers:
    """Compute the named blocks for molecules and join them, `n x d`.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> featurize(["morgan_count"], [parse_molecule("CCO")]).shape
    (1, 1024)
    """
    return join([get(name).featurize(molecules) for name in features])
