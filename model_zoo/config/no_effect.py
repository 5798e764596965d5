"""What a file says of endpoints or models that do not exist: of one that was removed, or of a misspelt one.

This is a warning and no error, so that removing an endpoint's file, or a model's, needs no other edit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path


def of_no_effect(file: Path, what: str, named: Mapping[str, Sequence[str]], known: Collection[str]) -> list[str]:
    """Warn of the endpoints, or models, that a file names, by key, and that are not there."""
    warnings = []
    for key, name in ((key, name) for key, names in named.items() for name in names):
        if name not in known:
            alike = get_close_matches(name, known, n=1)
            meant = f"; did you mean {alike[0]!r}?" if alike else ""
            warnings.append(f"{file}: {key}: there is no {what} {name!r}, so this is of no effect{meant}")
    return warnings
