"""Molecules with one atom made unknown: what a feature, or a prediction, loses without that atom.

The way for featurizers that do not report where their numbers come from, and for models other than trees.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo import policies
from model_zoo.chemistry.molecules import Molecule
from model_zoo.type_aliases import Numbers


def masked(molecule: Molecule) -> list[Molecule]:
    """Return the molecule once per atom, that atom replaced by a dummy with the same bonds."""
    return [_without(molecule.mol, index) for index in range(molecule.mol.GetNumAtoms())]


def parts(feature: str, molecule: Molecule, x: Numbers, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the part of each of `n` atoms in each of `k` columns, `n x k`: what the number loses without it."""
    return np.asarray(x[columns].astype(np.float64) - masked_features(feature, molecule.smiles)[:, columns])


@lru_cache(maxsize=64)
def masked_features(feature: str, smiles: str) -> Numbers:
    """Return the features of a molecule without each of its `n` atoms, `n x d`; endpoints share the work.

    Where a featurizer cannot read the molecule without an atom, that row is the whole molecule's: nothing is lost.
    """
    molecule, featurizer = Molecule(smiles, Chem.MolFromSmiles(smiles)), policies.featurizer(feature)
    rows = []
    for each in masked(molecule):
        try:
            rows.append(featurizer.featurize([each])[0])
        except (RuntimeError, ValueError):  # RDKit cannot kekulise some rings with a dummy in them
            rows.append(featurizer.featurize([molecule])[0])
    result = np.array(rows)
    result.setflags(write=False)
    return result


def _without(mol: Chem.Mol, index: int) -> Molecule:
    editable = Chem.RWMol(mol)
    atom = editable.GetAtomWithIdx(index)
    atom.SetAtomicNum(0)
    atom.SetFormalCharge(0)
    atom.SetNoImplicit(True)  # noqa: FBT003  RDKit's own signature
    atom.SetNumExplicitHs(0)
    atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    result = editable.GetMol()
    result.UpdatePropertyCache(strict=False)
    return Molecule(Chem.MolToSmiles(result), result)
