"""Molecules: any text becomes a standard molecule or a value that says why not."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from model_zoo.chemistry import molecules
from model_zoo.chemistry.molecules import (
    CURATION_LIMITS,
    InvalidMolecule,
    Limits,
    Molecule,
    Standardise,
    inchikey,
    parse_molecule,
    scaffold,
    standardise_molecule,
)
from model_zoo.policies import molecules_1
from tests.real_molecules import NASTY, at_least

DRUGS = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "C[C@H](N)C(=O)O",
    "OC(=O)[C@@H]1CCCN1",
    "F/C=C/F",
    "C[N+](C)(C)CC(=O)[O-]",
    "O=[N+]([O-])c1ccccc1",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "[2H]C([2H])([2H])O",
    "CCN(CC)CCOC(=O)c1ccc(N)cc1.Cl",
    "[Na+].[O-]C(=O)c1ccccc1",
    "CS(=O)(=O)N",
    "OB(O)c1ccccc1",
    "C[Si](C)(C)C",
    "O=C1NC(=O)C(N1)(c1ccccc1)c1ccccc1",
)


def molecule(smiles: str, standardise: Standardise | None = None) -> Molecule:
    """Parse what must be a molecule."""
    parsed = parse_molecule(smiles, standardise)
    assert isinstance(parsed, Molecule), parsed
    return parsed


@pytest.mark.parametrize("smiles", DRUGS)
def test_the_writing_does_not_matter(smiles: str) -> None:
    """However a molecule is written, its standard SMILES and its atom order are the same."""
    standard = molecule(smiles)
    mol = Chem.MolFromSmiles(smiles)
    generator = random.Random(0)
    for _ in range(10):
        order = list(range(mol.GetNumAtoms()))
        generator.shuffle(order)
        written = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
        other = molecule(written)
        assert other.smiles == standard.smiles
        assert [atom.GetAtomicNum() for atom in other.mol.GetAtoms()] == [
            atom.GetAtomicNum() for atom in standard.mol.GetAtoms()
        ]


@pytest.mark.parametrize("smiles", DRUGS)
def test_standardising_twice_changes_nothing(smiles: str) -> None:
    """The standard form is its own standard form; so a stored SMILES predicts as it was trained."""
    standard = molecule(smiles)

    assert molecule(standard.smiles).smiles == standard.smiles
    assert inchikey(molecule(standard.smiles).mol) == inchikey(standard.mol)


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        ("  CCO\n", "CCO"),
        ("\tCCO", "CCO"),
        ("[Na+].CC(=O)[O-]", "CC(=O)O"),
        ("[K]OC(C)=O", "CC(=O)O"),
        ("CC(=O)O[Na]", "CC(=O)O"),
        ("C[NH3+].[Cl-]", "CN"),
        ("CCO.O", "CCO"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("C[N+](C)(C)C", "C[N+](C)(C)C"),
        ("C1=CC=CC=C1", "c1ccccc1"),
        ("[CH3][CH2][OH]", "CCO"),
    ],
)
def test_the_standard_form(written: str, standard: str) -> None:
    """Salts, solvents, removable charges and other drawings give the neutral parent."""
    assert molecule(written).smiles == standard


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Standardise(), "CC(=O)O"),
        (Standardise(uncharge=False), "CC(=O)[O-]"),
        (Standardise(largest_fragment=False), "CC(=O)[O-].[Na+]"),
    ],
)
def test_the_policy_decides(policy: Standardise, expected: str) -> None:
    """Each step is a policy of the endpoint."""
    assert molecule("CC(=O)[O-].[Na+]", policy).smiles == expected


def test_tautomers_are_one_unless_told_apart() -> None:
    """Keto and enol are one molecule by default and two by policy."""
    keto, enol = "CC(=O)CC(C)=O", "CC(=O)C=C(C)O"
    policy = Standardise()

    assert molecule(keto, apart := Standardise(canonical_tautomer=False)).smiles != molecule(enol, apart).smiles
    assert molecule(keto, policy).smiles == molecule(enol, policy).smiles


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("\u00a0", "empty"),
        ("not a molecule", "invalid-smiles"),
        ("CCO ethanol", "invalid-smiles"),
        ("CCO\tethanol", "invalid-smiles"),
        ("CCO\nCCN", "invalid-smiles"),
        ("CCO |a$|", "invalid-smiles"),
        ("CCO |$a$| ethanol", "invalid-smiles"),
        ("CC\0O", "invalid-smiles"),
        ("C1CC", "invalid-smiles"),
        ("C(", "invalid-smiles"),
        ("c1cccc1", "invalid-smiles"),
        ("C(C)(C)(C)(C)C", "invalid-smiles"),
        ("Xx", "invalid-smiles"),
        ("😀", "invalid-smiles"),
        ("CC😀O", "invalid-smiles"),
        ("\ud800", "invalid-smiles"),
        ("\uff23\uff23\uff2f", "invalid-smiles"),
        ("<script>", "invalid-smiles"),
        ("[H][H]", "no-atoms"),
        ("[H+]", "no-atoms"),
        ("C" * 601, "too-long"),
        ("😀" * 100_000, "too-long"),
        ("C" * 151, "too-large"),
    ],
)
def test_what_is_no_molecule_is_a_value(text: str, code: str) -> None:
    """Bad input is a code and a reason, at once; never an exception, never None."""
    begun = time.perf_counter()
    parsed = parse_molecule(text)

    assert isinstance(parsed, InvalidMolecule)
    assert parsed.code == code
    assert parsed.detail
    assert time.perf_counter() - begun < 1.0


def test_a_reason_does_not_repeat_the_input() -> None:
    """A hostile text does not come back in an answer or a log."""
    parsed = parse_molecule("<img src=x onerror=alert(1)>")

    assert isinstance(parsed, InvalidMolecule)
    assert "img" not in parsed.detail


def test_limits_are_inclusive_and_wider_for_curation() -> None:
    """Exactly the limit is accepted; data sets may hold larger molecules than a request."""
    assert isinstance(parse_molecule("C" * 150), Molecule)
    assert isinstance(parse_molecule("C" * 151, None, CURATION_LIMITS), Molecule)
    assert isinstance(parse_molecule("C" * 301, None, CURATION_LIMITS), InvalidMolecule)
    assert isinstance(parse_molecule("CCO", None, Limits(max_characters=2)), InvalidMolecule)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 600,
        "[" * 600,
        "C(" * 300,
        "C" + "(C)" * 199,
        "C%99" * 150,
        "C1" * 300,
        "[C@@]" * 120,
        "." * 600,
        "C." * 149 + "C",
        "C12345678" * 60,
        "c1ccc2c(c1)" * 40,
        "C=" * 299 + "C",
        "[99999999999C]",
        "[C+999999999]",
        "[CH999]",
        "C" + "#C" * 100,
        "[*]" * 100,
        "*",
        "C~C",
        "C>>C",
        "C123C4C5C1C6C2C4C7C3C5C67",
        "/C" * 200,
        "F/C=C/" * 40 + "F",
        "[Fe]" * 50,
    ],
)
def test_hostile_texts_are_answered_quickly(text: str) -> None:
    """Deep nesting, absurd numbers and dense rings take no time and no process down."""
    begun = time.perf_counter()
    parsed = parse_molecule(text)

    assert isinstance(parsed, Molecule | InvalidMolecule)
    assert time.perf_counter() - begun < 3.0


SMILES_LIKE = st.text("CNOPSFIclBr[]()=#-+/\\@.%0123456789nosHK*~:>", max_size=40)


@settings(max_examples=300, deadline=3000)
@given(text=st.text(max_size=60) | SMILES_LIKE)
def test_any_text_is_answered(text: str) -> None:
    """Whatever the text, the answer is a molecule within the limits or a value that says why not."""
    parsed = parse_molecule(text)

    if isinstance(parsed, InvalidMolecule):
        assert parsed.code
        assert parsed.detail
    else:
        assert 0 < parsed.mol.GetNumHeavyAtoms() <= Limits().max_heavy_atoms
        assert Chem.MolToSmiles(parsed.mol) == parsed.smiles
        assert not any(character.isspace() for character in parsed.smiles)


def test_an_unreadable_rest_is_a_value() -> None:
    """Where standardisation leaves nothing readable, that is a value too."""
    parsed = standardise_molecule(Chem.MolFromSmiles("[H][H]"), Standardise())

    assert isinstance(parsed, InvalidMolecule)
    assert parsed.code == "standardise-failed"


def test_an_inchikey_tells_stereo_isomers_apart_after_its_first_block() -> None:
    """The first block is the skeleton, the second the stereochemistry."""
    left, right = (inchikey(molecule(smiles).mol) for smiles in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"))

    assert left != right
    assert left[:14] == right[:14]
    assert len(left) == 27


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCO", ""),
        ("Cc1ccccc1", "c1ccccc1"),
        ("C[C@H]1CCCC[C@@H]1O", "C1CCCCC1"),
        ("c1ccccc1CCc1ccncc1", "c1ccc(CCc2ccncc2)cc1"),
        ("O=C1CCCCC1", "O=C1CCCCC1"),
    ],
)
def test_a_scaffold_is_rings_and_linkers(smiles: str, expected: str) -> None:
    """Side chains and stereochemistry are no part of a scaffold; acyclic molecules have none."""
    assert scaffold(molecule(smiles).mol) == expected


@pytest.mark.parametrize(
    "count",
    [
        150,
        pytest.param(700, marks=pytest.mark.slow(sibling="test_molecules_that_need_no_standardising_are_told_rightly")),
    ],
)
def test_molecules_that_need_no_standardising_are_told_rightly(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving the steps out gives, atom by atom, what the steps give: for real molecules, and for hostile ones."""
    texts = [*NASTY, *random.Random(4).sample(at_least(17_000), count)]
    plain = sum(mol is not None and molecules.is_plain(mol) for mol in map(Chem.MolFromSmiles, texts))
    quick = [parse_molecule(text, limits=CURATION_LIMITS) for text in texts]
    monkeypatch.setattr(molecules, "is_plain", lambda mol: False)
    whole = [parse_molecule(text, limits=CURATION_LIMITS) for text in texts]

    assert [_content(one) for one in quick] == [_content(one) for one in whole]
    assert plain > len(texts) // 2


@pytest.mark.parametrize(
    "text",
    [
        "C[N+](C)(C)C", "CS(C)=O", "C[CH2]", "[Na]Cl", "CC.O", "C[N+](=O)[O-]", "CN=[N+]=[N-]", "CP(C)(C)=O", "[H][H]",
        "C[2H]", "C", "Cl", "C[SiH3]", "O->C", "C*",
    ],
)  # fmt: skip
def test_charges_salts_metals_and_rare_valences_are_standardised(text: str) -> None:
    """Nothing that a step of standardising looks at is taken for a molecule that needs none."""
    mol = Chem.MolFromSmiles(text)

    assert mol is not None
    assert not molecules.is_plain(mol)


def _content(parsed: Molecule | InvalidMolecule) -> object:
    if isinstance(parsed, InvalidMolecule):
        return parsed
    return parsed.smiles, parsed.mol.ToBinary()


@pytest.mark.parametrize(
    "odd", ["CCO\N{HORIZONTAL ELLIPSIS}", "\N{CYRILLIC CAPITAL LETTER ES}CO", "CCO\u00e9", "CCO\x07"]
)
def test_signs_at_the_ends_that_rdkit_drops_are_no_part_of_a_molecule(odd: str) -> None:
    """A text that a program cut is another molecule than what is left of it; blanks that nobody sees are none."""
    found = parse_molecule(odd)

    assert isinstance(found, InvalidMolecule)
    assert found.code == "invalid-smiles"
    assert isinstance(parse_molecule("\N{ZERO WIDTH NO-BREAK SPACE}CCO\N{ZERO WIDTH SPACE}"), Molecule)
    assert isinstance(molecules_1.parse_molecule(odd), InvalidMolecule)
