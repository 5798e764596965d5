"""Atoms whose values sum up to a descriptor of the whole molecule.

Descriptors that are no such sum belong to the molecule as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Fragments, Lipinski, rdMolDescriptors
from rdkit.Chem.EState.EState_VSA import estateBins, vsaBins
from rdkit.Chem.MolSurf import chgBins, logpBins, mrBins

from model_zoo.chemistry.molecules import Molecule
from model_zoo.featurizers._rdkit_descriptors.graph import Graph
from model_zoo.featurizers._rdkit_descriptors.surface import OUTER_ELECTRONS, states

Floats = NDArray[np.float64]

_HYDROGEN = 1.008
_AMIDE = Chem.MolFromSmarts("C(=[O;!R])N")
_ROTATABLE = Lipinski.RotatableBondSmarts
_PATTERNS = {"NumHAcceptors": Lipinski.HAcceptorSmarts, "NumHDonors": Lipinski.HDonorSmarts}
_BINS: dict[str, tuple[str, str, Floats]] = {
    "PEOE_VSA": ("charge", "surface", np.array(chgBins)),
    "SMR_VSA": ("refractivity", "surface", np.array(mrBins)),
    "SlogP_VSA": ("logp", "surface", np.array(logpBins)),
    "EState_VSA": ("state", "surface", np.array(estateBins)),
    "VSA_EState": ("surface", "state", np.array(vsaBins)),
}


def parts(molecule: Molecule, names: Sequence[str]) -> Floats:
    """Return the part of each of `n` atoms in each of `k` descriptors, by RDKit's names, `n x k`.

    Those that are no sums over atoms get zeros.
    """
    known = Parts(molecule.mol)
    result = np.zeros((molecule.mol.GetNumAtoms(), len(names)))
    for number, name in enumerate(names):
        part = known.of(name)
        if part is not None:
            result[:, number] = np.nan_to_num(part, posinf=0.0, neginf=0.0)
    return result


class Parts:
    """The parts that the atoms of one molecule have in its descriptors."""

    def __init__(self, mol: Chem.Mol) -> None:
        self._mol = Chem.Mol(mol)
        self._graph = Graph(self._mol)
        self._atoms = [self._mol.GetAtomWithIdx(index) for index in range(self._mol.GetNumAtoms())]
        self._known: dict[str, Floats | None] = {}

    def of(self, name: str) -> Floats | None:
        """Return the part of each of `n` atoms in a descriptor, by RDKit's name; none where it is no sum over atoms."""
        if name not in self._known:
            self._known[name] = self._compute(name)
        return self._known[name]

    def _compute(self, name: str) -> Floats | None:
        simple = _SIMPLE.get(name)
        if simple is not None:
            return simple(self)
        if name in _PATTERNS:
            return self._matches(_PATTERNS[name])
        if name in _fragments():
            return self._matches(_fragments()[name])
        family = name.rstrip("0123456789")
        if family in _BINS and name != family:
            return self._bin(family, int(name[len(family) :]) - 1)
        if name in _RINGS:
            return self._rings(_RINGS[name])
        return None

    def _per_atom(self, value: Callable[[Chem.Atom], float]) -> Floats:
        return np.array([float(value(atom)) for atom in self._atoms])

    @cached_property
    def _hydrogens(self) -> Floats:
        return self._per_atom(lambda atom: atom.GetTotalNumHs())

    def _with_hydrogens(self, values: list[float]) -> Floats:
        """Add to each atom the values of its hydrogens, which follow the atoms in the order of these."""
        result = np.array(values[: len(self._atoms)])
        owners = np.repeat(np.arange(len(self._atoms)), self._implicit)
        np.add.at(result, owners, values[len(self._atoms) :])
        return result

    @cached_property
    def _implicit(self) -> NDArray[np.int_]:
        """How many hydrogens each atom gets when all are written out."""
        return np.array([atom.GetTotalNumHs() for atom in self._atoms], dtype=int)

    @cached_property
    def logp(self) -> Floats:
        """Each atom's part in Crippen's logP, with its hydrogens."""
        return self._with_hydrogens(self._graph.lipophilicities[0])

    @cached_property
    def refractivity(self) -> Floats:
        """Each atom's part in Crippen's molar refractivity, with its hydrogens."""
        return self._with_hydrogens(self._graph.lipophilicities[1])

    @cached_property
    def surface(self) -> Floats:
        """Each atom's part in Labute's surface area."""
        return np.array(list(rdMolDescriptors._CalcLabuteASAContribs(self._mol, True)[0]))  # noqa: FBT003, SLF001

    @cached_property
    def polar(self) -> Floats:
        """Each atom's part in the topological polar surface area."""
        return np.array(list(rdMolDescriptors._CalcTPSAContribs(self._mol)))  # noqa: SLF001

    @cached_property
    def _bin_values(self) -> dict[str, Floats]:
        logp, refractivity = (np.array(values[: len(self._atoms)]) for values in self._graph.lipophilicities)
        return {
            "charge": np.array(self._graph.charges),
            "refractivity": refractivity,
            "logp": logp,
            "state": states(self._graph),
            "surface": self.surface,
        }

    def _bin(self, family: str, number: int) -> Floats:
        by, what, edges = _BINS[family]
        inside = np.searchsorted(edges, self._bin_values[by], side="right") == number
        return np.where(inside, self._bin_values[what], 0.0)

    def _matches(self, pattern: Chem.Mol) -> Floats:
        result = np.zeros(len(self._atoms))
        for match in self._mol.GetSubstructMatches(pattern):
            result[list(match)] += 1.0 / len(match)
        return result

    def _rings(self, wanted: tuple[str | None, bool | None]) -> Floats:
        kind, hetero = wanted
        result = np.zeros(len(self._atoms))
        info = self._mol.GetRingInfo()
        for atoms, bonds in zip(info.AtomRings(), info.BondRings(), strict=True):
            aromatic = all(self._mol.GetBondWithIdx(bond).GetIsAromatic() for bond in bonds)
            saturated = all(
                self._mol.GetBondWithIdx(bond).GetBondTypeAsDouble() == 1.0 for bond in bonds
            )  # an aliphatic ring has a bond that is not aromatic
            has_hetero = any(self._atoms[atom].GetAtomicNum() != 6 for atom in atoms)
            fits = {None: True, "aromatic": aromatic, "aliphatic": not aromatic, "saturated": saturated}[kind]
            if fits and hetero in (None, has_hetero):
                result[list(atoms)] += 1.0 / len(atoms)
        return result

    def mass(self) -> Floats:
        """Each atom's mass with its hydrogens."""
        return np.array(self._graph.masses) + _HYDROGEN * self._hydrogens

    def ends_of(self, pattern: Chem.Mol) -> Floats:
        """Count how many matches of a pattern begin or end at each atom."""
        result = np.zeros(len(self._atoms))
        for match in self._mol.GetSubstructMatches(pattern):
            result[[match[0], match[-1]]] += 0.5
        return result

    def where(self, holds: Callable[[Chem.Atom], bool]) -> Floats:
        """Return 1 for the atoms for which something holds."""
        return self._per_atom(holds)

    def outer_electrons(self) -> Floats:
        """Each atom's valence electrons, with those of its hydrogens."""
        outer = self._per_atom(lambda atom: OUTER_ELECTRONS[atom.GetAtomicNum()] - atom.GetFormalCharge())
        return np.asarray(outer + self._hydrogens)

    def connectivity(self, kind: str, bonds: int) -> Floats:
        """Return each atom's part in a connectivity index over single atoms (0 bonds) or single bonds (1).

        Source of the three kinds (plain, `n`, `v`): Hall & Kier, Rev. Comput. Chem. 1991, 2, 367.
        """
        if kind:
            number = self._per_atom(lambda atom: atom.GetAtomicNum())
            valence = self._per_atom(lambda atom: OUTER_ELECTRONS[atom.GetAtomicNum()]) - self._hydrogens
            inner = np.where(number > 10, number - valence - self._hydrogens - 1, 1.0)
            delta = valence if kind == "n" else valence / np.maximum(inner, 1.0)
        else:
            delta = self._per_atom(lambda atom: atom.GetDegree())
        root = np.divide(1.0, np.sqrt(np.abs(delta)), out=np.zeros(len(delta)), where=delta != 0)
        if not bonds:
            return root
        result = np.zeros(len(delta))
        for begin, end in self._graph.ends:
            result[[begin, end]] += root[begin] * root[end] / 2
        return result

    def polar_hydrogens(self) -> Floats:
        """Count the hydrogens of each nitrogen and oxygen."""
        return self.where(_is_polar) * self._hydrogens

    def chosen(self, count: Callable[..., int]) -> Floats:
        """Return 1 for the atoms that one of RDKit's counters names."""
        atoms: list[int] = []
        count(self._mol, atoms=atoms)
        result = np.zeros(len(self._atoms))
        result[atoms] = 1.0
        return result

    @property
    def heavy_masses(self) -> Floats:
        """Each atom's mass without hydrogens."""
        return np.array(self._graph.masses)


def _is_polar(atom: Chem.Atom) -> bool:
    return atom.GetAtomicNum() in (7, 8)


def _is_hetero(atom: Chem.Atom) -> bool:
    return atom.GetAtomicNum() not in (1, 6)


def _is_sp3_carbon(atom: Chem.Atom) -> bool:
    return bool(atom.GetAtomicNum() == 6 and atom.GetHybridization() == Chem.HybridizationType.SP3)


_SIMPLE: dict[str, Callable[[Parts], Floats]] = {
    "MolLogP": lambda parts: parts.logp,
    "MolMR": lambda parts: parts.refractivity,
    "TPSA": lambda parts: parts.polar,
    "LabuteASA": lambda parts: parts.surface,
    "MolWt": Parts.mass,
    "ExactMolWt": Parts.mass,
    "HeavyAtomMolWt": lambda parts: parts.heavy_masses,
    "HeavyAtomCount": lambda parts: parts.where(lambda atom: True),
    "NumValenceElectrons": Parts.outer_electrons,
    "NumHeteroatoms": lambda parts: parts.where(_is_hetero),
    "NOCount": lambda parts: parts.where(_is_polar),
    "NHOHCount": Parts.polar_hydrogens,
    "FractionCSP3": lambda parts: parts.where(_is_sp3_carbon),
    "NumRotatableBonds": lambda parts: parts.ends_of(_ROTATABLE),
    "NumAmideBonds": lambda parts: parts.ends_of(_AMIDE),
    "NumSpiroAtoms": lambda parts: parts.chosen(rdMolDescriptors.CalcNumSpiroAtoms),
    "NumBridgeheadAtoms": lambda parts: parts.chosen(rdMolDescriptors.CalcNumBridgeheadAtoms),
    "Chi0": lambda parts: parts.connectivity("", 0),
    "Chi0n": lambda parts: parts.connectivity("n", 0),
    "Chi0v": lambda parts: parts.connectivity("v", 0),
    "Chi1": lambda parts: parts.connectivity("", 1),
    "Chi1n": lambda parts: parts.connectivity("n", 1),
    "Chi1v": lambda parts: parts.connectivity("v", 1),
}
_RINGS: dict[str, tuple[str | None, bool | None]] = {
    "RingCount": (None, None),
    "NumHeterocycles": (None, True),
    **{
        f"Num{kind.capitalize()}{suffix}": (kind, hetero)
        for kind in ("aromatic", "aliphatic", "saturated")
        for suffix, hetero in (("Rings", None), ("Heterocycles", True), ("Carbocycles", False))
    },
}


@lru_cache(maxsize=1)
def _fragments() -> dict[str, Chem.Mol]:
    """Return RDKit's fragment patterns by the names of their counts."""
    return {name: function.__defaults__[1] for name, function in Fragments.fns}
