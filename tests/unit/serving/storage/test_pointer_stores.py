"""What both stores do with a pointer: cover it, notice that it is gone, keep the way back, begin another lineage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from model_zoo.bundles.pointer import Pointer, PointerError, parse_pointer
from model_zoo.bundles.store import FolderStore, Store
from model_zoo.errors import StoreError
from model_zoo.io.digests import content_digest
from serving.storage.s3_store import S3Store
from tests.bundle_factory import publish, write

LANDED = Path(__file__).parents[3] / "landed"
SOLUBILITY = "solubility_logs"


@dataclass
class Place:
    """A store, and its files as somebody with an editor sees them."""

    store: Store
    write: Callable[[str, bytes], object]
    read: Callable[[str], bytes]
    delete: Callable[[str], object]


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield an empty store of each kind."""
    if request.param == "folder":
        root = tmp_path / "store"

        def put(name: str, content: bytes) -> None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)

        def delete(name: str) -> None:
            (root / name).unlink()

        yield Place(FolderStore(root), put, lambda name: (root / name).read_bytes(), delete)
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="bundles")
        yield Place(
            S3Store("bundles", "p", tmp_path / "cache", s3),
            lambda name, content: s3.put_object(Bucket="bundles", Key=f"p/{name}", Body=content),
            lambda name: s3.get_object(Bucket="bundles", Key=f"p/{name}")["Body"].read(),
            lambda name: s3.delete_object(Bucket="bundles", Key=f"p/{name}"),
        )


def landed(place: Place) -> bytes:
    """Put the store that an earlier version wrote in place; give its pointer."""
    for path in (LANDED / "store").rglob("*"):
        if path.is_file():
            place.write(path.relative_to(LANDED / "store").as_posix(), path.read_bytes())
    return (LANDED / "store" / "current.json").read_bytes()


def current(place: Place) -> Pointer:
    """Read the pointer."""
    return parse_pointer(place.store.read_pointer_bytes())


def test_the_pointer_names_the_digest_of_every_manifest(place: Place, tmp_path: Path) -> None:
    """Of the version that serves, of the one on trial, and of those before."""
    old, new = (publish(place.store, tmp_path / str(value), value=value) for value in (1.0, 2.0))
    write(tmp_path / "trial", value=3.0)
    trial = place.store.put_bundle(tmp_path / "trial")
    after = place.store.update_pointer(lambda now: now.put_on_trial({SOLUBILITY: (trial, "shadow", 0.1)}, by="test"))
    now = after.endpoints[SOLUBILITY]
    assert now.challenger is not None

    for entry, version in ((now, new), (now.challenger, trial), (now.history[0], old)):
        assert entry.version == version
        assert entry.manifest == content_digest(place.read(f"bundles/{SOLUBILITY}/{version}/manifest.json"))
    assert current(place) == after


def test_what_is_not_in_the_store_is_not_appointed(place: Place, tmp_path: Path) -> None:
    """A version that is not there, or whose manifest was altered, never becomes the champion; the others stay."""
    good = publish(place.store, tmp_path / "good", value=1.0)
    before = place.read("current.json")
    with pytest.raises(StoreError, match="cannot be served by rf-0: bundle solubility_logs/rf-0 is not in the store"):
        place.store.update_pointer(lambda now: now.appoint({SOLUBILITY: "rf-0"}, by="test"))
    write(tmp_path / "bad", value=2.0)
    bad = place.store.put_bundle(tmp_path / "bad")
    name = f"bundles/{SOLUBILITY}/{bad}/manifest.json"
    place.write(name, place.read(name).replace(b'"interval_half_width": 0.8', b'"interval_half_width": 0.008'))
    with pytest.raises(StoreError, match="it was altered"):
        place.store.update_pointer(lambda now: now.appoint({SOLUBILITY: bad}, by="test"))

    assert current(place).endpoints[SOLUBILITY].version == good
    assert place.read("current.json") == before


def test_a_pointer_that_is_gone_is_no_empty_store(place: Place, tmp_path: Path) -> None:
    """Reading and writing say so and what to do: a run would else forget what was held, and serve it."""
    publish(place.store, tmp_path / "bundle")
    place.delete("current.json")

    for attempt in (
        place.store.read_pointer_bytes,
        lambda: place.store.update_pointer(lambda now: now.appoint({SOLUBILITY: "rf-0"}, by="test")),
    ):
        with pytest.raises(PointerError, match="put back its last intact version"):
            attempt()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format": 1, "generation": 4, "endpoints": {}}'])
def test_nothing_is_written_over_a_damaged_pointer(place: Place, tmp_path: Path, content: bytes) -> None:
    """Whatever it was, it is left for somebody to look at."""
    publish(place.store, tmp_path / "bundle")
    place.write("current.json", content)

    with pytest.raises(PointerError):
        place.store.update_pointer(lambda now: now.roll_back(SOLUBILITY, by="test"))
    assert place.read("current.json") == content


def test_what_services_would_refuse_is_not_written(place: Place, tmp_path: Path) -> None:
    """A change that goes back, or loses an endpoint, is refused where it is made."""
    for endpoint in (SOLUBILITY, "bbb"):
        publish(place.store, tmp_path / endpoint, endpoint=endpoint)
    before = place.read("current.json")
    for change in (
        lambda now: now.model_copy(update={"generation": 1}),
        lambda now: now.model_copy(update={"generation": 3, "endpoints": {"bbb": now.endpoints["bbb"]}}),
    ):
        with pytest.raises(StoreError, match="services would refuse it"):
            place.store.update_pointer(change)
    assert place.read("current.json") == before


def test_a_restored_pointer_begins_another_lineage(place: Place, tmp_path: Path) -> None:
    """Over a damaged one, or none: the saved one serves again, and grows from there."""
    publish(place.store, tmp_path / "bundle")
    saved = current(place)
    place.write("current.json", b"{")
    restored = place.store.restore_pointer(saved)

    assert current(place) == restored
    assert (restored.endpoints, restored.generation) == (saved.endpoints, 2)
    assert restored.lineage not in (saved.lineage, "")
    publish(place.store, tmp_path / "next", value=4.0)
    assert (current(place).lineage, current(place).generation) == (restored.lineage, 3)


def test_an_earlier_version_s_store_is_read_and_the_first_change_keeps_the_way_back(place: Place) -> None:
    """Its pointer stays beside the new one, byte by byte; the new one covers every manifest, the earlier ones too."""
    before = landed(place)
    read = current(place)
    assert (read.lineage, read.generation) == ("", 6)
    assert place.store.update_pointer(lambda now: now) == read
    assert place.read("current.json") == before

    after = place.store.update_pointer(lambda now: now.put_on_trial({"bbb": None}, by="test"))

    assert place.read("current.format1.json") == before
    assert after.lineage
    assert after.damage_after(read) is None
    assert all(now.manifest for now in after.endpoints.values())
    place.store.update_pointer(lambda now: now.roll_back(SOLUBILITY, by="test"))
    assert place.read("current.format1.json") == before
    place.write("current.json", place.read("current.format1.json"))
    assert current(place) == read


def test_one_broken_bundle_of_an_earlier_version_keeps_no_other_from_changing(place: Place) -> None:
    """What it named and cannot be covered stays named, without a digest."""
    landed(place)
    version = current(place).endpoints[SOLUBILITY].version
    place.delete(f"bundles/{SOLUBILITY}/{version}/manifest.json")
    after = place.store.update_pointer(lambda now: now.put_on_trial({"bbb": None}, by="test"))

    assert after.endpoints[SOLUBILITY].manifest is None
    assert after.endpoints["bbb"].manifest is not None


def test_a_vanished_folder_is_as_absent_as_a_key_that_is_not_there(tmp_path: Path) -> None:
    """Neither is an error of the store: its follower decides what it means."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle")
    shutil.rmtree(store.root)

    assert store.read_pointer_bytes() is None


def test_the_pointer_is_json_that_people_can_read(place: Place, tmp_path: Path) -> None:
    """It is looked at with any tool."""
    version = publish(place.store, tmp_path / "bundle")
    content = json.loads(place.read("current.json"))

    assert content["endpoints"][SOLUBILITY]["version"] == version
    assert {"format", "minimum_reader", "lineage", "generation", "seal"} < set(content)
