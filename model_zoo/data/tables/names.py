"""Names of columns, each once."""

from __future__ import annotations

from collections.abc import Sequence


def unique(names: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """Return every column a name of its own: a later one of the same name gets a number, an empty one its place.

    Examples
    --------
    >>> unique(["id", "value", "value", ""], taken=["id"])
    ('id_2', 'value', 'value_2', 'column_4')
    """
    used, given = set(taken), []
    for place, raw in enumerate(names, start=1):
        base = raw.strip() or f"column_{place}"
        name, number = base, 2
        while name in used:
            name, number = f"{base}_{number}", number + 1
        used.add(name)
        given.append(name)
    return tuple(given)


def numbered(width: int) -> tuple[str, ...]:
    """Name the columns of a table without a header by their places.

    Examples
    --------
    >>> numbered(2)
    ('column_1', 'column_2')
    """
    return tuple(f"column_{place}" for place in range(1, width + 1))
