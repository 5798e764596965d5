"""Whatever a user writes is read as the molecule that is meant, or refused: the same however it is written.

The rules of bundles that name no version stay what they were; `test_molecules.py` holds what both have in common.
"""

from __future__ import annotations

import json
import random

import pytest
from rdkit import Chem

from model_zoo.chemistry.molecules import (
    CURATION_LIMITS,
    InvalidMolecule,
    Molecule,
    inchikey,
    molecule_key,
    parse_molecule,
)
from model_zoo.chemistry.standardisation.counterions import known
from model_zoo.chemistry.standardisation.cxsmiles import split_line, written
from model_zoo.chemistry.standardisation.tautomers import skeleton
from model_zoo.policies import molecules_1, standardise
from tests.awkward_molecules import DOCUMENT, GROUPS, document
from tests.real_molecules import NASTY, drugs
from tests.unit.model_zoo.chemistry.salt_parents import FILE as SALTS

TAFAMIDIS = "OC(=O)c1ccc2nc(oc2c1)-c1cc(Cl)cc(Cl)c1"
TRANYLCYPROMINE = "N[C@@H]1C[C@H]1c1ccccc1.N[C@H]1C[C@@H]1c1ccccc1"
"""Both of its mirror images, as ChEMBL writes the racemate."""
MEGLUMINE = "CNC[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO"

BY_HAND = {
    "C=C1c2c(Cl)ccc(O)c2C(=O)C2=C(O)[C@]3(O)C(=O)C(C(N)=O)=C(O)[C@@H](N(C)C)[C@@H]3[C@@H](O)[C@H]12": (
        "meclocycline: ChEMBL lists another isomer of sulfosalicylic acid than the one medicines hold"
    ),
    "C[N+](C)(CCOc1ccccc1)Cc1ccccc1": "bephenium: ChEMBL does not list 3-hydroxy-2-naphthoic acid",
    "N=C(N)NCCC[C@H](N)C(=O)O": "arginine: ChEMBL keeps both of its hydrochloride, because arginine is on its list too",
}
"""Drugs whose salts ChEMBL leaves as they are, and why one component is meant nevertheless."""


def read(smiles: str) -> Molecule:
    """Parse what must be a molecule."""
    parsed = parse_molecule(smiles, limits=CURATION_LIMITS)
    assert isinstance(parsed, Molecule), (smiles, parsed)
    return parsed


def refused(smiles: str) -> str:
    """Parse what must be refused; give the code."""
    parsed = parse_molecule(smiles, limits=CURATION_LIMITS)
    assert isinstance(parsed, InvalidMolecule), (smiles, parsed)
    assert parsed.detail.startswith("expected ")
    return parsed.code


def test_two_hundred_drug_salts_have_the_parent_that_chembl_gives_them() -> None:
    """The component that ChEMBL's own pipeline takes for the drug is the one that is predicted; where it keeps several,
    nobody can say which is meant, and the structure is refused; but for both mirror images, which are the racemate.
    """
    parents: dict[str, str] = json.loads(SALTS.read_text(encoding="utf-8"))
    refusals = 0
    assert len(parents) == 200
    for salt, parent in parents.items():
        meant = next((part for part in BY_HAND if part in salt.split(".")), None)
        if meant is not None:
            assert read(salt).smiles == read(meant).smiles
            continue
        if "." in parent and salt == TRANYLCYPROMINE:
            assert [note.code for note in read(salt).notes] == ["stereo-mixture"]
            continue
        if "." in parent:
            assert refused(salt) == "mixture", salt
            refusals += 1
            continue
        got = read(salt)
        assert got.smiles == read(parent).smiles, salt
        assert inchikey(got.mol)[:14] == inchikey(Chem.MolFromSmiles(parent))[:14], salt
        assert all(note.code == "component-left-out" for note in got.notes[:1])
    assert refusals == 14


@pytest.mark.parametrize(
    "salt",
    [
        f"{TAFAMIDIS}.{MEGLUMINE}", f"{MEGLUMINE}.{TAFAMIDIS}", f"{TAFAMIDIS}.O.{MEGLUMINE}.CCO", f"[Na+].{TAFAMIDIS}",
        TAFAMIDIS.replace("OC(=O)", "[O-]C(=O)") + ".C[NH2+]C[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO",
        TAFAMIDIS.replace("OC(=O)", "[Na]OC(=O)"), TAFAMIDIS.replace("OC(=O)", "[K+].[O-]C(=O)"),
        f"{TAFAMIDIS}.{TAFAMIDIS}.[Ca+2]", f"{TAFAMIDIS}.NCCCC[C@H](N)C(=O)O", f"{TAFAMIDIS}.OCC(N)(CO)CO",
    ],
)  # fmt: skip
def test_every_salt_form_of_a_drug_is_the_drug(salt: str) -> None:
    """Counter-ion, charge, stoichiometry, order and solvent change nothing; what was left out is named."""
    assert read(salt).smiles == read(TAFAMIDIS).smiles
    assert all(note.detail.startswith("left out: ") for note in read(salt).notes)
    assert read(salt).notes
    assert not read(TAFAMIDIS).notes


def test_the_first_version_took_the_larger_half() -> None:
    """What bundles of the first version say stays what it was: tafamidis meglumine as meglumine, charges with it."""
    parsed = molecules_1.parse_molecule(f"{TAFAMIDIS}.{MEGLUMINE}")

    assert isinstance(parsed, Molecule)
    assert parsed.smiles == Chem.MolToSmiles(Chem.MolFromSmiles(MEGLUMINE))
    assert molecules_1.parse_molecule("*CCO").smiles == "*CCO"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "CC(=O)Oc1ccccc1C(=O)O.CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21", "CCO.CCN.CCCCC", "c1ccccc1.c1ccncc1",
        f"{TAFAMIDIS}.CN1CCCN=C1/C=C/c1cccs1", "CNC.CN", "C1CNCCN1.OC(=O)CC(O)(CC(=O)O)C(=O)O",
    ],
)  # fmt: skip
def test_a_mixture_is_refused(text: str) -> None:
    """Two components that could each be meant are no molecule, whichever is larger."""
    assert refused(text) == "mixture"


@pytest.mark.parametrize("name", ["sodium", "hydrate"])
def test_a_counter_ion_alone_is_the_molecule(name: str) -> None:
    """Meglumine, citric acid, ethanol: a listed component is what is meant where nothing else is there."""
    beside = {"sodium": ".[Na+]", "hydrate": ".O"}[name]
    for smiles, (_, kind) in known().items():
        if kind != "inorganic" and not smiles.startswith("F["):
            assert read(smiles + beside).smiles == read(smiles).smiles, smiles


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("N.N.Cl[Pt]Cl", "metal"), ("[NH3][Pt]([NH3])(Cl)Cl", "metal"), ("N->[Pt](Cl)(Cl)<-N", "metal"),
        ("[Pt+2].[NH3].[NH3].[Cl-].[Cl-]", "metal"), ("O=C1O[Pt]2(OC(=O)C13CCC3)NCCN2", "metal"),
        ("C1=CC=CC1.[Fe]", "metal"), ("[Fe]", "metal"), ("[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1", "metal"),
        ("C[Hg]C", "metal"),
        ("[Na+]", "metal"), ("C[Mg]Br", "metal"), ("[Li]CCCC", "metal"), ("[Zn](C)C", "metal"),
        ("CCCC[Sn](CCCC)(CCCC)Cl", "metal"), ("[Na].CCO", "metal"), ("N[Mg]N", "metal"),
        ("[Na+].[Cl-]", "inorganic-salt"), ("[Na]Cl", "inorganic-salt"), ("[NH4+].[Cl-]", "inorganic-salt"),
        ("[K+].[O-][N+]([O-])=O", "inorganic-salt"), ("[Li+].[Li+].[O-]C([O-])=O", "inorganic-salt"),
        ("*CCO", "incomplete-structure"), ("*CCO |$R1;;;$|", "incomplete-structure"),
        ("[1*]c1ccccc1", "incomplete-structure"),
        ("CC |Sg:n:0,1::ht|", "incomplete-structure"), ("CCC |LN:1:1.3|", "incomplete-structure"),
        ("Cc1ccccc1.Cl |m:7:1.2|", "incomplete-structure"), ("C~C", "incomplete-structure"),
        ("C:C", "incomplete-structure"),
        ("[#6]1-[#6]-[#6]1", "radical"), ("[C]1[C][C]1", "radical"), ("[CH3]", "radical"), ("CC |^1:0|", "radical"),
        ("CC1(C)CCCC(C)(C)N1[O]", "radical"), ("[O][O]", "radical"),
    ],
)  # fmt: skip
def test_what_is_no_organic_molecule_is_refused(text: str, code: str) -> None:
    """Metals, inorganic salts, open ends and radicals get no value of something else."""
    assert refused(text) == code


@pytest.mark.parametrize(
    ("drawings", "standard"),
    [
        (("CN=[N+]=[N-]", "C[N-][N+]#N", "CN=N#N"), "CN=[N+]=[N-]"),
        (("CC(=O)C=[N+]=[N-]", "CC(=O)[CH-][N+]#N", "CC([O-])=C[N+]#N", "CC(=O)C=N#N"), "CC(=O)C=[N+]=[N-]"),
        (("CP(C)(C)=O", "C[P+](C)(C)[O-]"), "CP(C)(C)=O"),
        (("CS(C)=O", "C[S+](C)[O-]"), "C[S+](C)[O-]"),
        (("CS(C)(=N)=O", "C[S+](C)([O-])=N"), "CS(C)(=N)=O"),
        (("CN(=O)=O", "C[N+](=O)[O-]"), "C[N+](=O)[O-]"),
        (("c1ccccn1=O", "[O-][n+]1ccccc1"), "[O-][n+]1ccccc1"),
        (("C[N+](C)(C)CC(=O)[O-]", "C[N+](C)(C)CC(=O)O.[Cl-]", "C[N+](C)(C)CC(=O)[O-].Cl"), "C[N+](C)(C)CC(=O)[O-]"),
        (("NCC(=O)O", "[NH3+]CC(=O)[O-]", "[Na+].NCC(=O)[O-]", "[NH3+]CC(=O)O.[Cl-]"), "NCC(=O)O"),
        (("CN(C)O", "C[NH+](C)[O-]"), "CN(C)O"),
        (("CCO", "[CH3:1][CH2:2][OH:3]", "[H]OCC", "[2H]OCC", "[13CH3]CO", "[CH3][CH2][O][H]"), "CCO"),
        (("F/C=C/[2H]", "F\\C=C\\[2H]", "FC=C"), "C=CF"),
    ],
)
def test_one_molecule_has_one_notation(drawings: tuple[str, ...], standard: str) -> None:
    """Charge separation, protonation, labels and explicit hydrogens are notation."""
    assert {read(text).smiles for text in drawings} == {standard}


def test_maps_and_isotopes_never_change_a_molecule() -> None:
    """Any atom map and any isotope label on any drug leave its standard form as it is; isotopes are reported."""
    generator = random.Random(3)
    for smiles in generator.sample([text for text in drugs() if "." not in text], 40):
        standard = parse_molecule(smiles, limits=CURATION_LIMITS)
        if isinstance(standard, InvalidMolecule):
            continue
        mapped, labelled = Chem.MolFromSmiles(smiles), Chem.MolFromSmiles(smiles)
        for atom in mapped.GetAtoms():
            atom.SetAtomMapNum(generator.randint(1, 99))
        generator.choice(list(labelled.GetAtoms())).SetIsotope(15)
        assert read(Chem.MolToSmiles(mapped)).smiles == standard.smiles
        assert read(Chem.MolToSmiles(labelled)).smiles == standard.smiles
        assert "isotopes-ignored" in {note.code for note in read(Chem.MolToSmiles(labelled)).notes}


@pytest.mark.parametrize(
    "drawings",
    [
        "CC(=O)CC(C)=O|CC(=O)C=C(C)O|CC(O)=CC(C)=O", "Oc1ccccn1|O=c1cccc[nH]1", "Oc1ccncc1|O=c1cc[nH]cc1",
        "Cc1c[nH]cn1|Cc1cnc[nH]1", "Cc1cc[nH]n1|Cc1ccn[nH]1", "c1ccc2[nH]ncc2c1|c1ccc2n[nH]cc2c1",
        "Nc1nc(O)c2nc[nH]c2n1|Nc1nc2[nH]cnc2c(=O)[nH]1|Nc1nc2nc[nH]c2c(=O)[nH]1|N=c1[nH]c(=O)c2[nH]cnc2[nH]1",
        "Cc1nnn[nH]1|Cc1nn[nH]n1", "CNC(C)=NCC|CN=C(C)NCC", "CC(O)=NC|CC(=O)NC", "CC(S)=NC|CC(=S)NC",
        "CC1=NN(c2ccccc2)C(=O)C1|Cc1cc(O)n(-c2ccccc2)n1|Cc1cc(=O)n(-c2ccccc2)[nH]1", "CC(C)N=O|CC(C)=NO",
        "CC=[N+]([O-])O|CC[N+](=O)[O-]", "Oc1ccc2ccccc2c1N=Nc1ccccc1|O=C1C=Cc2ccccc2C1=NNc1ccccc1",
        "Oc1ccccc1C=Nc1ccccc1|O=C1C=CC=CC1=CNc1ccccc1", "Oc1ncc(F)c(O)n1|O=c1[nH]cc(F)c(=O)[nH]1",
        "Oc1ncnc2ccccc12|O=c1[nH]cnc2ccccc12|O=c1nc[nH]c2ccccc12", "N=c1cccc[nH]1|Nc1ccccn1", "N=C1NCCS1|NC1=NCCS1",
        "NNC(=O)c1ccncc1|NN=C(O)c1ccncc1", "CC(=O)Nc1nnc(S(N)(=O)=O)s1|CC(=O)N=c1[nH]nc(S(N)(=O)=O)s1",
        "Clc1cccc(Cl)c1NC1=NCCN1|Clc1cccc(Cl)c1N=C1NCCN1", "CC1=NS(=O)(=O)c2cc(Cl)ccc2N1|CC1=Nc2ccc(Cl)cc2S(=O)(=O)N1",
        "O=C1NC(=O)C(c2ccccc2)(c2ccccc2)N1|OC1=NC(=O)C(c2ccccc2)(c2ccccc2)N1", "CCOP(O)(=S)OCC|CCOP(=O)(S)OCC",
    ],
)  # fmt: skip
def test_tautomers_are_one_molecule(drawings: str) -> None:
    """All tautomers get one standard form, so one value; they share a key and a skeleton, whatever the policy."""
    found = [read(text) for text in drawings.split("|")]

    assert len({each.smiles for each in found}) == 1
    assert len({molecule_key(each) for each in found}) == 1


@pytest.mark.parametrize(
    "smiles",
    [
        # Reported to RDKit: 2363, 3672, 3710, 5402, 5531, 7488, 7499, 7969, 8390, 9129.
        "NC(=O)c1[nH]nc(c1O)[C@@H]2O[C@H](CO)[C@@H](O)[C@H]2O", "CC(=O)[C@H](O)C",
        "c1ccc([C@@H](CC2=NCCN2)c2ccccn2)cc1",
        "[H][C@]1(N2CCC3=C(C(N)=O)N(CC4=CC=CC=C4)N=C3C2=O)COC2=C(C=CC(Cl)=C2)N(C)C1=O", "C[C@@H](C(=O)N)n1ccc2c1cccc2",
        "O=C(CO)[C@@H](O)[C@H](O)[C@H](O)CO", "C=C(C)[C@@H]1CC[C@@]2(C)CCC(=O)C(C)=C2C1", "O=C(N1)[C@H](CC(N)=O)CC1=O",
        "NC(=O)[C@H](Cl)F", "C(=O)[C@@H](Cl)F", "O=C1C(O)=C([C@H]2CC[C@H](C)CC2)C(=O)c2ccccc21",
        "C[C@H](O)C(=O)O", "C[C@@H](N)C(=O)O", "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O", "O=C1C=CCC=C1",
        "C[C@@]12CC[C@@H]3[C@H](CCC4=CC(=O)CC[C@]34C)[C@H]1CC[C@@H]2O", "C/C=C/C(=O)C", "CC(=O)/C=C/c1ccccc1",
        "C[C@H](C(=O)c1ccccc1)N", "OC[C@H](O)[C@H]1OC(=O)C(O)=C1O", "CN/C(=C\\[N+](=O)[O-])NCC",
        "O=C1CC[C@@H](N2C(=O)c3ccccc3C2=O)C(=O)N1",
    ],
)  # fmt: skip
def test_choosing_a_tautomer_costs_no_configuration_and_moves_no_double_bond(smiles: str) -> None:
    """Lactic acid stays S, testosterone keeps its conjugated ketone: neither becomes another compound."""
    mol = Chem.MolFromSmiles(smiles)

    assert inchikey(read(smiles).mol) == inchikey(mol)
    assert read(read(smiles).smiles).smiles == read(smiles).smiles
    Chem.Kekulize(mol, clearAromaticFlags=True)
    assert read(Chem.MolToSmiles(mol, kekuleSmiles=True)).smiles == read(smiles).smiles
    flat = Chem.MolToSmiles(read(smiles).mol, isomericSmiles=False)
    assert read(flat).smiles == flat


def test_a_drug_is_its_own_standard_form() -> None:
    """Standardising twice changes nothing, for 120 drugs and for hostile molecules, labels and tautomers included."""
    for text in [*random.Random(11).sample(drugs(), 120), *NASTY]:
        once = parse_molecule(text, limits=CURATION_LIMITS)
        if isinstance(once, Molecule):
            assert read(once.smiles).smiles == once.smiles, text


def test_keto_and_enol_share_a_skeleton_without_a_tautomer_policy() -> None:
    """Folds are made by a name that no drawing of the hydrogens changes."""
    keto, enol, other = ("CC(=O)CC(C)=O", "CC(=O)C=C(C)O", "CC(=O)CCC(C)=O")

    assert skeleton(keto) == skeleton(enol) != skeleton(other)


def test_extended_smiles_are_read() -> None:
    """Coordinates and labels are no part of a molecule; a mixed or unknown centre has no configuration."""
    assert read("CCO |(0,0,;1,1,;2,2,)|").smiles == "CCO"
    assert read("CCO |$a;b;c$|").smiles == "CCO"
    racemate, unknown = read("C[C@H](N)CO |&1:1|"), read("C[C@@H](N)CO |o1:1|")
    assert racemate.smiles == unknown.smiles == read("CC(N)CO").smiles
    assert [note.code for note in (*racemate.notes, *unknown.notes)] == ["stereo-mixture", "stereo-unknown"]
    assert read("C[C@H](N)CO |a:1|").smiles == read("C[C@H](N)CO").smiles
    assert not read("C[C@H](N)CO |a:1|").notes
    assert split_line(" C[C@H](N)CO |&1:1| an amine ") == ("C[C@H](N)CO |&1:1|", "an amine")


def test_a_racemate_of_several_centres_keeps_how_they_stand_to_each_other() -> None:
    """Either drawing of the cis racemate is one molecule, the trans racemate another, and neither is an enantiomer."""
    cis, mirror, trans = (
        read(f"{text} |&1:1,5|")
        for text in ("C[C@H]1CCC[C@@H](O)C1", "C[C@@H]1CCC[C@H](O)C1", "C[C@@H]1CCC[C@@H](O)C1")
    )

    assert cis.smiles == mirror.smiles != trans.smiles
    assert molecule_key(cis) == molecule_key(mirror) != molecule_key(read(cis.smiles))
    assert [note.code for note in cis.notes] == ["stereo-mixture"]


@pytest.mark.parametrize(
    ("one", "other", "mixed"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "C[C@H](N)C(=O)O |&1:1|"),
        ("N[C@@H]1C[C@H]1c1ccccc1", "N[C@H]1C[C@@H]1c1ccccc1", "N[C@@H]1C[C@H]1c1ccccc1 |&1:1,3|"),
        ("C[C@H]1CCC[C@@H](O)C1", "C[C@@H]1CCC[C@H](O)C1", "C[C@H]1CCC[C@@H](O)C1 |&1:1,5|"),
        ("CNC[C@H](O)c1ccccc1.Cl", "CNC[C@@H](O)c1ccccc1.Cl", "CNC[C@H](O)c1ccccc1.Cl |&1:3|"),
    ],
)
def test_both_mirror_images_are_the_racemate(one: str, other: str, mixed: str) -> None:
    """In equal amounts, in either order, with counter-ions or without: the molecule that `&1` writes, with a note."""
    racemate = read(mixed)

    for text in (f"{one}.{other}", f"{other}.{one}", f"{one}.{one}.{other}.{other}"):
        assert molecule_key(read(text)) == molecule_key(racemate)
        assert read(text).smiles == racemate.smiles
        assert "stereo-mixture" in [note.code for note in read(text).notes]
    assert refused(f"{one}.{other}.{other}") == "mixture"
    assert molecule_key(read(one)) != molecule_key(racemate)
    before = standardise(f"{one}.{other}", policy=2)
    assert isinstance(before, InvalidMolecule)
    assert before.code == "mixture"


@pytest.mark.parametrize("text", ["C[C@H](O)[C@@H](C)N.C[C@@H](O)[C@@H](C)N", "C/C=C/C(=O)O.C/C=C\\C(=O)O"])
def test_other_stereoisomers_beside_each_other_are_a_mixture(text: str) -> None:
    """Diastereomers and double bond isomers are different substances."""
    assert refused(text) == "mixture"


def test_a_structure_block_says_what_its_smiles_would_not() -> None:
    """Stereo groups and repeating units of an SDF record arrive; a list of atoms is not its first element."""
    for text in ("C[C@H](N)CO |&1:1|", "C[C@H]1CCC[C@@H](O)C1 |&1:1,5|", "CCO"):
        block = Chem.MolToV3KMolBlock(Chem.MolFromSmiles(text))
        assert read(written(Chem.MolFromMolBlock(block))).notes == read(text).notes
        assert molecule_key(read(written(Chem.MolFromMolBlock(block)))) == molecule_key(read(text))
    polymer = Chem.MolFromMolBlock(Chem.MolToV3KMolBlock(Chem.MolFromSmiles("CCO |Sg:n:0,1::ht|")))
    assert refused(written(polymer)) == "incomplete-structure"
    listed = Chem.MolFromMolBlock(Chem.MolToV3KMolBlock(Chem.MolFromSmarts("C[C,N]O")))
    assert refused(written(listed)) == "incomplete-structure"


def test_the_document_says_what_the_code_does() -> None:
    """`docs/awkward-molecules.md` is made by `python -m tests.awkward_molecules`, and holds sixty molecules."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()
    assert sum(map(len, GROUPS.values())) >= 60
