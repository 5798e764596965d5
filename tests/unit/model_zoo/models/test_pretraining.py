"""The weights that the transformer starts from: made of structures alone, and part of the code."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.errors import DataError, TrainingError
from model_zoo.featurizers import rdkit_descriptors, tokens
from model_zoo.io.digests import file_digest
from model_zoo.models import _smiles_encoder, transformer
from model_zoo.training import pretraining
from tests.real_molecules import drugs

ROOT = Path(__file__).parents[4]


def molecules(count: int) -> list[Molecule]:
    """Return real drugs."""
    parsed = [parse_molecule(smiles) for smiles in drugs()[: 2 * count]]
    return [molecule for molecule in parsed if isinstance(molecule, Molecule)][:count]


def test_the_weights_are_those_the_code_names() -> None:
    """The file has the digest that signatures see, and is data: half-precision arrays of the encoder's shape."""
    assert file_digest(_smiles_encoder.WEIGHTS) == _smiles_encoder.DIGEST
    with np.load(_smiles_encoder.WEIGHTS, allow_pickle=False) as kept:
        shapes = {name: kept[name].shape for name in kept.files}
        assert {kept[name].dtype for name in kept.files} == {np.dtype(np.float16)}
    encoder = _smiles_encoder.make_encoder(**_smiles_encoder.SHAPE, dropout=0.1)
    assert shapes == {name: tuple(value.shape) for name, value in encoder.state_dict().items()}


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not the one the code was written for is an error that says what to do."""
    other = tmp_path / "other.npz"
    np.savez(other, a=np.zeros(1))
    monkeypatch.setattr(_smiles_encoder, "WEIGHTS", other)

    with pytest.raises(TrainingError, match=r"other\.npz: its SHA-256 .*: restore the file"):
        transformer.train(tokens.featurize(molecules(12)), np.arange(12.0), transformer.Config(task="regression"))


def test_weights_fit_one_shape() -> None:
    """Another shape is accepted without the weights alone."""
    with pytest.raises(ValidationError, match=r"'layers': 3.*: set pretrained to false"):
        transformer.Config(layers=3)
    assert transformer.Config(layers=3, pretrained=False).layers == 3


@pytest.mark.slow(sibling="test_the_weights_are_those_the_code_names")
def test_the_weights_know_more_than_none() -> None:
    """After a few steps on logP, the network that could read descriptors is nearer on molecules it has not seen."""
    known = molecules(120)
    X, y = tokens.featurize(known), rdkit_descriptors.featurize(known)[:, rdkit_descriptors.NAMES.index("MolLogP")]
    errors = {}
    for pretrained in (True, False):
        config = transformer.Config(task="regression", pretrained=pretrained, steps=25)
        fitted = transformer.train(X[:80], y[:80].astype(np.float64), config)
        errors[pretrained] = float(np.sqrt(np.mean((fitted.predict(X[80:]) - y[80:]) ** 2)))

    assert errors[True] < 0.95 * errors[False]


def test_making_the_weights_is_reproducible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command writes the same file twice, and says its digest."""
    monkeypatch.setattr(pretraining, "molecules", lambda root, more: molecules(80))
    messages: list[str] = []
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    pretraining.write_weights(ROOT, messages.append, first, steps=3)
    pretraining.write_weights(ROOT, messages.append, second, steps=3)

    assert first.read_bytes() == second.read_bytes()
    assert file_digest(first) in messages[-1]


@pytest.mark.slow(sibling="test_making_the_weights_is_reproducible")
def test_making_the_weights_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some steps they explain some variance."""
    monkeypatch.setattr(pretraining, "molecules", lambda root, more: molecules(200))
    assert pretraining.write_weights(ROOT, lambda line: None, tmp_path / "a.npz", steps=30) > 0.02


def test_a_file_of_structures_is_learnt_from_and_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its molecules are learnt from, whatever the order of its rows; the digest of what is written is in the code."""
    monkeypatch.setattr(pretraining, "molecules", lambda root, more: [*molecules(60), *more])
    rows = ["OCCCCCCN,a", "nonsense,b", "NCCCCCCO,c", "C1CC1CCl,d"]
    messages: list[str] = []
    for name, lines in (("first", rows), ("second", rows[::-1])):
        (tmp_path / name).mkdir()
        shutil.copy(_smiles_encoder.__file__, tmp_path / name)
        file = tmp_path / f"{name}.csv"
        file.write_text("\n".join(["structure,name", *lines]), encoding="utf-8")
        pretraining.write_weights(ROOT, messages.append, tmp_path / name / "weights.npz", steps=2, own=file)
    first, second = (tmp_path / name for name in ("first", "second"))
    assert "first.csv: 2 molecules, 1 rows hold none that can be read" in messages[0]
    assert (first / "weights.npz").read_bytes() == (second / "weights.npz").read_bytes()
    digest = file_digest(first / "weights.npz")
    assert f'DIGEST = "{digest}"' in (first / "_smiles_encoder.py").read_text(encoding="utf-8")
    assert digest != _smiles_encoder.DIGEST
    assert "written into _smiles_encoder.py" in messages[-1]


def test_a_file_without_structures_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None there, none that can be read, and too many: nothing is written."""
    with pytest.raises(DataError, match=r"absent\.csv: expected a file of structures"):
        pretraining.structures(tmp_path / "absent.csv")
    file = tmp_path / "some.csv"
    file.write_text("smiles\nnonsense\nmore nonsense\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"some\.csv: expected structures, got 2 rows of which none can be read"):
        pretraining.write_weights(ROOT, lambda line: None, tmp_path / "weights.npz", own=file)
    assert not (tmp_path / "weights.npz").exists()
    monkeypatch.setattr(pretraining, "MOST", 2)
    file.write_text("smiles\nCCO\nCCN\nOCC\nCCCl\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected at most 2 different molecules"):
        pretraining.structures(file)


def test_a_molecule_written_anew_is_the_same_molecule() -> None:
    """Another atom comes first, and the molecule is the one it was."""
    generator = np.random.default_rng(0)
    for molecule in molecules(30):
        again = pretraining.rewritten(molecule, generator)
        assert parse_molecule(again.smiles).smiles == molecule.smiles  # type: ignore[union-attr]


def test_the_molecules_are_the_drugs_and_those_of_the_endpoints(tmp_path: Path) -> None:
    """Each molecule comes once, sorted, without any measured value."""
    name = "endpoints/hydration_free_energy.yaml"
    (tmp_path / "configs" / "endpoints").mkdir(parents=True)
    (tmp_path / "configs" / "models").mkdir()
    for each in (name, *(f"models/{model}.yaml" for model in ("naive", "catboost", "gp"))):
        shutil.copy(ROOT / "configs" / each, tmp_path / "configs" / each)
    smiles = [molecule.smiles for molecule in pretraining.molecules(tmp_path)]

    assert smiles == sorted(set(smiles))
    assert {molecule.smiles for molecule in molecules(100)} < set(smiles)
    assert "CCCCCO" in smiles
