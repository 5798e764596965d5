"""A molecule as two parts that one bond joins: the constant part of a matched pair and the variable one.

Source: Hussain and Rea, J. Chem. Inf. Model. 2010, 50, 339, one bond at a time; which bonds, as RDKit's `rdMMPA`
chooses them. It is not called itself: of 562 cuts of sixty drugs it gives 496, others when the atoms are numbered
otherwise, and takes longer. A hydrogen may be the variable part, too.

Belongs here: cutting, and putting parts together again.
Does not belong here: what was measured for pairs (see `bundles/matched_pairs.py`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rdkit import Chem

MOST_VARIABLE_ATOMS = 10
"""Heavy atoms of a variable part; a larger one is no small change."""
MOST_CUT_BONDS = 40
"""Nothing is cut of a molecule that has more bonds to cut: those are peptides and polymers."""
_CUTTABLE = Chem.MolFromSmarts("[#6+0;!$(*=,#[!#6])]!@!=!#[*]")
HYDROGEN = "[*:1][H]"
_ATTACHED = "[*:1]"
_HEAVY = re.compile(r"Cl|Br|\[[^\]]*\]|[A-Zbcnops]")


class Cut(NamedTuple):
    """Both parts as SMILES, each with `[*:1]` where the other one was."""

    constant: str
    variable: str


def single_cuts(mol: Chem.Mol) -> tuple[Cut, ...]:
    """Return every cut of one acyclic single bond that takes a small part off a part as large or larger.

    Examples
    --------
    >>> sorted(single_cuts(Chem.MolFromSmiles("COc1ccccc1")))
    [Cut(constant='c1ccc(O[*:1])cc1', variable='C[*:1]'), Cut(constant='c1ccc([*:1])cc1', variable='CO[*:1]')]
    """
    bonds = [mol.GetBondBetweenAtoms(*ends).GetIdx() for ends in mol.GetSubstructMatches(_CUTTABLE)]
    found: dict[Cut, None] = {}
    for bond in bonds if len(bonds) <= MOST_CUT_BONDS else ():
        pieces = Chem.FragmentOnBonds(mol, [bond], dummyLabels=[(0, 0)])
        for atom in pieces.GetAtoms():
            if not atom.GetAtomicNum():
                atom.SetAtomMapNum(1)
        first, second = Chem.MolToSmiles(pieces).split(".")
        for constant, variable in ((first, second), (second, first)):
            small = heavy_atoms(variable)
            if small <= MOST_VARIABLE_ATOMS and small <= heavy_atoms(constant):
                found[Cut(constant, variable)] = None
    return tuple(found)


@lru_cache(maxsize=65_536)
def heavy_atoms(part: str) -> int:
    """Count the heavy atoms of a part.

    Examples
    --------
    >>> heavy_atoms("Clc1ccc([*:1])cc1"), heavy_atoms("[O-][N+](=O)[*:1]"), heavy_atoms(HYDROGEN)
    (7, 3, 0)
    """
    return sum(each not in (_ATTACHED, "[H]") for each in _HEAVY.findall(part))


def context(constant: str) -> str:
    """Return what a variable part hangs on: the symbol of that atom, small where it is aromatic, and of its neighbours.

    Examples
    --------
    >>> context("c1ccc([*:1])cc1"), context("c1ccc(O[*:1])cc1"), context("CNC[*:1]")
    ('c(cc)', 'O(c)', 'C(N)')
    """
    mol = Chem.MolFromSmiles(constant)
    star = next(each for each in mol.GetAtoms() if each.GetAtomMapNum())
    (atom,) = star.GetNeighbors()
    beside = sorted(_symbol(each) for each in atom.GetNeighbors() if each.GetIdx() != star.GetIdx())
    return f"{_symbol(atom)}({''.join(beside)})"


def with_hydrogen(constant: str) -> str | None:
    """Return the canonical SMILES of a constant part with a hydrogen in place of the variable one; none where it fails.

    Examples
    --------
    >>> with_hydrogen("c1ccc(O[*:1])cc1")
    'Oc1ccccc1'
    """
    mol = Chem.MolFromSmiles(constant.replace(_ATTACHED, "[H]"))
    return None if mol is None else str(Chem.MolToSmiles(mol))


def joined(constant: str, variable: str) -> str | None:
    """Put two parts together; none where that gives no molecule.

    Examples
    --------
    >>> joined("c1ccc([*:1])cc1", "F[*:1]"), joined("c1ccc(O[*:1])cc1", HYDROGEN)
    ('Fc1ccccc1', 'Oc1ccccc1')
    """
    if variable == HYDROGEN:
        return with_hydrogen(constant)
    parts = Chem.MolFromSmiles(f"{constant}.{variable}")
    if parts is None:
        return None
    whole = Chem.molzip(parts)
    try:
        Chem.SanitizeMol(whole)
    except ValueError:
        return None
    return str(Chem.MolToSmiles(whole))


def open_positions(mol: Chem.Mol) -> tuple[str, ...]:
    """Return the constant parts in which a hydrogen of a molecule is the variable one, equal positions once.

    Atoms with a configuration are passed over: it would not be clear which one is meant afterwards.

    Examples
    --------
    >>> open_positions(Chem.MolFromSmiles("Cc1ccncc1"))
    ('c1cc(C[*:1])ccn1', 'Cc1ccncc1[*:1]', 'Cc1ccnc([*:1])c1')
    """
    found: dict[str, None] = {}
    for atom in mol.GetAtoms():
        if not atom.GetTotalNumHs() or atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED:
            continue
        opened = Chem.RWMol(mol)
        here = opened.GetAtomWithIdx(atom.GetIdx())
        here.SetNumExplicitHs(max(0, here.GetNumExplicitHs() - 1))
        star = Chem.Atom(0)
        star.SetAtomMapNum(1)
        opened.AddBond(atom.GetIdx(), opened.AddAtom(star), Chem.BondType.SINGLE)
        try:
            Chem.SanitizeMol(opened)
        except ValueError:
            continue
        found[str(Chem.MolToSmiles(opened))] = None
    return tuple(found)


def differ_at_one_place(first: Chem.Mol, second: Chem.Mol) -> bool:
    """Return whether two molecules are a matched pair: one cut, or one hydrogen, makes them alike but for a small part.

    Examples
    --------
    >>> anisole, phenol, pyridine = map(Chem.MolFromSmiles, ("COc1ccccc1", "Oc1ccccc1", "c1ccncc1"))
    >>> differ_at_one_place(anisole, phenol), differ_at_one_place(phenol, pyridine)
    (True, False)
    """
    cuts, others = single_cuts(first), single_cuts(second)
    if {each.constant for each in cuts} & {each.constant for each in others}:
        return True
    bare = Chem.MolToSmiles(first), Chem.MolToSmiles(second)
    return any(with_hydrogen(each.constant) == bare[1] for each in cuts) or any(
        with_hydrogen(each.constant) == bare[0] for each in others
    )


def _symbol(atom: Chem.Atom) -> str:
    return str(atom.GetSymbol().lower() if atom.GetIsAromatic() else atom.GetSymbol())
