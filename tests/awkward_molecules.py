"""The document `docs/awkward-molecules.md`: `python -m tests.awkward_molecules` writes it again.

Belongs here: awkward molecules, why each is awkward, and what the product says of them now. What is right is stated in
`tests/unit/model_zoo/chemistry/test_right_molecules.py`; a test holds the document to this.
"""

from __future__ import annotations

from pathlib import Path

from model_zoo.chemistry.molecules import CURATION_LIMITS, InvalidMolecule, parse_molecule

DOCUMENT = Path(__file__).parents[1] / "docs" / "awkward-molecules.md"
GROUPS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Salts, solvates, mixtures": (
        ("sodium acetate", "CC(=O)[O-].[Na+]", "the ion's acid is meant"),
        ("sodium acetate, drawn with a bond", "CC(=O)O[Na]", "the same salt"),
        ("zinc acetate", "CC(=O)O[Zn]OC(C)=O", "zinc only balances charge here"),
        ("tafamidis meglumine", "CNC[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO.OC(=O)c1ccc2nc(oc2c1)-c1cc(Cl)cc(Cl)c1",
         "the counter-ion has more atoms, counting hydrogens"),
        ("pyrantel pamoate", "CN1CCCN=C1/C=C/c1cccs1.OC(=O)c1cc2ccccc2c(Cc2c(O)c(cc3ccccc23)C(=O)O)c1O",
         "the counter-ion is twice as heavy as the drug"),
        ("meglumine alone", "CNC[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO", "there is nothing else that it could be"),
        ("lidocaine hydrochloride hydrate", "CCN(CC)CC(=O)Nc1c(C)cccc1C.Cl.O", "acid and water"),
        ("betaine hydrochloride", "C[N+](C)(C)CC(=O)O.[Cl-]", "the same molecule as the zwitterion"),
        ("betaine", "C[N+](C)(C)CC(=O)[O-]", "a zwitterion that cannot be neutral"),
        ("dimenhydrinate", "CN(C)CCOC(c1ccccc1)c1ccccc1.Cn1c(=O)c2[nH]c(Cl)nc2n(C)c1=O",
         "8-chlorotheophylline is known as a counter-ion"),
        ("aspirin with diazepam", "CC(=O)Oc1ccccc1C(=O)O.CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21", "either could be meant"),
        ("ethanol, ethylamine, pentane", "CCO.CCN.CCCCC", "without the solvent, two remain"),
        ("piperazine citrate", "C1CNCCN1.OC(=O)CC(O)(CC(=O)O)C(=O)O", "both are known as counter-ions"),
        ("tranylcypromine, both enantiomers", "N[C@@H]1C[C@H]1c1ccccc1.N[C@H]1C[C@@H]1c1ccccc1",
         "both mirror images in equal amounts are the racemate, as `|&1:1,3|` writes it"),
        ("one enantiomer and twice the other", "C[C@H](N)C(=O)O.C[C@@H](N)C(=O)O.C[C@@H](N)C(=O)O",
         "neither a racemate nor an enantiomer"),
    ),
    "Metals and inorganic salts": (
        ("cisplatin", "N.N.Cl[Pt]Cl", "its ligand is ammonia"),
        ("cisplatin as ions", "[Pt+2].[NH3].[NH3].[Cl-].[Cl-]", "the same complex"),
        ("carboplatin", "O=C1O[Pt](N)(N)OC(=O)C12CCC2", "its ligand is a diacid"),
        ("iron and cyclopentadiene", "C1=CC=CC1.[Fe]", "a ferrocene in pieces"),
        ("iron", "[Fe]", "an element"),
        ("dimethylmercury", "C[Hg]C", "bonds to a metal are the molecule"),
        ("a Grignard reagent", "C[Mg]Br", "magnesium that is bonded to carbon is not a salt"),
        ("table salt", "[Na+].[Cl-]", "it is not hydrochloric acid"),
        ("ammonium chloride", "[NH4+].[Cl-]", "nothing organic in it"),
        ("lithium carbonate", "[Li+].[Li+].[O-]C([O-])=O", "a drug, but not an organic molecule"),
        ("tetramethylsilane", "C[Si](C)(C)C", "silicon is not a metal"),
        ("phenylboronic acid", "OB(O)c1ccccc1", "boron is not a metal either"),
    ),
    "Open ends, radicals, patterns": (
        ("R-group", "*CCO", "represents many molecules"),
        ("labelled R-group", "*CCO |$R1;;;$|", "the same in CXSMILES"),
        ("polyethylene", "CC |Sg:n:0,1::ht|", "a repeating unit"),
        ("positions that vary", "Cc1ccccc1.Cl |m:7:1.2|", "chlorotoluenes"),
        ("pattern", "[#6]1-[#6]-[#6]1", "carbon without hydrogens"),
        ("carbons in brackets", "[C]1[C][C]1", "cyclopropane without its hydrogens"),
        ("TEMPO", "CC1(C)CCCC(C)(C)N1[O]", "a stable radical; the models saw none"),
        ("oxygen", "[O][O]", "a diradical as written"),
        ("any bond", "C~C", "a query"),
        ("helium", "[He]", "one atom is a molecule here"),
    ),
    "Labels and notation": (
        ("caffeine-d9", "[2H]C([2H])([2H])n1cnc2c1c(=O)n(C([2H])([2H])[2H])c(=O)n2C([2H])([2H])[2H]",
         "deuterium is not a substituent"),
        ("heavy water", "[2H]O[2H]", "read as water"),
        ("ethanol with atom maps", "[CH3:1][CH2:2][OH:3]", "maps are bookkeeping"),
        ("methyl azide", "CN=[N+]=[N-]", "the standard drawing"),
        ("methyl azide, drawn otherwise", "C[N-][N+]#N", "the same molecule"),
        ("diazoacetone as diazonium enolate", "CC([O-])=C[N+]#N", "a resonance form"),
        ("trimethylphosphine oxide, charged", "C[P+](C)(C)[O-]", "a resonance form"),
        ("dimethyl sulfoxide", "CS(C)=O", "RDKit's standard is charge-separated"),
        ("nitromethane, five bonds", "CN(=O)=O", "the older drawing"),
        ("fluoroethene, labelled across", "F/C=C/[2H]", "without the label the double bond has no configuration"),
    ),
    "Configurations in CXSMILES": (
        ("racemate", "C[C@H](N)CO |&1:1|", "one mixed centre"),
        ("unknown enantiomer", "C[C@H](N)CO |o1:1|", "one unknown centre"),
        ("cis racemate", "C[C@H]1CCC[C@@H](O)C1 |&1:1,5|", "the centres still define their relative configuration"),
        ("absolute", "C[C@H](N)CO |a:1|", "as drawn"),
        ("with coordinates", "CCO |(0,0,;1,1,;2,2,)|", "coordinates are not read"),
        ("not a valid extension", "CCO |junk|", "what is not understood is not guessed"),
    ),
    "Tautomers": (
        ("acetylacetone, enol", "CC(=O)C=C(C)O", "keto and enol are one molecule"),
        ("2-hydroxypyridine", "Oc1ccccn1", "2-pyridone"),
        ("guanine, hydroxy form", "Nc1nc(O)c2nc[nH]c2n1", "one of many drawings"),
        ("an imidic acid", "CC(O)=NC", "an amide"),
        ("edaravone", "CC1=NN(c2ccccc2)C(=O)C1", "three drawings, one molecule"),
        ("lactic acid", "C[C@H](O)C(=O)O", "its configuration stays"),
        ("testosterone", "C[C@]12CC[C@H]3[C@@H](CCC4=CC(=O)CC[C@]34C)[C@@H]1CC[C@@H]2O", "its double bond stays"),
        ("ascorbic acid", "OC[C@H](O)[C@H]1OC(=O)C(O)=C1O", "a stable enediol stays"),
    ),
    "What is not a molecule": (
        ("a name", "aspirin", "names are looked up only in the page's box"),
        ("nothing", "", "an empty cell"),
        ("hydrogen", "[H][H]", "no heavy atom"),
        ("an open ring", "C1CC", "a typing error"),
    ),
}  # fmt: skip
HEAD = """# Awkward molecules

How does the product read structures that are easily misread, and why? The same rules apply in curation, the API, jobs,
screens, `/v2` and on the page. `python -m tests.awkward_molecules` writes this page; a test compares it with the code.

A refused structure has a stable code, and nothing is predicted for it. If part of a structure was left out or not read,
the answer says so beside its values (`notes`), and so does the curation report.
"""


TABLE = "| molecule | input | predicted as, or refused | message | why |\n| --- | --- | --- | --- | --- |"


def document() -> str:
    """Write the document from what the code says now."""
    parts = [HEAD]
    for title, molecules in GROUPS.items():
        parts.append(f"## {title}\n\n{TABLE}")
        parts += [f"| {name} | {_code(smiles)} | {_outcome(smiles)} | {why} |" for name, smiles, why in molecules]
        parts.append("")
    return "\n".join(parts)


def _outcome(smiles: str) -> str:
    parsed = parse_molecule(smiles, limits=CURATION_LIMITS)
    if isinstance(parsed, InvalidMolecule):
        return f"refused: `{parsed.code}` | {_plain(parsed.detail)}"
    return f"{_code(parsed.smiles)} | {_plain('; '.join(note.detail for note in parsed.notes))}"


def _code(smiles: str) -> str:
    return f"`{_text(smiles)}`" if smiles else ""


def _plain(text: str) -> str:
    """Write a text in which `[C@H](O)` is no link."""
    return _text(text).replace("[", "\\[")


def _text(text: str) -> str:
    return text.replace("|", "\\|").replace("'*'", "`*`")


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
