"""Bundles: what is written loads and predicts the same; anything altered is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from model_zoo.bundles.manifest import version_of
from model_zoo.bundles.reader import load_bundle
from model_zoo.data.targets import Target
from model_zoo.errors import AidrugError, BundleError
from tests.bundle_factory import training_molecules, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a whole bundle with an ONNX model."""
    write(tmp_path / "bundle", onnx_bias=-1.0)
    return tmp_path / "bundle"


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Alter a file and make the manifest agree, as only somebody who knows the format could."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": version_of(manifest)}))


def test_a_loaded_bundle_predicts_what_the_written_one_did(tmp_path: Path) -> None:
    """Loading from disk returns equal numbers, intervals and similarities, in order."""
    written = write(tmp_path / "bundle", onnx_bias=-1.0)
    molecules = training_molecules()
    before, after = written.predict(molecules), load_bundle(tmp_path / "bundle").predict(molecules)

    assert after.lower is not None
    assert after.upper is not None
    np.testing.assert_array_equal(before.value, after.value)
    np.testing.assert_allclose(after.upper - after.lower, 1.6)
    np.testing.assert_array_equal(after.similarity, 1.0)
    assert len(set(after.value)) > 10


def test_the_version_is_a_digest_of_the_content(tmp_path: Path) -> None:
    """Equal content has one version, other content another."""
    versions = [
        write(tmp_path / name, value=value).manifest.version for name, value in (("a", 1.0), ("b", 1.0), ("c", 2.0))
    ]

    assert versions[0] == versions[1] != versions[2]


def test_an_interval_never_leaves_the_bounds(tmp_path: Path) -> None:
    """What cannot be is not predicted: value and interval are cut to the endpoint's bounds."""
    bundle = write(tmp_path / "bundle", value=1.9, target=Target(task="regression", transform="log10", upper=100.0))
    got = bundle.predict(training_molecules()[:1])

    assert got.upper is not None
    assert got.value[0] == pytest.approx(10**1.9)
    assert got.upper[0] == 100.0


def test_a_binary_endpoint_has_a_probability_and_no_interval(tmp_path: Path) -> None:
    """A binary endpoint predicts within 0 and 1 and claims no interval."""
    got = write(tmp_path / "bundle", value=1.2, binary=True).predict(training_molecules()[:2])

    assert got.value.tolist() == [1.0, 1.0]
    assert got.lower is got.upper is None


def test_no_molecules_give_no_predictions(folder: Path) -> None:
    """An empty request is answered by empty arrays."""
    assert load_bundle(folder).predict([]).value.shape == (0,)


@pytest.mark.parametrize("name", ["model/model.onnx", "domain.npy", "card.json", "neighbours.json", "reference.json"])
def test_one_altered_byte_is_refused(folder: Path, name: str) -> None:
    """A file that differs from its checksum is never used."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))

    with pytest.raises(BundleError, match="checksum differs"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["model/model.onnx", "model/model.json", "domain.npy", "manifest.json"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    """A bundle without one of its files does not load."""
    (folder / name).unlink()

    with pytest.raises(BundleError):
        load_bundle(folder)


def test_a_file_nobody_named_is_refused(folder: Path) -> None:
    """A file that the manifest does not name is not part of the bundle."""
    (folder / "model" / "extra.bin").write_bytes(b"?")

    with pytest.raises(BundleError, match=r"unexpected files \['model/extra.bin'\]"):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 9}'])
def test_a_manifest_that_is_not_one_is_refused(folder: Path, content: bytes) -> None:
    """An unreadable manifest, or one of a format to come, is a clear error."""
    (folder / "manifest.json").write_bytes(content)

    with pytest.raises(BundleError, match="not a valid manifest"):
        load_bundle(folder)


def test_a_model_that_predicts_something_else_is_refused(folder: Path) -> None:
    """With every checksum right, a model still has to reproduce its reference predictions."""
    reference = json.loads((folder / "reference.json").read_text())
    reference["values"][1] += 0.01
    rewrite(folder, "reference.json", json.dumps(reference).encode())

    with pytest.raises(BundleError, match="does not reproduce"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model/model.onnx", b"not a graph"),
        ("model/model.json", b'{"format": "pickle"}'),
        ("model/model.json", b"[]"),
        ("domain.npy", b"not an array"),
        ("card.json", b"{"),
    ],
)
def test_content_that_cannot_be_read_is_a_bundle_error(folder: Path, name: str, content: bytes) -> None:
    """Whatever is inside, the caller gets one kind of error."""
    rewrite(folder, name, content)

    with pytest.raises(BundleError):
        load_bundle(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"[]",
        b'{"smiles": ["CCO"], "values": [null]}',
        b'{"smiles": ["C1"], "values": [1]}',
        b'{"smiles": ["CCO", "CCO"], "values": [1]}',
    ],
)
def test_a_broken_reference_is_a_bundle_error(folder: Path, content: bytes) -> None:
    """A reference without its fields, numbers or molecules refuses the bundle, by the same kind of error."""
    rewrite(folder, "reference.json", content)

    with pytest.raises(BundleError):
        load_bundle(folder)


def test_a_featurizer_this_version_does_not_have_is_a_clear_error(tmp_path: Path) -> None:
    """A bundle that needs an unknown featurizer names it."""
    with pytest.raises(AidrugError, match="unknown featurizer 'future'"):
        write(tmp_path / "bundle", features=("future",))
