"""Structures of raw tables in their standard form, each found once.

A table of many assays is standardised once, not once for each of them; a large one in several processes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rdkit import Chem

from model_zoo.chemistry.molecules import (
    CURATION_LIMITS,
    InvalidMolecule,
    Standardise,
    molecule_key,
    parse_molecule,
    weight_as_written,
)
from model_zoo.io.processes import spread

if TYPE_CHECKING:
    import pandas as pd

WORTH_PROCESSES, CHUNK = 2_000, 100
"""Structures that are worth starting processes for, and how many each gets at once."""
CONNECTIVITY = 14
"""The first 14 characters of an InChIKey name a molecule without its stereochemistry."""
MOST_KNOWN = 200_000
"""Structures above which what is known is forgotten before another one is found."""

Standardised = tuple[str, str, str] | str
"""What was left out of a structure, its standardised SMILES and its identity; or why it is none."""
_known: dict[tuple[str, Standardise], Standardised] = {}


def standardised(text: str, standardise: Standardise) -> Standardised:
    """Standardise one structure, or find what was found before.

    Examples
    --------
    >>> standardised("CC(=O)[O-].[Na+]", Standardise())[1:]
    ('CC(=O)O', 'QTBSBXVTEAMEQO-UHFFFAOYSA-N')
    """
    known = _known.get((text, standardise))
    if known is None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        known = _known[text, standardise] = _standardise(text, standardise)
    return known


def weight_of_one(text: str, standardise: Standardise) -> float:
    """Return what was weighed for one mol of the molecule that is meant: of a salt with two of them, half of it.

    Examples
    --------
    >>> acid = Standardise()
    >>> round(weight_of_one("CC(=O)[O-].CC(=O)[O-].[Ca+2]", acid), 2), round(weight_of_one("CC(=O)[O-].[Na+]", acid), 2)
    (79.08, 82.03)
    """
    weight, whole = weight_as_written(text), standardised(text, standardise)
    if "." not in text or isinstance(whole, str):
        return weight
    parts = (Chem.MolToSmiles(part) for part in Chem.GetMolFrags(Chem.MolFromSmiles(text), asMols=True))
    alone = [standardised(part, standardise) for part in parts]
    same = [each for each in alone if not isinstance(each, str) and each[2][:CONNECTIVITY] == whole[2][:CONNECTIVITY]]
    return weight / max(1, len(same))


def standardise_all(raw: pd.DataFrame, standardise: Standardise, processes: int) -> None:
    """Standardise what has a value in a raw table, on several processes if it is much, for `standardised` to find."""
    if processes < 2 or len(raw) < WORTH_PROCESSES:
        return
    wanted = raw.loc[(raw["value"] != "") & (raw["excluded"] == ""), "smiles"]
    texts = [str(text) for text in dict.fromkeys(wanted) if (str(text), standardise) not in _known]
    if len(texts) < WORTH_PROCESSES:
        return
    found = spread(partial(_standardise, standardise=standardise), texts, processes, least=WORTH_PROCESSES, chunk=CHUNK)
    _known.update({(text, standardise): each for text, each in zip(texts, found, strict=True)})


def _standardise(text: str, standardise: Standardise) -> Standardised:
    molecule = parse_molecule(text, standardise, CURATION_LIMITS)
    if isinstance(molecule, InvalidMolecule):
        return f"{molecule.code}: {molecule.detail}"
    return "; ".join(note.detail for note in molecule.notes), molecule.smiles, molecule_key(molecule)
