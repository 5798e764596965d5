"""Doors that nobody meant to leave open: other sites' pages, foreign names, floods, a damaged file of keys."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from model_zoo.errors import ConfigError
from serving.app import create_app
from serving.auth import guard
from serving.auth.guard import require_protection
from serving.auth.keys import SCOPES, KeyStore
from serving.job_settings import JobSettings
from serving.settings import Settings
from tests.bundle_factory import publish

ENDPOINT = "undisclosed_target"
"""What no answer to a stranger may hold."""
OWN = "127.0.0.1:8000"
FEEDBACK = json.dumps({"measurements": [{"smiles": "CCO", "endpoint": ENDPOINT, "value": 1.0}]})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    """Return a store with one champion."""
    folder = tmp_path_factory.mktemp("doors")
    store = FolderStore(folder / "store")
    publish(store, folder / "bundle", endpoint=ENDPOINT, value=1.0)
    return store


@contextmanager
def service(store: FolderStore, tmp_path: Path, **settings: Any) -> Iterator[TestClient[Any]]:
    """Run the service with folders of its own."""
    made = Settings(
        folder=tmp_path / "service",
        record=tmp_path / "record",
        jobs=JobSettings(folder=tmp_path / "jobs"),
        **settings,
    )
    with TestClient(create_app(made, store), base_url=f"http://{OWN}", raise_server_exceptions=False) as client:
        client.follow_redirects = False
        yield client


SENT_BY_OTHERS: dict[str, dict[str, str]] = {
    "a browser of today": {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"},
    "another port": {"origin": "http://127.0.0.1:9000", "sec-fetch-site": "same-site"},
    "an older browser": {"origin": "https://elsewhere.example"},
    "a page from a file": {"origin": "null"},
    "no origin that can be read": {"origin": "http://["},
}
FORM = "application/x-www-form-urlencoded"


MULTIPART = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nsmiles\nCCO\n\r\n--b--\r\n'
CHANGES = (
    ("/v1/feedback", "application/json", FEEDBACK),
    ("/v1/predict", "application/json", '{"smiles": ["CCO"]}'),
    ("/v1/jobs", "text/csv", "smiles\nCCO\n"),
    ("/v1/jobs", "multipart/form-data; boundary=b", MULTIPART),
    ("/", FORM, "smiles=CCO"),
    ("/key", FORM, "key="),
)


def test_pages_of_other_sites_send_nothing(store: FolderStore, tmp_path: Path) -> None:
    """Whatever changes or costs something is refused when another site's page made the browser send it."""
    same = {"origin": f"http://{OWN}", "sec-fetch-site": "same-origin"}
    with service(store, tmp_path) as client:
        for path, media_type, body in CHANGES:
            for name, headers in SENT_BY_OTHERS.items():
                foreign = client.post(path, content=body, headers={"content-type": media_type, **headers})
                assert (foreign.status_code, foreign.json()["code"]) == (403, "forbidden"), f"{path}: {name}"
            own = client.post(path, content=body, headers={"content-type": media_type, **same})
            assert own.status_code in (200, 202, 303), own.text


def test_a_key_in_the_header_comes_from_anywhere(store: FolderStore, keys: KeyStore, tmp_path: Path) -> None:
    """No page can make a browser send `Authorization` to us: who shows a key there may have any origin."""
    _, text = keys.create("app", ["predict"])
    headers = {"origin": "https://app.example", "sec-fetch-site": "cross-site", "authorization": f"Bearer {text}"}
    with service(store, tmp_path) as client:
        assert client.post("/v1/predict", json={"smiles": ["CCO"]}, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/predict", f"/v2/models/{ENDPOINT}/infer"])
def test_json_is_read_as_json_only(store: FolderStore, tmp_path: Path, path: str) -> None:
    """What a form can send is no JSON, whatever it looks like; JSON's own types are, and none at all."""
    types = ("text/plain", FORM, "multipart/form-data; boundary=b", "text/csv")
    with service(store, tmp_path) as client:
        refused = [client.post(path, content="{}", headers={"content-type": sent}) for sent in types]
        taken = [
            client.post(path, content=b"{}", headers=headers).status_code
            for headers in (
                {"content-type": "application/json; charset=utf-8"},
                {"content-type": "application/vnd.api+json"},
                {},
            )
        ]

    assert [(each.status_code, each.json()["code"]) for each in refused] == [(415, "unsupported-media-type")] * 4
    assert "application/json" in refused[0].json()["detail"]
    assert taken == [422] * 3, "read, and found to lack what it needs"


def test_a_foreign_name_is_refused_on_this_machine(store: FolderStore, tmp_path: Path) -> None:
    """A name that was made to point here (DNS rebinding) reads nothing, not even that there is a service."""
    hosts = ("attacker.example", "attacker.example:8000", "127.0.0.1.attacker.example", "[", "[::1")
    with service(store, tmp_path) as client:
        for host in hosts:
            paths = ("/", "/v1/models", "/health/ready", "/schema")
            answers = [client.get(path, headers={"host": host}) for path in paths]
            assert [answer.status_code for answer in answers] == [403] * 4, host
            assert "AIDRUG_ALLOWED_HOSTS" in answers[1].json()["detail"]
            assert all(ENDPOINT not in answer.text for answer in answers)


def test_own_names_are_answered(store: FolderStore, tmp_path: Path) -> None:
    """Names of this machine are answered, and those of the setting; beyond this machine any, unless some are set."""
    own = ("localhost:8000", "LOCALHOST", "app.localhost", "127.0.0.1", "127.1.2.3:80", "[::1]:8000")
    with service(store, tmp_path, allowed_hosts=("predict.example",)) as client:
        assert [client.get("/v1/models", headers={"host": host}).status_code for host in own] == [200] * len(own)
        assert client.get("/v1/models", headers={"host": "Predict.Example:443"}).status_code == 200
        assert client.get("/v1/models", headers={"host": "other.example"}).status_code == 403
    with service(store, tmp_path, host="0.0.0.0", open_access=True) as client:  # noqa: S104
        assert client.get("/v1/models", headers={"host": "predict.example"}).status_code == 200
    with service(store, tmp_path, host="0.0.0.0", open_access=True, allowed_hosts=("a.example",)) as client:  # noqa: S104
        hosts = ("predict.example", "a.example", "127.0.0.1:8000")
        assert [client.get("/v1/models", headers={"host": host}).status_code for host in hosts] == [403, 200, 200]
    assert Settings.from_environment({"AIDRUG_ALLOWED_HOSTS": "a.example, B.example"}).allowed_hosts == (
        "a.example",
        "b.example",
    )
    with pytest.raises(ConfigError, match="AIDRUG_ALLOWED_HOSTS"):
        Settings.from_environment({"AIDRUG_ALLOWED_HOSTS": "http://a.example/"})


def test_a_flood_of_refusals_is_stopped_and_does_not_fill_the_audit_log(
    store: FolderStore, keys: KeyStore, tmp_path: Path
) -> None:
    """Who is refused all the time has to wait, without a line each; a valid key from there works."""
    _, text = keys.create("operator", ["admin"])
    rollback = f"/v1/champions/{ENDPOINT}/rollback"
    with service(store, tmp_path) as client:
        answers = [client.post(rollback) for _ in range(200)]
        reads = client.get("/v1/models")
        valid = client.post(rollback, headers={"authorization": f"Bearer {text}"})
    lines = (tmp_path / "service" / "audit.jsonl").read_text().splitlines()

    codes = [answer.status_code for answer in answers]
    assert codes[0] == 401
    assert codes[-1] == reads.status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert len(lines) <= guard.REFUSALS_PER_MINUTE + 5
    assert valid.status_code == 409


def routes(app: Litestar) -> Iterator[tuple[str, str]]:
    """Yield method and address of every route, with names filled in."""
    filled = {"name": ENDPOINT, "model_version": "v", "job_id": "0" * 32, "file_path": "page.css", "path": "x",
              "place": "0" * 32, "token": "0" * 32}  # fmt: skip
    for route in app.routes:
        path = str(route.path)
        for part in path.split("/"):
            if part.startswith("{"):
                path = path.replace(part, filled[part.strip("{}").partition(":")[0]])
        methods = {
            method
            for handler in getattr(route, "route_handlers", ())
            for method in (handler.http_methods if isinstance(handler, HTTPRouteHandler) else ("GET", "POST"))
        }
        yield from ((method, path) for method in sorted(methods - {"OPTIONS"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_endpoints_are_not_named_to_strangers(
    store: FolderStore, keys: KeyStore, tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No route names an endpoint, or distinguishes one from none, to a caller without a valid key.

    An oracle for both: for an endpoint that is there and one that is not, the answers are the same.
    """
    monkeypatch.setattr(guard, "REFUSALS_PER_MINUTE", 1_000_000)
    void, gone = keys.create("gone", SCOPES)
    keys.revoke(void.id)
    shown: list[dict[str, str]] = [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {gone}"},
                                   {"cookie": f"aidrug_key={gone}"}]  # fmt: skip
    with service(store, tmp_path, host=host) as client:
        asked = list(routes(client.app))
        assert len(asked) > 40
        for headers in shown:
            for method, path in asked:
                there = client.request(method, path, headers=headers)
                absent = client.request(method, path.replace(ENDPOINT, "nothing"), headers=headers)
                assert ENDPOINT not in there.text.replace(path, ""), f"{method} {path} with {list(headers)}"
                assert there.status_code == absent.status_code, f"{method} {path} with {list(headers)}"
                if there.status_code == 200:
                    assert "key" in path or path.startswith(("/health", "/v2/health", "/schema", "/static")), path
        keyed = client.get("/health/ready", headers={"authorization": f"Bearer {keys.create('a', ['jobs'])[1]}"})
        stranger = client.get("/health/ready").json()

    assert ENDPOINT in keyed.json()["endpoints"]
    assert keyed.json()["withheld"] is False
    assert (stranger["status"], stranger["withheld"], stranger["endpoints"]) == ("ready", True, {})


def test_an_administrator_sees_every_job(store: FolderStore, keys: KeyStore, tmp_path: Path) -> None:
    """A key for administration alone lists, reads and removes all jobs, as the guide says; it submits none."""
    headers = {
        name: {"authorization": f"Bearer {keys.create(name, [scope])[1]}"}
        for name, scope in (("one", "jobs"), ("other", "jobs"), ("operator", "admin"), ("reader", "predict"))
    }
    with service(store, tmp_path) as client:
        body = {"smiles": ["CCO"]}
        job = client.post("/v1/jobs", json=body, headers=headers["one"]).json()["id"]
        seen = {
            name: (client.get("/v1/jobs", headers=each), client.get(f"/v1/jobs/{job}", headers=each))
            for name, each in headers.items()
        }
        submitted = client.post("/v1/jobs", json=body, headers=headers["operator"]).status_code
        removed = client.delete(f"/v1/jobs/{job}", headers=headers["operator"]).status_code

    codes = {name: (listed.status_code, one.status_code) for name, (listed, one) in seen.items()}
    assert codes == {"one": (200, 200), "other": (200, 404), "operator": (200, 200), "reader": (403, 403)}
    counts = {name: len(listed.json()["jobs"]) for name, (listed, _) in seen.items() if listed.status_code == 200}
    assert counts == {"one": 1, "other": 0, "operator": 1}
    assert (submitted, removed) == (403, 204)


def test_a_key_that_could_not_be_made_leaves_nothing_behind(keys: KeyStore) -> None:
    """On a full disk `keys create` fails and leaves no file that the service would stumble over."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        with pytest.raises(ConfigError, match="cannot be written"):
            keys.create("a", ["predict"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert list(keys.path.parent.iterdir()) == []
    assert not keys.is_used()
    keys.create("a", ["predict"])
    assert keys.is_used()


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be looked at" * 100])
def test_a_damaged_file_of_keys_is_told_and_opens_nothing(
    store: FolderStore, keys: KeyStore, tmp_path: Path, content: bytes
) -> None:
    """Whether keys were made cannot be known then: nothing is open, each refusal says why, and health answers."""
    keys.path.parent.mkdir()
    keys.path.write_bytes(content)
    key = {"authorization": f"Bearer aidrug_0123456789_{'x' * 43}"}
    with service(store, tmp_path) as client:
        answers = [client.get("/v1/models"), client.get("/v1/models", headers=key), client.get("/")]
        answers.append(client.post("/v1/predict", json={"smiles": ["CCO"]}))
        ready = client.get("/health/ready")
        if not content:
            _, text = keys.create("a", ["predict"])
            healed = client.get("/v1/models", headers={"authorization": f"Bearer {text}"}).status_code
            assert healed == 200

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "keys-unavailable")] * 4
    assert str(tmp_path) not in answers[0].text, "paths are for the log"
    assert ready.status_code == 200
    assert ready.json()["withheld"] is True


def test_a_service_that_cannot_know_its_keys_does_not_start(keys: KeyStore, tmp_path: Path) -> None:
    """The reason and what to do are reported at the start, on this machine too."""
    keys.path.parent.mkdir()
    keys.path.write_bytes(b"")
    with pytest.raises(ConfigError, match="aidrug keys create"):
        require_protection(Settings(folder=tmp_path / "service"))


def test_a_file_of_keys_from_an_interrupted_version_is_read(keys: KeyStore) -> None:
    """A table without a key is no key: it came from a run that ended between the two."""
    keys.path.parent.mkdir()
    keys.create("a", ["predict"])
    with sqlite3.connect(keys.path) as connection:
        connection.execute("DELETE FROM keys")
    assert not keys.is_used()
