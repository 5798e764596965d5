"""The manifest, and every byte that it covers: nothing that can change an answer can be changed.

Who could bring what: a bad disk, half an upload, somebody who edits a number by hand (an interval factor, a threshold),
somebody who edits the checksums as well.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model_zoo.bundles.manifest import parse_manifest, version_of
from model_zoo.bundles.reader import load_bundle, verify_files
from model_zoo.bundles.store import FolderStore, read_card
from model_zoo.errors import BundleError
from model_zoo.io.digests import file_digest
from tests.bundle_factory import publish, write

FILES = ("card.json", "domain.npy", "explanation.npz", "model/model.json", "model/model.onnx", "neighbours.json",
         "properties.npy", "reference.json")  # fmt: skip
Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a whole bundle with every kind of file."""
    return write(tmp_path_factory.mktemp("whole") / "bundle", onnx_bias=-1.0, explained=True).folder


def flipped(place: float, change: int = 1) -> Damage:
    """Return a damage that changes one byte, at a share of the content."""

    def damage(content: bytes) -> bytes:
        index = min(len(content) - 1, int(place * len(content)))
        return content[:index] + bytes([content[index] ^ change]) + content[index + 1 :]

    return damage


DAMAGES: tuple[Damage, ...] = (
    *(flipped(place, change) for place in (0, 0.1, 0.5, 0.9, 1) for change in (1, 0x80)),
    lambda content: content[:-1],
    lambda content: content[: len(content) // 2],
    lambda content: b"",
    lambda content: content + b"\n",
    lambda content: content + b"\0",
)


def test_no_file_of_a_bundle_can_be_changed(folder: Path, tmp_path: Path) -> None:
    """Each file, at its begin, middle and end, cut and longer: the bundle is refused, and the file is named."""
    assert sorted(verify_files(folder).files) == list(FILES)
    copy = shutil.copytree(folder, tmp_path / "copy")
    for name in FILES:
        whole = (copy / name).read_bytes()
        for damage in DAMAGES:
            (copy / name).write_bytes(damage(whole))
            with pytest.raises(BundleError, match=f"{name}: the checksum differs"):
                load_bundle(copy)
        (copy / name).write_bytes(whole)
    load_bundle(copy)


def test_no_byte_of_the_manifest_can_be_changed(folder: Path, tmp_path: Path) -> None:
    """Any byte, blanks too: it is not what the pointer names. Every third one is tried, for time."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    path, digest = copy / "manifest.json", file_digest(folder / "manifest.json")
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BundleError, match=r"manifest\.json"):
            verify_files(copy, digest)
    for damage in DAMAGES[10:]:
        path.write_bytes(damage(whole))
        with pytest.raises(BundleError, match=r"manifest\.json"):
            verify_files(copy, digest)
    path.write_bytes(whole)
    verify_files(copy, digest)


@pytest.mark.parametrize(
    "fields",
    [
        {"interval_half_width": 0.008},
        {"domain_threshold": 0.0},
        {"unit": "mol/L"},
        {"trust": {}},
        {"policies": {}},
        {"features": ["morgan_count"]},
        {"files": {}},
        {"note": "a field that nobody knows"},
    ],
)
def test_a_number_mended_by_hand_is_refused_without_any_digest(folder: Path, fields: dict[str, object]) -> None:
    """The version is computed from the content: an interval a hundredth as wide was served before."""
    content = {**json.loads((folder / "manifest.json").read_bytes()), **fields}

    with pytest.raises(BundleError, match="it was altered"):
        parse_manifest(json.dumps(content).encode(), "manifest.json")


def test_whoever_mends_the_version_too_is_refused_by_the_pointer(folder: Path, tmp_path: Path) -> None:
    """A manifest that is sound in itself is not the one that was published."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    content = {**json.loads((copy / "manifest.json").read_bytes()), "interval_half_width": 0.008}
    (copy / "manifest.json").write_text(json.dumps({**content, "version": version_of(content)}))

    verify_files(copy)
    with pytest.raises(BundleError, match="differs from what the pointer says"):
        verify_files(copy, file_digest(folder / "manifest.json"))


@pytest.mark.parametrize("name", ["card.json", "manifest.json"])
def test_a_card_is_read_whole_or_not_at_all(tmp_path: Path, name: str) -> None:
    """Who serves is decided by what the holder's card says: a changed score is refused."""
    store = FolderStore(tmp_path / "store")
    version = publish(store, tmp_path / "bundle", card={"scores": {"test": {"rmse": 0.7}}})
    path = store.bundle_folder("solubility_logs", version) / name
    assert read_card(store, "solubility_logs", version).scores.test == {"rmse": 0.7}
    path.write_bytes(path.read_bytes().replace(b"7", b"1"))

    with pytest.raises(BundleError, match=name):
        read_card(store, "solubility_logs", version)


def test_a_manifest_that_needs_newer_rules_is_refused_by_name(folder: Path) -> None:
    """It says which rule, which version, and what to do; nothing is served by rules that are not there."""
    for rules, message in (
        ({"standardise": 9}, r"standardisation that is here \(1, 2, 3\), got version 9"),
        ({"alerts": 9}, r"structural alerts that is here \(1\), got version 9"),
        ({"featurizers": {"descriptors": 9}}, r"the featurizer 'descriptors' that is here \(1\), got version 9"),
    ):
        content = {**json.loads((folder / "manifest.json").read_bytes()), "policies": rules}
        with pytest.raises(BundleError, match=message):
            parse_manifest(json.dumps({**content, "version": version_of(content)}).encode(), "manifest.json")


def test_a_manifest_for_newer_readers_is_refused_and_one_with_more_fields_is_read(folder: Path) -> None:
    """Both directions: what may be ignored is, at any depth, and what may not is refused by name."""
    content = json.loads((folder / "manifest.json").read_bytes())
    more = {**content, "format": 8, "owner": "x", "target": {**content["target"], "log_base": 10}}
    read = parse_manifest(json.dumps({**more, "version": version_of(more)}).encode(), "manifest.json")
    assert read.features == tuple(content["features"])

    newer = {**more, "minimum_reader": 8}
    with pytest.raises(BundleError, match=r"this manifest needs a reader of version 8 or newer"):
        parse_manifest(json.dumps({**newer, "version": version_of(newer)}).encode(), "manifest.json")
