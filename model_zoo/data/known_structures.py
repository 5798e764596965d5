"""What structures are once they are standardised, remembered while a process lasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from model_zoo.chemistry.molecules import CURATION_LIMITS, InvalidMolecule, Standardise, molecule_key, parse_molecule

Standardised = tuple[str, str, str] | str
"""What was left out of a structure, its standardised SMILES and its identity; or why it is none."""
_known: dict[tuple[str, Standardise], Standardised] = {}
"""A table of many assays is standardised once, not once for each of them."""
MOST_KNOWN = 200_000


def remember(texts: Sequence[str], standardise: Standardise, found: Iterable[Standardised]) -> None:
    """Keep what structures are, found elsewhere, such as in other processes by `standardised`."""
    _known.update({(text, standardise): each for text, each in zip(texts, found, strict=True)})


def is_known(text: str, standardise: Standardise) -> bool:
    """Tell whether a structure was standardised before."""
    return (text, standardise) in _known


def known(text: str, standardise: Standardise) -> Standardised:
    """Standardise one structure, or remember what came of it."""
    found = _known.get((text, standardise))
    if found is None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        found = _known[text, standardise] = standardised(text, standardise)
    return found


def standardised(text: str, standardise: Standardise) -> Standardised:
    """Standardise one structure.

    Examples
    --------
    >>> standardised("CC(=O)[O-].[Na+]", Standardise())[1:]
    ('CC(=O)O', 'QTBSBXVTEAMEQO-UHFFFAOYSA-N')
    """
    molecule = parse_molecule(text, standardise, CURATION_LIMITS)
    if isinstance(molecule, InvalidMolecule):
        return f"{molecule.code}: {molecule.detail}"
    return "; ".join(note.detail for note in molecule.notes), molecule.smiles, molecule_key(molecule)
