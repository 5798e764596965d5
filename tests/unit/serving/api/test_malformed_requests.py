"""What no client of sound mind sends: each is refused in our form, and nothing is a fault of the service.

Cases from public reports, tried on this service: litestar-org/litestar#1047 (malformed JSON), Kludex/starlette#2563
(`%00` in the address of a file), Kludex/starlette#1123 (a file taken for a folder), benoitc/gunicorn#1023 (half an IPv6
address), jupyterhub/jupyterhub#5461 (a body that is no UTF-8).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.job_settings import JobSettings
from serving.settings import Settings
from tests.bundle_factory import publish

JSON = {"content-type": "application/json"}
BODIES = {
    "no UTF-8": b'{"smiles": ["\xff\xfe"]}',
    "half a character": b'{"smiles": ["CCO\xe2\x82"]}',
    "deep arrays": b"[" * 20_000,
    "deep and closed": b'{"smiles": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep objects": b'{"a":' * 20_000,
    "deep in a field": b'{"smiles": ["CCO"], "x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a trailing comma": b'{"smiles": ["CCO"],}',
    "twice the same key": b'{"smiles": ["CCO"], "smiles": ["CCN"]}',
    "twice, once escaped": b'{"smiles": ["CCO"], "smi\\u006ces": ["CCN"]}',
    "not a number": b'{"smiles": [NaN]}',
    "infinity": b'{"smiles": Infinity}',
    "more than a float holds": b'{"smiles": 1e999}',
    "a huge integer": b'{"smiles": ' + b"9" * 5_000 + b"}",
    "half a pair": b'{"smiles": ["\\ud800"]}',
    "the other half": b'{"smiles": ["\\udc00CCO"]}',
    "a control character": b'{"smiles": ["C\nC"]}',
    "two bodies": b'{"smiles": ["CCO"]}{"smiles": ["CCO"]}',
    "a byte order mark": b'\xef\xbb\xbf{"smiles": ["CCO"]}',
    "UTF-16": '{"smiles": ["CCO"]}'.encode("utf-16"),
    "nothing": b"",
    "spaces": b"   ",
    "null": b"null",
    "zeros": b"\x00" * 100,
    "packed": b"\x1f\x8b\x08\x00",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """Run the service with one champion, a record and jobs."""
    folder = tmp_path_factory.mktemp("malformed")
    store = FolderStore(folder / "store")
    publish(store, folder / "bundle", value=1.0)
    made = Settings(record=folder / "record", jobs=JobSettings(folder=folder / "jobs"))
    with TestClient(create_app(made, store), "http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield client


def check(answer: Any, case: str) -> None:
    """Check that an answer is a refusal, in our form, and the caller's fault."""
    assert 400 <= answer.status_code < 500, f"{case[:60]}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["content-type"].startswith("application/problem+json"), case[:60]
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["code"]
    assert body["detail"]


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/feedback", "/v1/jobs", "/v2/models/solubility_logs/infer"])
def test_a_body_that_cannot_be_read_is_refused(client: TestClient[Any], path: str) -> None:
    """Whatever is wrong with JSON is reported to its sender."""
    for name, body in BODIES.items():
        check(client.post(path, content=body, headers=JSON), name)


def test_a_measured_value_is_a_finite_number(client: TestClient[Any]) -> None:
    """No value that JSON cannot say, or a float cannot hold, is stored as something else."""
    for number in (b"NaN", b"1e999", b"-1e999", b"9" * 400, b"{}", b"true"):
        body = b'{"measurements": [{"smiles": "CCO", "endpoint": "solubility_logs", "value": ' + number + b"}]}"
        check(client.post("/v1/feedback", content=body, headers=JSON), number.decode())


PATHS = (
    "/static/%00", "/static/page.css%00", "/static/page.css/more", "/static/" + "a" * 300, "/static/" + "a/" * 2000,
    "/static/..%2f..%2fsettings.py", "/static/%2e%2e/%2e%2e/settings.py", "/static/%ff%fe", "/static/",
    "/static/vendor", "/%00", "/v1/endpoints/%00", "/v1/champions/%ff", "/v1/jobs/%00", "/v2/models/%00",
    "//[", "///]ufd/:",
    "/v1/jobs?limit=" + "9" * 5_000, "/v1/jobs?limit=%00", "/v1/jobs?limit=%ff", "/v1/jobs?limit=NaN",
)  # fmt: skip


def test_an_address_that_leads_nowhere_is_refused(client: TestClient[Any]) -> None:
    """No address, however written, is a fault of the service or leads out of the folder of files."""
    for path in PATHS:
        check(client.get(f"http://127.0.0.1:8000{path}", headers={"accept": "*/*"}), path)


VALUES = (b"[", b"http://[", b"\xff\xfe", b"", b";;;=,", b"Bearer", b"aidrug_key=\xff", b"a" * 9000)


@pytest.mark.parametrize("name", [b"origin", b"host", b"authorization", b"cookie", b"accept", b"last-event-id"])
def test_no_header_is_a_fault_of_the_service(client: TestClient[Any], name: bytes) -> None:
    """Whatever a header holds, an answer below 500 comes."""
    for value in VALUES:
        headers: Any = {name: value}
        for method, path in (("GET", "/v1/models"), ("POST", "/key"), ("GET", f"/v1/jobs/{'0' * 32}/events")):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code < 500, f"{method} {path} {name!r}: {value!r}"


def test_a_disk_that_takes_nothing_is_told(
    client: TestClient[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Jobs and measurements say that they cannot be kept; predictions continue."""
    real = os.open

    def read_only(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path) if not isinstance(path, int) else None)
        return real(path, flags, *rest, **more)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(Path, "mkdir", refuse)
    jobs = client.post("/v1/jobs", json={"smiles": ["CCO"]})
    predicted = client.post("/v1/predict", json={"smiles": ["CCO"]})
    monkeypatch.undo()

    assert (jobs.status_code, jobs.json()["code"]) == (507, "disk-unwritable")
    assert predicted.status_code == 200
