"""Names of drugs, looked up in the list that is installed with the package; no network, no other source."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("drug_names.tsv")
"""A name and its SMILES per line, from B3DB (CC0-1.0); made and checked by `tests/drug_names.py`."""


LONGEST = 40
"""Longer names are not compared with all others."""


class Drug(NamedTuple):
    """A drug of the list."""

    name: str
    smiles: str


def find_drug(name: str) -> Drug | None:
    """Find a drug by its name; none where the list does not have it.

    Examples
    --------
    >>> find_drug(" Aspirin "), find_drug("unobtainium")
    (Drug(name='aspirin', smiles='CC(=O)Oc1ccccc1C(=O)O'), None)
    """
    plain = plain_name(name)
    smiles = _drugs().get(plain)
    return None if smiles is None else Drug(plain, smiles)


@cache
def every_drug() -> tuple[Drug, ...]:
    """Return every drug of the list once, under the first of its names that begins with a letter."""
    named: dict[str, str] = {}
    for name, smiles in sorted(_drugs().items(), key=lambda each: (not each[0][0].isalpha(), each[0])):
        named.setdefault(smiles, name)
    return tuple(Drug(name, smiles) for smiles, name in named.items())


def count() -> int:
    """Return how many names the list has."""
    return len(_drugs())


def similar(name: str) -> str:
    """Return the name of the list that a misspelt one is most like; empty where none is near.

    Examples
    --------
    >>> similar("ibuprofin"), similar("xyz")
    ('ibuprofen', '')
    """
    if len(name) > LONGEST:
        return ""
    found = get_close_matches(plain_name(name), _drugs(), 1, 0.84)
    return found[0] if found else ""


def plain_name(name: str) -> str:
    """Write a name in the one way in which names are compared.

    Examples
    --------
    >>> plain_name("  Acetylsalicylic   ACID")
    'acetylsalicylic acid'
    """
    return re.sub(r"\s+", " ", name).strip().casefold()


@cache
def _drugs() -> dict[str, str]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {name: smiles for name, _, smiles in (line.partition("\t") for line in lines)}
