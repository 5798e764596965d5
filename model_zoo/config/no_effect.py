"""What a file says of endpoints or models that do not exist: of one that was removed, or of a misspelt one.

This is a warning and no error, so that removing an endpoint's file, or a model's, needs no other edit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from model_zoo.config.similar_names import did_you_mean


def of_no_effect(file: Path, what: str, named: Mapping[str, Sequence[str]], known: Collection[str]) -> list[str]:
    """Warn of the endpoints, or models, that a file names, by key, and that are not there."""
    warnings = []
    for key, name in ((key, name) for key, names in named.items() for name in names):
        if name not in known:
            meant = did_you_mean(name, known)
            warnings.append(f"{file}: {key}: there is no {what} {name!r}, so this is of no effect{meant}")
    return warnings
