"""Molecules as the inputs of MiniMol's network: atoms, bonds, and where each atom is in its molecule.

Eigenvectors of the Laplacian have no natural sign or, where eigenvalues repeat, basis, and the network is not blind to
that: what a solver returns depends on the order of atoms, and on the processor. Here both are chosen by a rule, over
atoms in RDKit's canonical order, so that a molecule has one embedding wherever it is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

_SYMBOLS = (
    "C N O S F Si P Cl Br Mg Na Ca Fe As Al I B V K Tl Yb Sb Sn Ag Pd Co Se Ti Zn H Li Ge Cu Au Ni Cd In Mn Zr Cr Pt "
    "Hg Pb"
)
ELEMENTS = tuple(_SYMBOLS.split())
GROUPS, PERIODS, VALENCES = 19, 7, 7
_FLAGS = 5
_ELEMENT = _FLAGS
_GROUP = _ELEMENT + len(ELEMENTS) + 1  # one more place in each block: anything else
_PERIOD = _GROUP + GROUPS + 1
_VALENCE = _PERIOD + PERIODS + 1
ATOM_WIDTH = _VALENCE + VALENCES + 1
BOND_TYPES = tuple(Chem.BondType.names[name] for name in ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC"))
STEREO = tuple(Chem.BondStereo.names[f"STEREO{name}"] for name in ("NONE", "ANY", "Z", "E", "CIS", "TRANS"))
BOND_WIDTH = len(BOND_TYPES) + 1 + len(STEREO) + 1 + 1
EIGENVECTORS, STEPS = 8, 16
REPEATED = 1e-8
"""Eigenvalues that are nearer to each other are the same one: over 800 drugs they differ by less than 1e-13 or by more
than 1e-4."""
DECIMALS = 9
"""To so many, parts of atoms are compared: symmetric atoms have equal ones but for the last bits."""
_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)
Arrays = dict[str, NDArray[np.float32] | NDArray[np.int64]]


def molecule_inputs(mol: Chem.Mol) -> Arrays:
    """Return the network's inputs for one molecule.

    Beside what the network takes from the molecule, the table `in_bonds` (`atoms x degree`) says which bonds lead to
    each atom, padded with the number of the row behind the last one.
    """
    mol = _in_order(mol)
    count = mol.GetNumAtoms()
    ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()], dtype=np.int64)
    ends = ends.reshape(-1, 2)
    links = np.zeros((count, count))
    links[ends[:, 0], ends[:, 1]] = links[ends[:, 1], ends[:, 0]] = 1
    values, vectors = _spectrum(links, Chem.GetMolFrags(mol))
    bonds = np.stack([ends, ends[:, ::-1]], axis=1).reshape(-1, 2).T  # each in both directions, side by side
    numbers: dict[str, NDArray[np.floating[Any]]] = {
        "feat": _atoms(mol),
        "edge_feat": np.repeat(_bonds(mol), 2, axis=0),
        "laplacian_eigvec": vectors,
        "laplacian_eigval": values,
        "rw_return_probs": _returns(links),
    }
    return {
        **{name: value.astype(np.float16).astype(np.float32) for name, value in numbers.items()},
        "edge_index": bonds,
        "batch": np.zeros(count, dtype=np.int64),
        "graph_slots": np.zeros(1, dtype=np.float32),
        "in_bonds": _padded(bonds[1], count),
    }


def _padded(places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return, for each of `count` places, the numbers of the items that belong to it, padded with `len(places)`."""
    held = np.bincount(places, minlength=count)
    table = np.full((count, max(1, held.max(initial=0))), len(places), dtype=np.int64)
    table[np.arange(table.shape[1]) < held[:, None]] = np.argsort(places, kind="stable")
    return table


def _in_order(mol: Chem.Mol) -> Chem.Mol:
    mol = Chem.RemoveHs(mol)
    ranks = Chem.CanonicalRankAtoms(mol, breakTies=True, includeChirality=True, includeIsotopes=True)
    return Chem.RenumberAtoms(mol, [int(atom) for atom in np.argsort(ranks)])


def _atoms(mol: Chem.Mol) -> NDArray[np.float32]:
    matrix = np.zeros((mol.GetNumAtoms(), ATOM_WIDTH), dtype=np.float32)
    for row, atom in zip(matrix, mol.GetAtoms(), strict=True):
        row[:_FLAGS] = (
            atom.GetTotalDegree() - 2,
            atom.GetFormalCharge(),
            atom.GetNumRadicalElectrons(),
            atom.GetIsAromatic(),
            atom.IsInRing(),
        )
        group, period = _place_in_table(atom.GetAtomicNum())
        row[_ELEMENT + _index(atom.GetSymbol(), ELEMENTS)] = 1
        row[_GROUP + group - 1] = 1
        row[_PERIOD + period - 1] = 1
        row[_VALENCE + min(atom.GetTotalValence(), VALENCES)] = 1
    return matrix


def _place_in_table(number: int) -> tuple[int, int]:
    """Return group and period of an element; lanthanides and actinides beyond the first are in a group 19.

    A dummy atom (number 0) is read as the last element, as in the network's training.

    Examples
    --------
    >>> [_place_in_table(number) for number in (1, 2, 6, 17, 26, 57, 58, 72)]
    [(1, 1), (18, 1), (14, 2), (17, 3), (8, 4), (3, 6), (19, 6), (4, 6)]
    """
    number = number or 118
    period = next(row for row, (_, last) in enumerate(pairwise(_NOBLE), start=1) if number <= last)
    column, width = number - _NOBLE[period - 1], _NOBLE[period] - _NOBLE[period - 1]
    if column <= 2 and number != 2:
        return column, period
    if width < 32:
        return 18 - (width - column), period
    return (3 if column == 3 else 19 if column <= 17 else column - 14), period


def _bonds(mol: Chem.Mol) -> NDArray[np.float32]:
    matrix = np.zeros((mol.GetNumBonds(), BOND_WIDTH), dtype=np.float32)
    for row, bond in zip(matrix, mol.GetBonds(), strict=True):
        row[_index(bond.GetBondType(), BOND_TYPES)] = 1
        row[len(BOND_TYPES) + 1 + _index(bond.GetStereo(), STEREO)] = 1
        row[-1] = bond.IsInRing()
    return matrix


def _index(value: object, known: Sequence[object]) -> int:
    return known.index(value) if value in known else len(known)


def _spectrum(
    links: NDArray[np.float64], fragments: Sequence[Sequence[int]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest eigenvalues and eigenvectors of the graph's Laplacian, fragment by fragment, zero where few.

    The network's authors took the signs that a general solver happens to give, which follow no rule (over 800 drugs
    each of seven rules agrees with 45 to 54 % of them), so any rule is as good.
    """
    values, vectors = np.zeros((len(links), EIGENVECTORS)), np.zeros((len(links), EIGENVECTORS))
    for fragment in fragments:
        rows = np.array(fragment)
        part = links[np.ix_(rows, rows)]
        found, basis = np.linalg.eigh(np.diag(part.sum(axis=1)) - part)
        lowest = found <= found[:EIGENVECTORS][-1] + REPEATED
        spaces = np.split(basis[:, lowest], np.flatnonzero(np.diff(found[lowest]) > REPEATED) + 1, axis=1)
        chosen = np.hstack([_basis(space) for space in spaces])[:, :EIGENVECTORS]
        values[rows, : chosen.shape[1]] = found[: chosen.shape[1]]
        vectors[rows, : chosen.shape[1]] = chosen
    return values, vectors


def _basis(space: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the orthonormal basis of a space, given by any other, that starts at the atoms that have most of it.

    Each vector is what the space, less the vectors before, has of the atom with the largest part in it, where it is
    positive; of equal ones the first atom counts.
    """
    projector, vectors = space @ space.T, []
    for _ in range(space.shape[1]):
        atom = int(np.argmax(np.round(np.diagonal(projector), DECIMALS)))
        vectors.append(projector[:, atom] / np.sqrt(projector[atom, atom]))
        projector = projector - np.outer(vectors[-1], vectors[-1])
    return np.stack(vectors, axis=1)


def _returns(links: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each atom's probability of return after 1 to 16 random steps, `atoms x 16`; 1 without neighbours."""
    if len(links) == 1:
        return np.ones((1, STEPS))
    degrees = links.sum(axis=1, keepdims=True)
    step = links / np.maximum(degrees, 1)
    walks = [step]
    while len(walks) < STEPS // 2:
        walks.append(walks[-1] @ step)
    first = [np.diagonal(walk) for walk in walks]
    second = [np.einsum("ij,ji->i", walks[-1], walk) for walk in walks]
    return np.stack([*first, *second], axis=1)
