"""Descriptors that are one call of RDKit's compiled code each, sums over atoms, Morgan densities, the spacial score.

Source of the spacial score: Krzyzanowski et al., J. Med. Chem. 2023, 66, 12739.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from model_zoo.featurizers._rdkit_descriptors.graph import Graph
from model_zoo.featurizers._rdkit_descriptors.surface import OUTER_ELECTRONS

_CALLS: dict[str, Callable[[Chem.Mol], float]] = {
    name: getattr(rdMolDescriptors, f"Calc{name}")
    for name in (
        *("Chi0n", "Chi0v", "Chi1n", "Chi1v", "HallKierAlpha", "Kappa1", "LabuteASA", "TPSA", "FractionCSP3"),
        *("NumAliphaticCarbocycles", "NumAliphaticHeterocycles", "NumAliphaticRings", "NumAmideBonds"),
        *("NumAromaticCarbocycles", "NumAromaticHeterocycles", "NumAromaticRings", "NumAtomStereoCenters"),
        *("NumBridgeheadAtoms", "NumHeteroatoms", "NumHeterocycles", "NumRotatableBonds", "NumSaturatedCarbocycles"),
        *("NumSaturatedHeterocycles", "NumSaturatedRings", "NumSpiroAtoms", "NumUnspecifiedAtomStereoCenters"),
    )
} | {
    "ExactMolWt": rdMolDescriptors.CalcExactMolWt,
    "NHOHCount": rdMolDescriptors.CalcNumLipinskiHBD,
    "NOCount": rdMolDescriptors.CalcNumLipinskiHBA,
    "NumHAcceptors": rdMolDescriptors.CalcNumHBA,
    "NumHDonors": rdMolDescriptors.CalcNumHBD,
    "RingCount": rdMolDescriptors.CalcNumRings,
    "HeavyAtomCount": Chem.Mol.GetNumHeavyAtoms,
    "MolWt": rdMolDescriptors._CalcMolWt,  # noqa: SLF001
}
_BCUT_ENDS = (("MW", ("HI", "LOW")), ("CHG", ("HI", "LO")), ("LOGP", ("HI", "LOW")), ("MR", ("HI", "LOW")))
_BCUT_NAMES = tuple(f"BCUT2D_{name}{end}" for name, ends in _BCUT_ENDS for end in ends)
_MORGAN = tuple(rdFingerprintGenerator.GetMorganGenerator(radius) for radius in (1, 2, 3))
_HYBRIDISATION = {Chem.HybridizationType.SP: 1, Chem.HybridizationType.SP2: 2, Chem.HybridizationType.SP3: 3}


def descriptors(graph: Graph) -> dict[str, float]:
    """Return all of them but the spacial score."""
    mol = graph.mol
    values = {name: call(mol) for name, call in _CALLS.items()}
    values["HeavyAtomMolWt"] = rdMolDescriptors._CalcMolWt(mol, True)  # noqa: FBT003, SLF001
    values["MolLogP"], values["MolMR"] = np.add.accumulate(graph.lipophilicities, axis=1)[:, -1].tolist()
    values["NumValenceElectrons"] = sum(OUTER_ELECTRONS[atom[0]] - atom[2] + atom[3] for atom in graph.atoms)
    values["NumRadicalElectrons"] = sum(graph.radicals)
    heavy = values["HeavyAtomCount"]
    for radius, generator in enumerate(_MORGAN, start=1):
        features = len(generator.GetSparseCountFingerprint(mol).GetNonzeroElements())
        values[f"FpDensityMorgan{radius}"] = features / heavy if heavy else 0.0
    return values | dict(zip(_BCUT_NAMES, _burden(graph), strict=True))


def _burden(graph: Graph) -> list[float]:
    if not graph.has_charges:
        return [math.nan] * len(_BCUT_NAMES)
    if not graph.is_plain:  # RDKit leaves explicit hydrogens out
        try:
            return list(rdMolDescriptors.BCUT2D(graph.mol))
        except (RuntimeError, ValueError):  # RDKit's list says NaN there
            return [math.nan] * len(_BCUT_NAMES)
    logp, refractivity = (values[: len(graph.atoms)] for values in graph.lipophilicities)
    properties = graph.masses, graph.charges, logp, refractivity
    return [value for each in properties for value in rdMolDescriptors.BCUT2D(graph.mol, each)]


def spacial_score(graph: Graph) -> float:
    """Return SPS, the mean over heavy atoms of hybridisation x stereo x ring x squared degree.

    It marks possible stereo bonds on the graph's molecule, so it comes last.
    """
    mol = graph.mol
    Chem.FindPotentialStereoBonds(mol)
    stereo = {
        info.centeredOn for info in Chem.FindPotentialStereo(mol) if info.type == Chem.StereoType.Atom_Tetrahedral
    }
    for index, ((begin, end), (order, _, _)) in enumerate(zip(graph.ends, graph.bonds, strict=True)):
        if order == 2.0:
            bond = mol.GetBondWithIdx(index)
            if bond.GetBondType() == Chem.BondType.DOUBLE and bond.GetStereo() != Chem.BondStereo.STEREONONE:
                stereo |= {begin, end}
    score = 0
    for index, (_, aromatic, _, _, degree, _, _, rings) in enumerate(graph.atoms):
        score += (
            _HYBRIDISATION.get(graph.hybridisations[index], 4)
            * (1 + (index in stereo))
            * (2 if rings and not aromatic else 1)
            * degree**2
        )
    return score / mol.GetNumHeavyAtoms()
