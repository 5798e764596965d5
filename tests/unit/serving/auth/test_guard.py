"""Who may use the service, and how often: keys, scopes, allowances, the audit log; over HTTP, in this process."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from ai_drug_assets.cli import aidrug
from model_zoo.bundles.store import FolderStore
from model_zoo.errors import ConfigError
from serving.app import create_app
from serving.auth.guard import require_protection
from serving.auth.keys import KeyStore
from serving.http.rate_limit import RateLimit
from serving.settings import Settings
from tests.bundle_factory import publish

BODY = {"smiles": ["CCO"]}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store in which a champion has a predecessor."""
    store = FolderStore(tmp_path / "store")
    for value in (1.0, 2.0):
        publish(store, tmp_path / str(value), value=value)
    return store


@contextmanager
def service(store: FolderStore, tmp_path: Path, **settings: Any) -> Iterator[TestClient[Any]]:
    """Run the service with a folder of its own."""
    with TestClient(create_app(Settings(folder=tmp_path / "service", **settings), store)) as client:
        client.base_url = "http://127.0.0.1:8000"
        client.follow_redirects = False
        yield client


def bearer(key: str) -> dict[str, Any]:
    """Show a key."""
    return {"authorization": f"Bearer {key}".encode()}


def test_a_key_opens_what_its_scopes_say_and_nothing_else(store: FolderStore, keys: KeyStore, tmp_path: Path) -> None:
    """With the first key made everybody needs one; each opens its scopes, and reading."""
    with service(store, tmp_path) as client:
        assert client.post("/v1/predict", json=BODY).status_code == 200
        _, predicts = keys.create("chemist", ["predict"])
        _, administers = keys.create("operator", ["admin"])
        without = client.post("/v1/predict", json=BODY)
        codes = {
            (name, path): client.request(method, path, headers=bearer(key), json=BODY if method == "POST" else None)
            for name, key in (("predicts", predicts), ("administers", administers))
            for method, path in (
                ("POST", "/v1/predict"),
                ("GET", "/v1/models"),
                ("POST", "/v1/champions/solubility_logs/rollback"),
            )
        }

    assert (without.status_code, without.json()["code"]) == (401, "unauthorized")
    assert without.headers["www-authenticate"] == "Bearer"
    assert {place: answer.status_code for place, answer in codes.items()} == {
        ("predicts", "/v1/predict"): 200,
        ("predicts", "/v1/models"): 200,
        ("predicts", "/v1/champions/solubility_logs/rollback"): 403,
        ("administers", "/v1/predict"): 403,
        ("administers", "/v1/models"): 200,
        ("administers", "/v1/champions/solubility_logs/rollback"): 200,
    }


def test_revoked_expired_and_wrong_keys_are_refused(store: FolderStore, keys: KeyStore, tmp_path: Path) -> None:
    """A key that is void opens nothing, and voiding the last one does not open the service."""
    key, text = keys.create("a", ["predict"])
    _, expired = keys.create("b", ["predict"], valid_days=1)
    with sqlite3.connect(keys.path) as connection:
        connection.execute("UPDATE keys SET expires = '2020-01-01T00:00:00+00:00' WHERE label = 'b'")
    with service(store, tmp_path) as client:
        assert client.post("/v1/predict", json=BODY, headers=bearer(text)).status_code == 200
        assert keys.find(key.id).last_used is not None  # type: ignore[union-attr]
        keys.revoke(key.id)
        refused = [
            client.post("/v1/predict", json=BODY, headers=bearer(shown)).status_code
            for shown in (text, expired, text + "x", "aidrug_0000_x", "", "aidrug_\xe9_\xe9")
        ]
        nobody = client.post("/v1/predict", json=BODY).status_code

    assert refused == [401] * 6
    assert nobody == 401


def test_health_files_and_documentation_need_no_key(store: FolderStore, keys: KeyStore, tmp_path: Path) -> None:
    """What reveals nothing stays open: load balancers and browsers need it."""
    keys.create("a", ["predict"])
    with service(store, tmp_path) as client:
        paths = ("/health/live", "/health/ready", "/schema", "/schema/openapi.json", "/static/page.css", "/key")
        assert [client.get(path).status_code for path in paths] == [200] * len(paths)
        assert client.get("/v1/endpoints").status_code == 401


def test_the_page_asks_for_a_key_and_keeps_it_from_scripts(store: FolderStore, keys: KeyStore, tmp_path: Path) -> None:
    """A browser is sent to a form; the key goes into a cookie that scripts and other sites cannot use."""
    _, text = keys.create("chemist", ["predict", "admin"])
    browser = {"accept": "text/html,*/*"}
    with service(store, tmp_path) as client:
        sent = client.get("/", headers=browser)
        wrong = client.post("/key", data={"key": "guess"})
        right = client.post("/key", data={"key": f" {text} "})
        cookie = right.headers["set-cookie"]
        page = client.get("/", headers=browser)
        predicted = client.post("/", data={"smiles": "CCO"}, headers=browser)
        rollback = "/v1/champions/solubility_logs/rollback"
        elsewhere = client.post(rollback, headers={"origin": "https://elsewhere.example"})
        own = client.post(rollback, headers={"origin": "http://127.0.0.1:8000"})
        forgotten = client.post("/key", data={"key": ""})

    assert (sent.status_code, sent.headers["location"]) == (303, "/key")
    assert wrong.status_code == 403
    assert "not valid" in wrong.text
    assert "set-cookie" not in wrong.headers
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict"))
    assert "Max-Age" not in cookie
    assert (page.status_code, predicted.status_code) == (200, 200)
    assert (elsewhere.status_code, own.status_code) == (403, 200)
    assert "Max-Age=0" in forgotten.headers["set-cookie"]


def test_a_key_to_predict_opens_all_of_the_page(store: FolderStore, keys: KeyStore, tmp_path: Path) -> None:
    """What the page fetches needs the scope to predict and no other; without a key there is none of it."""
    _, text = keys.create("chemist", ["predict"])
    form = {"smiles": "CCO", "endpoint": "solubility_logs"}
    parts = ("preview", "compare", "csv", "why", "alerts")
    with service(store, tmp_path) as client:
        before = [client.post(f"/page/{part}", data=form).status_code for part in parts]
        client.post("/key", data={"key": text})
        after = [client.post(f"/page/{part}", data=form).status_code for part in parts]
        read = [client.get(path).status_code for path in ("/", "/models", "/models/solubility_logs", "/operations")]

    assert before == [401] * len(parts)
    assert after == [200] * len(parts)
    assert read == [200] * 4


@pytest.mark.parametrize(
    ("settings", "starts"),
    [
        ({}, True),
        ({"host": "0.0.0.0"}, False),  # noqa: S104
        ({"host": "0.0.0.0", "open_access": True}, True),  # noqa: S104
        ({"host": "0.0.0.0", "admin_token": "t"}, True),  # noqa: S104
    ],
)
def test_beyond_this_machine_it_does_not_start_unprotected(
    tmp_path: Path, keys: KeyStore, settings: dict[str, Any], starts: bool
) -> None:
    """Without a key the service refuses other machines, and says what to do."""
    made = Settings(folder=tmp_path / "service", **settings)
    if starts:
        require_protection(made)
        return
    with pytest.raises(ConfigError, match="aidrug keys create"):
        require_protection(made)
    keys.create("a", ["predict"])
    require_protection(made)


def test_open_access_opens_predictions_but_not_administration(store: FolderStore, tmp_path: Path) -> None:
    """The setting that lets everybody predict lets nobody change a champion."""
    with service(store, tmp_path, host="0.0.0.0", open_access=True) as client:  # noqa: S104
        assert client.post("/v1/predict", json=BODY).status_code == 200
        assert client.post("/v1/champions/solubility_logs/rollback").status_code == 401


def test_administration_is_on_record_done_or_refused(store: FolderStore, keys: KeyStore, tmp_path: Path) -> None:
    """Every attempt to administer is a line: when, what, of what, who, from where, and what came of it."""
    key, text = keys.create("operator", ["admin"])
    _, weak = keys.create("chemist", ["predict"])
    path = "/v1/champions/solubility_logs/rollback"
    with service(store, tmp_path) as client:
        done = client.post(path, headers=bearer(text))
        client.post(path, headers=bearer(text))
        client.post(path, headers=bearer(weak))
        client.post(path)
    written = (tmp_path / "service" / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in written.splitlines()]

    assert [line["result"] for line in lines] == ["done", "nothing-to-roll-back", "forbidden", "unauthorized"]
    assert lines[0]["who"] == f"{key.id} operator"
    assert (lines[0]["action"], lines[0]["target"]) == ("roll back", "solubility_logs")
    assert lines[0]["request_id"] == done.headers["x-request-id"]
    assert text not in written
    assert (tmp_path / "service" / "audit.jsonl").stat().st_mode & 0o077 == 0
    assert keys.path.stat().st_mode & 0o077 == 0


def test_a_caller_past_its_allowance_is_told_when_to_come_back(store: FolderStore, tmp_path: Path) -> None:
    """Every answer states what is left; past it comes 429, and health is never counted."""
    with service(store, tmp_path, rate_per_minute=3) as client:
        answers = [client.post("/v1/predict", json=BODY) for _ in range(5)]
        health = client.get("/health/live")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert answers[3].json()["code"] == "too-many-requests"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 21
    assert answers[0].headers["ratelimit-limit"] == "3"
    assert "ratelimit-limit" not in health.headers


def test_an_allowance_fills_again_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller gets back what time has given, never more than a whole allowance; callers do not share."""
    clock = [1000.0]
    monkeypatch.setattr("serving.http.rate_limit.time.monotonic", lambda: clock[0])
    counter = RateLimit(60)
    assert [counter.take("a").retry_seconds for _ in range(60)] == [0.0] * 60
    assert counter.take("a").retry_seconds == pytest.approx(1.0)
    assert counter.take("b").remaining == 59
    clock[0] += 2.0
    assert [counter.take("a").retry_seconds > 0 for _ in range(3)] == [False, False, True]
    clock[0] += 1e6
    assert counter.take("a").remaining == 59
    clock[0] = 5.0
    assert counter.take("a").remaining == 59, "a machine that was started again counts from zero"


def _take(path: Path, times: int, allowed: Any) -> None:
    counter = RateLimit(100, path)
    for _ in range(times):
        if not counter.take("caller").retry_seconds:
            with allowed.get_lock():
                allowed.value += 1


def test_workers_count_together(tmp_path: Path) -> None:
    """Three processes give one caller one allowance, not three."""
    context = multiprocessing.get_context("spawn")
    allowed = context.Value("i", 0)
    processes = [context.Process(target=_take, args=(tmp_path / "rates", 80, allowed)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert 100 <= allowed.value <= 160  # what time gave back while slow processes started; three would give 240


def test_keys_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`aidrug keys` makes, lists and revokes; the key is shown once, its secret is nowhere on disk."""
    monkeypatch.setenv("AIDRUG_HOME", str(tmp_path))
    run = CliRunner()
    assert "no key was ever made" in run.invoke(aidrug, ["keys", "list"]).output
    made = run.invoke(
        aidrug, ["keys", "create", "bench", "--scope", "predict", "--scope", "jobs", "--days", "3", "--json"]
    )
    key = json.loads(made.stdout)
    listed = json.loads(run.invoke(aidrug, ["keys", "list", "--json"]).stdout)
    run.invoke(aidrug, ["keys", "revoke", key["id"]])
    after = run.invoke(aidrug, ["keys", "list"]).output
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert (key["scopes"], key["state"], key["label"]) == (["predict", "jobs"], "valid", "bench")
    assert listed == [{name: value for name, value in key.items() if name != "key"}]
    assert "revoked" in after
    assert key["key"].split("_", 2)[2].encode() not in files
    assert isinstance(run.invoke(aidrug, ["keys", "create", "x", "--scope", "all"]).exception, ConfigError)
    assert isinstance(run.invoke(aidrug, ["keys", "revoke", "nope"]).exception, ConfigError)
    actions = [json.loads(line)["action"] for line in (tmp_path / "service" / "audit.jsonl").read_text().splitlines()]
    assert actions == ["create key", "revoke key"]
