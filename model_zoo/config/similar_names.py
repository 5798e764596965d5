"""Which known name somebody may have meant who wrote another one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: a known one that is like it, or nothing.

    Examples
    --------
    >>> did_you_mean("Solubility LogS", ["solubility_logs", "herg_pic50"])
    "; did you mean 'solubility_logs'?"
    >>> did_you_mean("xyz", ["herg_pic50"])
    ''
    """
    plain = {_plain(each): each for each in known}
    alike = get_close_matches(_plain(name), plain, n=1)
    return f"; did you mean {plain[alike[0]]!r}?" if alike else ""


def _plain(name: str) -> str:
    return "_".join(name.casefold().replace("-", "_").split())
