"""Links to a result: who may open them, what they open, and that they end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.auth.keys import KeyStore
from serving.job_settings import JobSettings
from serving.jobs.shares import Shares
from serving.settings import Settings
from tests.bundle_factory import publish

Client = TestClient[Any]
HTML = {"accept": "text/html"}


@contextmanager
def service(folder: Path) -> Iterator[Client]:
    """Run a service with one endpoint."""
    store = FolderStore(folder / "store")
    publish(store, folder / "a", onnx_bias=-1.0)
    settings = Settings(poll_seconds=0.02, folder=folder / "service", jobs=JobSettings(folder=folder / "jobs"))
    with TestClient(create_app(settings, store)) as client:
        yield client


def stored(client: Client, headers: dict[str, str] | None = None) -> str:
    """Predict two molecules as a job; give its identity."""
    body = {"smiles": ["c1ccncc1", "CCO"], "ids": ["A", "B"]}
    job = client.post("/v1/jobs", json=body, headers=headers).json()
    until = time.monotonic() + 30
    while client.get(job["links"]["self"], headers=headers).json()["status"] != "done":
        assert time.monotonic() < until
        time.sleep(0.02)
    return str(job["id"])


def test_a_link_opens_one_result_until_it_is_taken_back(tmp_path: Path) -> None:
    """The whole table by the link alone; no structure in it; nothing after it was taken back, or the job removed."""
    with service(tmp_path) as client:
        job = stored(client)
        made, second = (client.post(f"/page/jobs/{job}/links", data={"days": "1"}).json() for _ in range(2))
        token = made["address"].rpartition("/")[2]
        page = client.get(made["address"])
        rows = client.get(f"/page/jobs/{token}/rows").json()
        file = client.post(f"/page/jobs/{token}", data={"pick": "1"}).text
        cannot = client.post(f"/page/jobs/{token}/links", data={})
        taken = client.delete(f"/page/jobs/{job}/links", params={"name": made["name"]})
        again = client.delete(f"/page/jobs/{job}/links", params={"name": made["name"]})
        after = [client.get(path) for path in (made["address"], f"/page/jobs/{token}/rows", second["address"])]
        client.delete(f"/v1/jobs/{job}")
        gone = client.get(second["address"])
        audit = [json.loads(line) for line in (tmp_path / "service" / "audit.jsonl").read_text().splitlines()]

    assert page.status_code == 200
    assert "A result that was shared with you" in page.text
    assert (rows["names"], rows["smiles"]) == (["A", "B"], ["c1ccncc1", "CCO"])
    assert "CCO" in file
    assert "c1ccncc1" not in file
    assert cannot.status_code in (404, 422), "whoever was given a link gives no link"
    assert (taken.status_code, again.status_code) == (204, 404)
    assert [each.status_code for each in after] == [404, 404, 200]
    assert "It was taken back" in after[0].text or "taken back" in after[0].text
    assert gone.status_code == 404
    assert not [line for line in audit if "c1ccncc1" in json.dumps(line) or token in json.dumps(line)]
    done = [line["action"] for line in audit if line["result"] == "done"]
    assert done.count("share a result") == 2
    assert {"open a shared result", "take back a link"} <= set(done)


def test_where_keys_are_on_a_link_needs_one(tmp_path: Path) -> None:
    """Another key opens the link, and not the job; without a key a browser is asked for one, and comes back."""
    keys = KeyStore(tmp_path / "service" / "keys.sqlite")
    (mine, theirs, other) = (
        {"authorization": f"Bearer {keys.create(name, scopes)[1]}"}
        for name, scopes in (("a", ["predict", "jobs"]), ("b", ["predict", "jobs"]), ("c", ["predict"]))
    )
    with service(tmp_path) as client:
        job = stored(client, mine)
        made = client.post(f"/page/jobs/{job}/links", data={}, headers=mine).json()
        opened = client.get(made["address"], headers=theirs)
        direct = client.get(f"/page/jobs/{job}", headers=theirs)
        sharing = client.post(f"/page/jobs/{job}/links", data={}, headers=theirs)
        revoking = client.delete(f"/page/jobs/{job}/links", headers=theirs)
        stranger = client.get(made["address"], headers=HTML, follow_redirects=False)
        rows = client.get(f"/page/jobs/{made['address'].rpartition('/')[2]}/rows")
        scope = client.get(made["address"], headers=other)
        asked = client.get(stranger.headers["location"])
        key = mine["authorization"].removeprefix("Bearer ")
        back = client.post("/key", data={"key": key, "next": made["address"]}, follow_redirects=False)
        astray = client.post("/key", data={"key": key, "next": "//evil.example/"}, follow_redirects=False)

    assert opened.status_code == 200
    assert [each.status_code for each in (direct, sharing, revoking)] == [404, 404, 404]
    assert (stranger.status_code, stranger.headers["location"]) == (303, f"/key?next={made['address']}")
    assert rows.status_code == 401
    assert scope.status_code == 403
    assert f'href="{made["address"]}"' in asked.text
    assert (back.headers["location"], astray.headers["location"]) == (made["address"], "/")


def test_a_link_ends_at_its_time_and_its_token_is_kept_nowhere(tmp_path: Path) -> None:
    """The file of links opens nothing by itself."""
    shares = Shares(tmp_path / "shares.sqlite")
    assert shares.find("x") is None
    assert shares.revoke("job") == 0
    token, _ = shares.create("job", "", 0.2)
    longer, _ = shares.create("job", "", 60)
    assert shares.find(token) is not None
    time.sleep(0.25)

    assert shares.find(token) is None
    assert [each.name for each in shares.of_job("job")] == [longer[:6]]
    assert shares.revoke("job") == 1
    assert token.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("days", ["0", "1000", "soon"])
def test_a_link_without_an_end_is_refused(tmp_path: Path, days: str) -> None:
    """A link opens for a day at least and a year at most."""
    with service(tmp_path) as client:
        assert client.post(f"/page/jobs/{'0' * 32}/links", data={"days": days}).status_code == 422
