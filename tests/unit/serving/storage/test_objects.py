"""Named files in a folder or in S3 behave the same, and a place that is wrong says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from model_zoo.errors import ConfigError, StoreError
from serving.storage.objects import Objects, open_objects


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    """Yield an empty place of each kind."""
    if request.param == "folder":
        yield open_objects(str(tmp_path / "place"), "AIDRUG_BACKUP")
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="bucket")
        yield open_objects("s3://bucket/a/prefix/", "AIDRUG_BACKUP")


def test_what_was_written_is_there(objects: Objects, tmp_path: Path) -> None:
    """Content comes back, names are listed by prefix, what is deleted is gone, and absence is no error."""
    (tmp_path / "file").write_bytes(b"from a file")
    objects.write("notes/one.json", b"1")
    objects.write("notes/one.json", b"2")
    objects.upload("files/two", tmp_path / "file")

    assert objects.read("notes/one.json") == b"2"
    assert objects.read("absent") is None
    assert objects.names() == ["files/two", "notes/one.json"]
    assert objects.names("notes/") == ["notes/one.json"]
    objects.download("files/two", tmp_path / "deep" / "copy")
    assert (tmp_path / "deep" / "copy").read_bytes() == b"from a file"
    objects.delete("files/two")
    objects.delete("files/two")
    assert objects.names("files/") == []
    with pytest.raises(StoreError):
        objects.download("files/two", tmp_path / "again")


@pytest.mark.parametrize("objects", ["s3"], indirect=True)
def test_a_missing_bucket_is_named_with_the_remedy(objects: Objects) -> None:
    """The message has the place, what the server says, and what to do."""
    absent = open_objects("s3://no-such-bucket/prefix", "AIDRUG_BACKUP")

    with pytest.raises(StoreError, match=r"s3://no-such-bucket/prefix: .*NoSuchBucket.*make the bucket"):
        absent.write("name", b"content")
    with pytest.raises(StoreError, match="no-such-bucket"):
        absent.names()


def test_an_unreadable_place_is_one_error(tmp_path: Path) -> None:
    """A folder that is a file cannot hold anything, and the message names it."""
    (tmp_path / "place").write_text("a file")

    with pytest.raises(StoreError, match="place"):
        open_objects(str(tmp_path / "place"), "AIDRUG_BACKUP").write("name", b"content")


@pytest.mark.parametrize("place", ["http://host/path", "s3://", "s3:///prefix"])
def test_another_kind_of_place_is_refused(place: str) -> None:
    """The message names the setting and what it expects."""
    with pytest.raises(ConfigError, match="AIDRUG_LEDGER: expected a folder or s3://bucket/prefix, got"):
        open_objects(place, "AIDRUG_LEDGER")
