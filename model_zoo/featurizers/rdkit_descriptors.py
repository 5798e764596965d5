"""All 217 two-dimensional descriptors of RDKit, equal to its own to the last bit, with shared work done once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule
from model_zoo.featurizers._rdkit_descriptors import fragments, paths, surface, topology, whole
from model_zoo.featurizers._rdkit_descriptors.graph import Graph

_LIST = """
    MaxAbsEStateIndex MaxEStateIndex MinAbsEStateIndex MinEStateIndex qed SPS MolWt HeavyAtomMolWt ExactMolWt
    NumValenceElectrons NumRadicalElectrons MaxPartialCharge MinPartialCharge MaxAbsPartialCharge
    MinAbsPartialCharge FpDensityMorgan1 FpDensityMorgan2 FpDensityMorgan3 BCUT2D_MWHI BCUT2D_MWLOW BCUT2D_CHGHI
    BCUT2D_CHGLO BCUT2D_LOGPHI BCUT2D_LOGPLOW BCUT2D_MRHI BCUT2D_MRLOW AvgIpc BalabanJ BertzCT Chi0 Chi0n Chi0v Chi1
    Chi1n Chi1v Chi2n Chi2v Chi3n Chi3v Chi4n Chi4v HallKierAlpha Ipc Kappa1 Kappa2 Kappa3 LabuteASA PEOE_VSA1
    PEOE_VSA10 PEOE_VSA11 PEOE_VSA12 PEOE_VSA13 PEOE_VSA14 PEOE_VSA2 PEOE_VSA3 PEOE_VSA4 PEOE_VSA5 PEOE_VSA6
    PEOE_VSA7 PEOE_VSA8 PEOE_VSA9 SMR_VSA1 SMR_VSA10 SMR_VSA2 SMR_VSA3 SMR_VSA4 SMR_VSA5 SMR_VSA6 SMR_VSA7 SMR_VSA8
    SMR_VSA9 SlogP_VSA1 SlogP_VSA10 SlogP_VSA11 SlogP_VSA12 SlogP_VSA2 SlogP_VSA3 SlogP_VSA4 SlogP_VSA5 SlogP_VSA6
    SlogP_VSA7 SlogP_VSA8 SlogP_VSA9 TPSA EState_VSA1 EState_VSA10 EState_VSA11 EState_VSA2 EState_VSA3 EState_VSA4
    EState_VSA5 EState_VSA6 EState_VSA7 EState_VSA8 EState_VSA9 VSA_EState1 VSA_EState10 VSA_EState2 VSA_EState3
    VSA_EState4 VSA_EState5 VSA_EState6 VSA_EState7 VSA_EState8 VSA_EState9 FractionCSP3 HeavyAtomCount NHOHCount
    NOCount NumAliphaticCarbocycles NumAliphaticHeterocycles NumAliphaticRings NumAmideBonds NumAromaticCarbocycles
    NumAromaticHeterocycles NumAromaticRings NumAtomStereoCenters NumBridgeheadAtoms NumHAcceptors NumHDonors
    NumHeteroatoms NumHeterocycles NumRotatableBonds NumSaturatedCarbocycles NumSaturatedHeterocycles
    NumSaturatedRings NumSpiroAtoms NumUnspecifiedAtomStereoCenters Phi RingCount MolLogP MolMR fr_Al_COO fr_Al_OH
    fr_Al_OH_noTert fr_ArN fr_Ar_COO fr_Ar_N fr_Ar_NH fr_Ar_OH fr_COO fr_COO2 fr_C_O fr_C_O_noCOO fr_C_S fr_HOCCN
    fr_Imine fr_NH0 fr_NH1 fr_NH2 fr_N_O fr_Ndealkylation1 fr_Ndealkylation2 fr_Nhpyrrole fr_SH fr_aldehyde
    fr_alkyl_carbamate fr_alkyl_halide fr_allylic_oxid fr_amide fr_amidine fr_aniline fr_aryl_methyl fr_azide fr_azo
    fr_barbitur fr_benzene fr_benzodiazepine fr_bicyclic fr_diazo fr_dihydropyridine fr_epoxide fr_ester fr_ether
    fr_furan fr_guanido fr_halogen fr_hdrzine fr_hdrzone fr_imidazole fr_imide fr_isocyan fr_isothiocyan fr_ketone
    fr_ketone_Topliss fr_lactam fr_lactone fr_methoxy fr_morpholine fr_nitrile fr_nitro fr_nitro_arom
    fr_nitro_arom_nonortho fr_nitroso fr_oxazole fr_oxime fr_para_hydroxylation fr_phenol fr_phenol_noOrthoHbond
    fr_phos_acid fr_phos_ester fr_piperdine fr_piperzine fr_priamide fr_prisulfonamd fr_pyridine fr_quatN fr_sulfide
    fr_sulfonamd fr_sulfone fr_term_acetylene fr_tetrazole fr_thiazole fr_thiocyan fr_thiophene fr_unbrch_alkane
    fr_urea
"""
NAMES = tuple(_LIST.split())
"""The columns, in the order of RDKit's own list."""
WIDTH = len(NAMES)
LIMIT = 1e15
"""Largest number given to a model: the sum of its squares over a data set stays finite in `float32`."""


def compute(mol: Chem.Mol) -> NDArray[np.float64]:
    """Return the 217 descriptors of a sanitised molecule, in the order of `NAMES`.

    Each is the number that `rdkit.Chem.Descriptors.CalcMolDescriptors` gives, to the last bit; NaN where that is NaN or
    raises. The molecule stays as it is.

    Examples
    --------
    >>> dict(zip(NAMES, compute(Chem.MolFromSmiles("CCO")).tolist()))["MolWt"]
    46.069
    """
    try:
        with np.errstate(all="ignore"):
            values = _families(Chem.Mol(mol))
    except (ArithmeticError, RuntimeError, ValueError, IndexError):
        # Some member of a family has no value for this molecule: RDKit's own list says which ones do.
        return _one_by_one(Chem.Mol(mol))
    return np.array([values[name] for name in NAMES], dtype=np.float64)


def _families(mol: Chem.Mol) -> dict[str, float]:
    graph = Graph(mol)
    values = whole.descriptors(graph)
    values |= surface.descriptors(graph) | topology.descriptors(graph) | paths.descriptors(graph)
    values |= fragments.descriptors(graph, values)
    values["SPS"] = whole.spacial_score(graph)
    return values


def _one_by_one(mol: Chem.Mol) -> NDArray[np.float64]:
    from rdkit.Chem import Descriptors

    with np.errstate(all="ignore"):
        values = Descriptors.CalcMolDescriptors(mol, missingVal=math.nan)  # type: ignore[no-untyped-call]
    return np.array([values[name] for name in NAMES], dtype=np.float64)


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Return `n x 217` finite descriptors as `float32`, columns in the order of `NAMES`.

    What is not a number becomes 0. What is outside of `LIMIT` becomes the limit: Ipc grows with the power of the
    number of atoms and leaves the range of `float32`.

    Examples
    --------
    >>> from model_zoo.chemistry.molecules import parse_molecule
    >>> featurize([parse_molecule("CCO"), parse_molecule("c1ccccc1")])[:, NAMES.index("RingCount")].tolist()
    [0.0, 1.0]
    """
    matrix = np.empty((len(molecules), len(NAMES)), dtype=np.float32)
    for row, molecule in enumerate(molecules):
        matrix[row] = np.clip(np.nan_to_num(compute(molecule.mol), nan=0.0, posinf=LIMIT, neginf=-LIMIT), -LIMIT, LIMIT)
    return matrix


def atom_parts(molecule: Molecule, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the part of each of `n` atoms in each of `k` columns, `n x k`; zeros for what is no sum over atoms."""
    from model_zoo.featurizers import _atom_sums

    return _atom_sums.parts(molecule, [NAMES[column] for column in columns])
