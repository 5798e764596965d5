"""Structural alerts: substructures that chemists distrust, found by RDKit's own catalogues.

An alert is a reason to look, not a prediction.

Sources: PAINS, Baell & Holloway, J. Med. Chem. 2010, 53, 2719; Brenk et al., ChemMedChem 2008, 3, 435.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rdkit import Chem

CATALOGUES = ("PAINS", "Brenk")


@dataclass(frozen=True, slots=True)
class Alert:
    """One place in a molecule that matches an alert."""

    name: str
    """The catalogue's name of the substructure."""
    catalogue: str
    """`PAINS` or `Brenk`."""
    atoms: tuple[int, ...]
    """Indices of the matching atoms, ascending."""


def find_alerts(mol: Chem.Mol) -> tuple[Alert, ...]:
    """Return every alert of a molecule, in the order of the catalogues; the same place twice counts once.

    Examples
    --------
    >>> [(alert.name, alert.catalogue) for alert in find_alerts(Chem.MolFromSmiles("O=Cc1ccccc1"))]
    [('aldehyde', 'Brenk')]
    """
    found = {
        Alert(entry.GetDescription(), _catalogue_name(entry), atoms): None
        for entry in _catalogue().GetMatches(mol)
        for match in entry.GetFilterMatches(mol)
        for atoms in _places(mol, match)
    }
    return tuple(sorted(found, key=lambda alert: CATALOGUES.index(alert.catalogue)))


@lru_cache(maxsize=1)
def _catalogue() -> Any:
    from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

    choice = FilterCatalogParams()
    choice.AddCatalog(FilterCatalogParams.FilterCatalogs.PAINS)
    choice.AddCatalog(FilterCatalogParams.FilterCatalogs.BRENK)
    return FilterCatalog(choice)


def _places(mol: Chem.Mol, match: Any) -> list[tuple[int, ...]]:
    """Return every place of a match; the catalogue itself reports the first one only."""
    pattern = match.filterMatch.GetPattern()
    return sorted(tuple(sorted(atoms)) for atoms in mol.GetSubstructMatches(pattern))


def _catalogue_name(entry: Any) -> str:
    """Return the catalogue of an entry; RDKit distinguishes three parts of PAINS, readers do not."""
    name = str(entry.GetProp("FilterSet"))
    return "PAINS" if name.startswith("PAINS") else name
