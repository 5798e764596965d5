"""Names of drugs that may be pasted: `python -m tests.drug_names` writes `model_zoo/data/pasted/drug_names.tsv` again.

A name is taken where two lists agree: B3DB (CC0-1.0) names the structure, and ChEMBL's list of drugs holds the very
same one, stereochemistry included. Rows of B3DB that carry a placeholder instead of a PubChem number pair names with
foreign structures ("caffeine" with a dihydropyridine), and are left out, as is every name that then still has two
structures. The names below are what people type, and B3DB lacks or pairs wrongly; their structures are checked by their
formulas, which everybody can look up.
"""

from __future__ import annotations

import csv
import importlib.util
import re
from collections import defaultdict
from pathlib import Path

from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from model_zoo.chemistry.molecules import CURATION_LIMITS, Molecule, inchikey, parse_molecule
from model_zoo.data.pasted.drug_names import FILE, plain_name
from model_zoo.data.reference_drugs import chembl_drugs

COMMON = {
    "acetaminophen": ("CC(=O)Nc1ccc(O)cc1", "C8H9NO2"),
    "acetylsalicylic acid": ("CC(=O)Oc1ccccc1C(=O)O", "C9H8O4"),
    "aspirin": ("CC(=O)Oc1ccccc1C(=O)O", "C9H8O4"),
    "caffeine": ("Cn1c(=O)c2c(ncn2C)n(C)c1=O", "C8H10N4O2"),
    "diazepam": ("CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21", "C16H13ClN2O"),
    "ibuprofen": ("CC(C)Cc1ccc(C(C)C(=O)O)cc1", "C13H18O2"),
    "lidocaine": ("CCN(CC)CC(=O)Nc1c(C)cccc1C", "C14H22N2O"),
    "metformin": ("CN(C)C(=N)NC(=N)N", "C4H11N5"),
    "naproxen": ("COc1ccc2cc([C@H](C)C(=O)O)ccc2c1", "C14H14O3"),
    "paracetamol": ("CC(=O)Nc1ccc(O)cc1", "C8H9NO2"),
    "warfarin": ("CC(=O)CC(c1ccccc1)c1c(O)c2ccccc2oc1=O", "C19H16O4"),
}
_PLACEHOLDER = re.compile(r"1000\d{5}")
_CODE = re.compile(
    r"(?:schembl|chembl|zinc|unii|cas|cid|nsc|hms|ncgc|sb|db)[- ]?[\dx]|.*\d{3}|.*[,()\[\]{}]", re.IGNORECASE
)


def names() -> dict[str, str]:
    """Return the structure of every name that may be looked up, as SMILES."""
    drugs = chembl_drugs()
    assert drugs is not None
    known = {key for text in drugs.smiles if (key := _key(text))}
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in _rows():
        name = plain_name(row["compound_name"])
        if (
            len(name) < 4
            or _CODE.match(name)
            or _PLACEHOLDER.fullmatch(row["CID"])
            or Chem.MolFromSmiles(name) is not None
        ):
            continue
        found[name].setdefault(_key(row["SMILES"]), row["SMILES"])
    given = {name: by_key for name, by_key in found.items() if len({key[:14] for key in by_key}) == 1}
    agreed = {
        name: kept[0]
        for name, by_key in given.items()
        if len(kept := [text for key, text in by_key.items() if key in known]) == 1
    }
    for name, (text, formula) in COMMON.items():
        assert CalcMolFormula(Chem.MolFromSmiles(text)) == formula, name
    return dict(sorted({**agreed, **{name: text for name, (text, _) in COMMON.items()}}.items()))


def _key(text: str) -> str:
    molecule = parse_molecule(text, limits=CURATION_LIMITS)
    return inchikey(molecule.mol) if isinstance(molecule, Molecule) else ""


def _rows() -> list[dict[str, str]]:
    spec = importlib.util.find_spec("B3DB")
    assert spec is not None
    assert spec.origin is not None
    rows: list[dict[str, str]] = []
    for file in ("B3DB_classification.tsv", "B3DB_regression.tsv"):
        with (Path(spec.origin).parent / file).open(newline="", encoding="utf-8") as stream:
            rows += csv.DictReader(stream, delimiter="\t")
    return rows


if __name__ == "__main__":
    FILE.write_text("".join(f"{name}\t{smiles}\n" for name, smiles in names().items()), encoding="utf-8")
