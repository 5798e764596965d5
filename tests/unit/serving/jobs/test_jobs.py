"""Batch jobs over HTTP, in this process: submit, follow, download, cancel, and what happens when something fails."""

from __future__ import annotations

import asyncio
import csv
import errno
import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from litestar.testing import TestClient
from rdkit import Chem

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.auth.keys import KeyStore
from serving.job_settings import JobSettings
from serving.jobs import retention, service
from serving.jobs.database import MAX_ATTEMPTS, Job, JobTable, Pin, Plan
from serving.jobs.folder import JobFolder
from serving.jobs.runner import Runner
from serving.settings import Settings
from tests.bundle_factory import publish
from tests.unit.serving.jobs.test_job_files import BLOCK

Client = TestClient[Any]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store with one champion."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", onnx_bias=0.0)
    return store


@contextmanager
def serving(store: FolderStore, **settings: Any) -> Iterator[Client]:
    """Run the service on a store, with chunks of three rows."""
    changed: dict[str, Any] = {"chunk_rows": 3, "lease_seconds": 1.0} | settings
    jobs = JobSettings(folder=store.root.parent / "jobs", **changed)
    with TestClient(create_app(Settings(poll_seconds=0.02, jobs=jobs), store)) as client:
        yield client


def submit(client: Client, smiles: list[str], **fields: Any) -> str:
    """Submit molecules as JSON; give the job's identity."""
    answer = client.post("/v1/jobs", json={"smiles": smiles, **fields})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["links"]["self"]
    return str(answer.json()["id"])


def ended(client: Client, job: str) -> dict[str, Any]:
    """Wait until a job is over."""
    until = time.monotonic() + 30
    while (info := client.get(f"/v1/jobs/{job}").json())["status"] in ("queued", "running"):
        assert time.monotonic() < until, info
        time.sleep(0.02)
    return dict(info)


def rows_of(client: Client, job: str, **query: Any) -> list[dict[str, str]]:
    """Return a result's rows, from CSV."""
    answer = client.get(f"/v1/jobs/{job}/result", params=query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


SMILES = ["CCO", "not a molecule", "c1ccccc1", "", "CCN", "C" * 700, "CCO"]


def test_every_row_comes_back_in_its_place(store: FolderStore) -> None:
    """A result has every row that came, in order; a bad molecule has its reason instead of a prediction."""
    with serving(store) as client:
        job = submit(client, SMILES, ids=[f"m{number}" for number in range(7)])
        info = ended(client, job)
        rows = rows_of(client, job)
        (alone,) = client.post("/v1/predict", json={"smiles": ["CCN"]}).json()["predictions"]

    assert (info["status"], info["done"], info["total"], info["failed"]) == ("done", 7, 7, 3)
    assert [row["smiles"] for row in rows] == SMILES
    assert [row["id"] for row in rows] == [f"m{number}" for number in range(7)]
    assert [row["error_code"] for row in rows] == ["", "invalid-smiles", "", "empty", "", "too-long", ""]
    expected = alone["endpoints"]["solubility_logs"]
    assert float(rows[4]["solubility_logs_value"]) == expected["value"]
    assert [float(rows[4]["solubility_logs_lower"]), float(rows[4]["solubility_logs_upper"])] == expected["interval"]
    assert rows[4]["solubility_logs_champion"] == info["champions"]["solubility_logs"] == expected["champion"]
    assert rows[1]["solubility_logs_value"] == ""


def test_a_spreadsheet_runs_no_cell_and_reads_every_letter(store: FolderStore) -> None:
    """What came like a formula is text, numbers stay numbers, and a mark says that it is UTF-8 where it is wanted."""
    upload = "smiles,=name,charge\nCCO,=1+1,-1.5\nCCN,@SUM(A1),+2\n-cmd|x,\u03b2,\n"
    with serving(store) as client:
        job = client.post("/v1/jobs?name=a.csv", content=upload.encode(), headers={"content-type": "text/csv"}).json()
        ended(client, job["id"])
        rows = rows_of(client, job["id"])
        marked = client.get(f"/v1/jobs/{job['id']}/result", params={"bom": "true"}).content

    assert [row["'=name"] for row in rows] == ["'=1+1", "'@SUM(A1)", "\u03b2"]
    assert [row["charge"] for row in rows] == ["-1.5", "+2", ""]
    assert [row["smiles"] for row in rows] == ["CCO", "CCN", "'-cmd|x"]
    assert marked.decode("utf-8-sig") == marked[3:].decode()


def test_every_format_says_the_same(store: FolderStore) -> None:
    """CSV, NDJSON, Parquet and SDF hold the same rows, and `Accept` chooses as `format` does."""
    with serving(store) as client:
        job = submit(client, SMILES)
        ended(client, job)
        address = f"/v1/jobs/{job}/result"
        rows = rows_of(client, job)
        lines = [json.loads(line) for line in client.get(address, params={"format": "ndjson"}).text.splitlines()]
        parquet = client.get(address, headers={"accept": "application/vnd.apache.parquet"})
        sdf = client.get(address, headers={"accept": "chemical/x-mdl-sdfile"})
        unknown = client.get(address, headers={"accept": "image/png"})
    table = pq.read_table(io.BytesIO(parquet.content)).to_pylist()
    supplier = Chem.SDMolSupplier()
    supplier.SetData(sdf.text)
    molecules = list(supplier)

    assert [line["columns"]["smiles"] for line in lines] == SMILES
    assert [line["index"] for line in lines] == list(range(7))
    assert [row["smiles"] for row in table] == SMILES
    assert len(molecules) == 7
    for row, line, record, molecule in zip(rows, lines, table, molecules, strict=True):
        value = line.get("endpoints", {}).get("solubility_logs", {}).get("value")
        assert record["solubility_logs_value"] == value
        assert row["solubility_logs_value"] == ("" if value is None else str(value))
        assert record["error_code"] == line.get("error", {}).get("code")
        assert molecule.HasProp("solubility_logs_value") == (value is not None)
        assert (molecule.GetNumAtoms() > 0) == (value is not None)
    assert (unknown.status_code, unknown.json()["code"]) == (406, "not-acceptable")
    assert parquet.headers["content-disposition"] == 'attachment; filename="job.predictions.parquet"'


def test_a_file_keeps_its_columns(store: FolderStore) -> None:
    """The columns of an upload come back unchanged; a column with the name of one of ours keeps it."""
    content = 'solubility_logs_value,SMILES,note\n1,CCO,"a, ""b""\nc"\n2,CCN,\u00e4\n'.encode()
    with serving(store) as client:
        answer = client.post(
            "/v1/jobs", files={"file": ("my hits.csv", content)}, data={"endpoints": "solubility_logs"}
        )
        job = answer.json()["id"]
        info = ended(client, job)
        rows = rows_of(client, job)
        name = client.get(f"/v1/jobs/{job}/result").headers["content-disposition"]

    assert answer.status_code == 202
    assert (info["name"], info["format"], info["smiles_column"]) == ("my hits.csv", "csv", "SMILES")
    assert [(row["solubility_logs_value"], row["note"]) for row in rows] == [("1", 'a, "b"\nc'), ("2", "\u00e4")]
    assert float(rows[0]["solubility_logs_value_2"]) < 0
    assert name == 'attachment; filename="my_hits.predictions.csv"'


def test_an_sdf_comes_back_with_its_own_structures(store: FolderStore) -> None:
    """An SDF keeps blocks and properties, gains ours, and a broken record stays a record."""
    content = f"{BLOCK}> <ID>\n1\n\n$$$$\nbroken\n\n\nnonsense\nM  END\n> <ID>\n2\n\n$$$$\n"
    with serving(store) as client:
        answer = client.post("/v1/jobs", content=content, headers={"content-type": "chemical/x-mdl-sdfile"})
        job = answer.json()["id"]
        ended(client, job)
        rows = rows_of(client, job)
        sdf = client.get(f"/v1/jobs/{job}/result", params={"format": "sdf"}).text

    assert [(row["ID"], row["smiles"], row["error_code"]) for row in rows] == [
        ("1", "CCO", ""),
        ("2", "", "invalid-structure"),
    ]
    assert sdf.startswith(BLOCK)
    assert sdf.count("$$$$") == 2
    assert ">  <ID>\n2" in sdf


def test_the_same_key_is_the_same_job(store: FolderStore) -> None:
    """A request that is sent again with its key makes no second job; another request may not use that key."""
    with serving(store) as client:
        headers = {"idempotency-key": "k-1"}
        first = client.post("/v1/jobs", json={"smiles": ["CCO"]}, headers=headers)
        again = client.post("/v1/jobs", json={"smiles": ["CCO"]}, headers=headers)
        other = client.post("/v1/jobs", json={"smiles": ["CCN"]}, headers=headers)
        without = client.post("/v1/jobs", json={"smiles": ["CCO"]})
        listed = client.get("/v1/jobs").json()["jobs"]
        folders = [path for path in (store.root.parent / "jobs").iterdir() if path.is_dir()]

    assert first.json()["id"] == again.json()["id"] != without.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")
    assert len(listed) == len(folders) == 2


def test_a_refused_file_leaves_nothing_and_frees_its_key(store: FolderStore) -> None:
    """A file at fault is no job; its key may be used for the corrected file."""
    with serving(store) as client:
        headers = {"idempotency-key": "k-1", "content-type": "text/csv"}
        refused = client.post("/v1/jobs", content=b"a,b\n1,2\n", headers=headers)
        mended = client.post("/v1/jobs", content=b"smiles,b\nCCO,2\n", headers=headers)
        folders = [path.name for path in (store.root.parent / "jobs").iterdir() if path.is_dir()]

    assert (refused.status_code, refused.json()["code"]) == (422, "unclear-column")
    assert mended.status_code == 202
    assert folders == [mended.json()["id"]]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"json": {"smiles": []}}, 422, "invalid-request"),
        ({"json": {"smiles": ["C"], "ids": []}}, 422, "invalid-request"),
        ({"json": {"smiles": ["C"], "endpoint": []}}, 422, "invalid-request"),
        ({"json": {"smiles": ["C"], "endpoints": ["herg"]}}, 422, "unknown-endpoints"),
        ({"json": {"smiles": ["C"], "endpoints": []}}, 422, "invalid-request"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "malformed-request"),
        ({"content": b"CCO", "params": {"colum": "a"}}, 422, "invalid-request"),
        ({"content": b"smiles\nCCO\n", "params": {"header": "yes"}}, 422, "invalid-request"),
        ({"content": b"smiles\nCCO\n", "params": {"endpoints": "herg"}}, 422, "unknown-endpoints"),
        ({"content": b"C" * 3000}, 413, "body-too-large"),
        ({"content": iter([b"C" * 2000, b"C" * 2000])}, 413, "body-too-large"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "malformed-request"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "malformed-request"),
        ({"data": {"column": "smiles"}, "files": {}}, 422, "invalid-request"),
        ({"files": [("a", ("a.smi", b"CCO")), ("b", ("b.smi", b"CCO"))]}, 422, "invalid-request"),
        ({"json": {"smiles": ["C"]}, "headers": {"idempotency-key": " "}}, 422, "invalid-request"),
        ({"content": b""}, 422, "unreadable-upload"),
    ],
)  # fmt: skip
def test_a_request_at_fault_is_told_so(store: FolderStore, request_: dict[str, Any], status: int, code: str) -> None:
    """Every fault of a whole request is a problem with its own code, and leaves nothing behind."""
    with serving(store, max_upload_bytes=2500) as client:
        answer = client.post("/v1/jobs", **request_)
        listed = client.get("/v1/jobs").json()["jobs"]

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert listed == []
    assert [path for path in (store.root.parent / "jobs").glob("*") if path.is_dir()] == []


def test_jobs_are_listed_newest_first_page_by_page(store: FolderStore) -> None:
    """The list is paged by the addresses it names."""
    with serving(store) as client:
        made = [submit(client, ["CCO"]) for _ in range(5)]
        seen, address = [], "/v1/jobs?limit=2"
        while address:
            page = client.get(address).json()
            seen += [job["id"] for job in page["jobs"]]
            address = page["next"]

    assert seen == made[::-1]


def test_a_job_keeps_the_champions_it_began_with(store: FolderStore, tmp_path: Path) -> None:
    """However champions change meanwhile, all rows of a job are answered by the same version."""
    with serving(store, chunk_rows=1) as client:
        engine = client.app.state.engine
        predict, first = engine.predict, None

        async def swapping(champions: Any, *rest: Any, **options: Any) -> Any:
            nonlocal first
            if first is None:
                first = champions["solubility_logs"].manifest.version
                publish(store, tmp_path / "new", value=5.0)
                await engine.champion_watcher.look()
            return await predict(champions, *rest, **options)

        engine.predict = swapping
        job = submit(client, ["CCO", "CCN", "CCC"])
        info = ended(client, job)
        used = {row["solubility_logs_champion"] for row in rows_of(client, job)}
        serves = client.get("/v1/models").json()[0]["version"]

    assert used == {first} == set(info["champions"].values())
    assert serves != first


class Held:
    """A service whose predictions wait until they are let go."""

    def __init__(self, client: Client) -> None:
        engine = client.app.state.engine
        predict = engine.predict
        self.calls = 0
        self.event = asyncio.Event()

        async def waiting(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            await self.event.wait()
            return await predict(*arguments, **options)

        engine.predict = waiting


def test_cancelling_stops_within_a_chunk_and_deletes_everything(store: FolderStore) -> None:
    """A cancelled job predicts no further row, keeps no file, and says that it was cancelled."""
    with serving(store) as client:
        held = Held(client)
        job = submit(client, ["CCO"] * 30)
        wait_until(lambda: held.calls == 1)
        assert client.delete(f"/v1/jobs/{job}").status_code == 204
        info = client.get(f"/v1/jobs/{job}").json()
        time.sleep(1.5)
        result = client.get(f"/v1/jobs/{job}/result")
        other = submit(client, ["CCN"])
        wait_until(lambda: held.calls == 2)
        assert client.delete(f"/v1/jobs/{other}").status_code == 204

    assert (info["status"], info["done"]) == ("cancelled", 0)
    assert (result.status_code, result.json()["code"]) == (410, "job-gone")
    assert not JobFolder(store.root.parent / "jobs", job).path.exists()


def wait_until(condition: Any) -> None:
    """Wait for something that happens soon."""
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_finished_job_can_be_removed(store: FolderStore) -> None:
    """A removed job is gone, and says so: 410, not 404."""
    with serving(store) as client:
        job = submit(client, ["CCO"])
        ended(client, job)
        assert client.delete(f"/v1/jobs/{job}").status_code == 204
        codes = [
            (answer.status_code, answer.json()["code"])
            for answer in (
                client.get(f"/v1/jobs/{job}"),
                client.get(f"/v1/jobs/{job}/result"),
                client.get(f"/v1/jobs/{job}/events"),
                client.delete(f"/v1/jobs/{job}"),
                client.get("/v1/jobs/" + "0" * 32),
            )
        ]
        listed = client.get("/v1/jobs").json()["jobs"]

    assert codes == [(410, "job-gone")] * 4 + [(404, "unknown-job")]
    assert listed == []


def test_part_of_a_result_can_be_had_before_the_end(store: FolderStore) -> None:
    """Rows that are done can be read while the others are not; the whole result only when it is whole."""
    with serving(store, chunk_rows=2) as client:
        job = submit(client, ["C" * number for number in range(1, 8)])
        ended(client, job)
        middle = rows_of(client, job, start=3, rows=3)
        beyond = rows_of(client, job, start=7)
        held = Held(client)
        other = submit(client, ["CCO"])
        wait_until(lambda: held.calls == 1)
        early = client.get(f"/v1/jobs/{other}/result")
        assert rows_of(client, other, start=0) == []
        client.delete(f"/v1/jobs/{other}")

    assert [row["smiles"] for row in middle] == ["CCCC", "CCCCC", "CCCCCC"]
    assert beyond == []
    assert (early.status_code, early.json()["code"]) == (409, "job-not-done")


def sse(client: Client, job: str, last_id: str | None = None) -> list[dict[str, str]]:
    """Return all events of a job until the stream ends."""
    headers = {"last-event-id": last_id} if last_id is not None else {}
    text = client.get(f"/v1/jobs/{job}/events", headers=headers).text
    blocks = [block for block in text.replace("\r\n", "\n").split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_events_tell_progress_and_resume(store: FolderStore) -> None:
    """Progress has the rows done as its id; a client that comes back gets only what is new; the end is always sent."""
    with serving(store, chunk_rows=1) as client:
        job = submit(client, ["CCO", "C1CC", "CCN"])
        events = sse(client, job)
        again = sse(client, job, "2")
        over = client.get(f"/v1/jobs/{job}/events", headers={"last-event-id": "end"})
    ids = [int(event["id"]) for event in events[:-1]]

    assert {event["event"] for event in events[:-1]} <= {"progress"}
    assert ids == sorted(set(ids))
    assert (events[-1]["event"], events[-1]["id"]) == ("done", "end")
    assert json.loads(events[-1]["data"]) == {"status": "done", "done": 3, "total": 3, "failed": 1}
    assert again == events[-1:]
    assert over.status_code == 204


def test_a_full_disk_fails_the_job_and_nothing_else(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without space a job fails and says why, an upload is refused, and predictions continue."""

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving(store) as client:
        with monkeypatch.context() as patch:
            patch.setattr(JobFolder, "write_results", full)
            job = submit(client, ["CCO"])
            info = ended(client, job)
        result = client.get(f"/v1/jobs/{job}/result")
        with monkeypatch.context() as patch:
            patch.setattr(JobFolder, "write_rows", full)
            refused = client.post("/v1/jobs", json={"smiles": ["CCO"]})
        with monkeypatch.context() as patch:
            patch.setattr(service, "MIN_FREE_BYTES", 10**18)
            turned_away = client.post("/v1/jobs", json={"smiles": ["CCO"]})
        assert client.post("/v1/predict", json={"smiles": ["CCO"]}).status_code == 200
        assert ended(client, submit(client, ["CCO"]))["status"] == "done"

    assert (info["status"], info["error"]["code"]) == ("failed", "disk-full")
    assert (result.status_code, result.json()["code"]) == (409, "job-not-done")
    assert "no space left" in result.json()["detail"]
    assert [(each.status_code, each.json()["code"]) for each in (refused, turned_away)] == [(507, "disk-full")] * 2


def test_too_many_jobs_are_refused_for_a_while(store: FolderStore) -> None:
    """Past the setting's number of unfinished jobs one more is refused, with when to come back."""
    with serving(store, max_waiting=2) as client:
        Held(client)
        jobs = [submit(client, ["CCO"]) for _ in range(2)]
        refused = client.post("/v1/jobs", json={"smiles": ["CCO"]})
        for job in jobs:
            client.delete(f"/v1/jobs/{job}")
        accepted = submit(client, ["CCO"])
        client.delete(f"/v1/jobs/{accepted}")

    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-jobs")
    assert int(refused.headers["retry-after"]) > 0


def table(tmp_path: Path, lease_seconds: float = 10.0, **plan: Any) -> tuple[JobTable, str]:
    """Return a table with one queued job of one row."""
    made = JobTable(tmp_path / "jobs.sqlite", lease_seconds)
    assert made.reserve("a" * 32, "", None, "digest") is None
    made.enqueue("a" * 32, Plan(("smiles",), "smiles", "json", **plan), 1, 10)
    return made, "a" * 32


def test_exactly_one_worker_has_a_job(tmp_path: Path) -> None:
    """A lease is one worker's; what another writes of the job changes nothing."""
    jobs, job = table(tmp_path)
    claims = [jobs.claim("one"), jobs.claim("two")]

    assert [claim and claim.id for claim in claims] == [job, None]
    assert jobs.start(job, "one", {"a": Pin("v", "regression")})
    assert not jobs.advance(job, "two", 1, 0, 5)
    assert not jobs.finish(job, "two", "done")
    assert jobs.advance(job, "one", 1, 0, 5)
    assert jobs.finish(job, "one", "done")
    assert jobs.claim("two") is None


def test_a_lease_that_ran_out_or_lies_far_ahead_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that gives no sign loses its job, and so does one whose clock was ahead; it finds out by itself."""
    jobs, job = table(tmp_path)
    now = time.time()
    for moment in (now + 10, now + 21, now - 10_000):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        claimed = jobs.claim(f"worker at {moment}")
        if moment < now:
            assert claimed is None  # its turn has not come by that clock, so nobody takes it twice
        else:
            assert claimed is not None
            assert claimed.id == job
    monkeypatch.setattr(time, "time", lambda: now + 5)

    assert jobs.claim("set back") is not None
    assert not jobs.renew(job, f"worker at {now + 21}")


def test_a_job_that_ends_the_service_again_and_again_is_given_up(store: FolderStore, tmp_path: Path) -> None:
    """A row that kills its worker fails its job after a few attempts, with the rows it could be."""
    jobs, job = table(tmp_path / "jobs", lease_seconds=-1.0)
    for attempt in range(MAX_ATTEMPTS):
        assert jobs.claim(f"killed {attempt}") is not None
    with serving(store) as client:
        info = ended(client, job)

    assert (info["status"], info["error"]["code"]) == ("failed", "interrupted")
    assert "rows 1 to 1" in info["error"]["detail"]


@pytest.mark.parametrize(("attempts", "safe"), [(1, [0, 0, 3]), (2, [0, 3, 6])])
def test_a_chunk_is_saved_beside_the_next_unless_the_service_ended(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, attempts: int, safe: list[int]
) -> None:
    """Writing does not hold predicting up; after an end of the service, what was predicted is safe before the next."""
    seen: list[int] = []
    ids: list[str] = []
    claim, predict, write = JobTable.claim, Runner._predict, JobFolder.write_results

    def claimed(self: JobTable, owner: str) -> Job | None:
        if (job := claim(self, owner)) is None:
            return None
        ids.append(job.id)
        return replace(job, attempts=attempts)

    async def predicted(self: Runner, *args: Any) -> Any:
        await asyncio.sleep(0.01)
        found = self._table.get(ids[-1])
        assert found is not None
        seen.append(found.done)
        return await predict(self, *args)

    def written(self: JobFolder, chunk: int, entries: Any) -> int:
        time.sleep(0.2)
        return write(self, chunk, entries)

    monkeypatch.setattr(JobTable, "claim", claimed)
    monkeypatch.setattr(Runner, "_predict", predicted)
    monkeypatch.setattr(JobFolder, "write_results", written)
    with serving(store) as client:
        info = ended(client, submit(client, ["C" * length for length in range(1, 10)]))

    assert (info["status"], info["done"]) == ("done", 9)
    assert seen == safe


def test_a_champion_that_is_gone_fails_the_job(store: FolderStore, tmp_path: Path) -> None:
    """After a restart a job whose version was deleted fails and says so, rather than mixing two versions."""
    jobs, job = table(tmp_path / "jobs", lease_seconds=-1.0)
    for attempt in range(MAX_ATTEMPTS - 1):
        assert jobs.claim(f"stopped {attempt}") is not None
    jobs.start(job, f"stopped {MAX_ATTEMPTS - 2}", {"solubility_logs": Pin("rf-000000000000", "regression")})
    with serving(store) as client:
        info = ended(client, job)

    assert (info["status"], info["error"]["code"]) == ("failed", "champion-gone")
    assert "solubility_logs/rf-000000000000" in info["error"]["detail"]


def test_results_are_removed_by_age_and_by_space(store: FolderStore) -> None:
    """What is too old goes, then what finished first, until the rest fits; what was removed is still known."""
    settings = JobSettings(folder=store.root.parent / "jobs", chunk_rows=3)
    with serving(store) as client:
        made = [submit(client, ["CCO"]) for _ in range(3)]
        for job in made:
            ended(client, job)
        jobs = client.app.state.jobs.table
        stray = settings.folder / "0123"
        stray.mkdir()
        os.utime(stray, (0, 0))
        kept = jobs.get(made[2]).bytes
        retention.tidy(JobSettings(folder=settings.folder, max_stored_bytes=kept), jobs)
        statuses = [client.get(f"/v1/jobs/{job}").status_code for job in made]
        assert not stray.exists()
        retention.tidy(settings, jobs, time.time() + 8 * retention.DAY)
        aged = client.get(f"/v1/jobs/{made[2]}").status_code
        retention.tidy(settings, jobs, time.time() + 40 * retention.DAY)
        forgotten = client.get(f"/v1/jobs/{made[2]}").status_code

    assert statuses == [410, 410, 200]
    assert (aged, forgotten) == (410, 404)


def test_a_service_without_jobs_makes_no_folder(store: FolderStore) -> None:
    """Who never submits a job finds nothing of it on disk."""
    with serving(store) as client:
        assert client.get("/v1/jobs").json() == {"jobs": [], "next": None}
        time.sleep(0.7)

    assert not (store.root.parent / "jobs").exists()


def test_jobs_belong_to_the_key_that_submitted_them(store: FolderStore) -> None:
    """A caller sees the jobs of their own key; a key for administration sees all."""
    keys = KeyStore(store.root.parent / "service" / "keys.sqlite")
    one, two = (keys.create(name, ["jobs"])[1] for name in ("one", "two"))
    admin = keys.create("admin", ["jobs", "admin"])[1]
    settings = Settings(
        poll_seconds=0.02,
        jobs=JobSettings(folder=store.root.parent / "jobs"),
        folder=store.root.parent / "service",
    )
    with TestClient(create_app(settings, store)) as client:

        def ask(key: str, method: str, path: str, **options: Any) -> Any:
            return client.request(method, path, headers={"authorization": f"Bearer {key}"}, **options)

        job = ask(one, "POST", "/v1/jobs", json={"smiles": ["CCO"]}).json()["links"]["self"]
        seen = {key: len(ask(key, "GET", "/v1/jobs").json()["jobs"]) for key in (one, two, admin)}
        statuses = {key: ask(key, "GET", job).status_code for key in (one, two, admin)}
        theirs = [ask(two, *request).status_code for request in (("GET", f"{job}/result"), ("DELETE", job))]

    assert list(seen.values()) == [1, 0, 1]
    assert list(statuses.values()) == [200, 404, 200]
    assert theirs == [404, 404]


def test_a_job_leaves_the_memory_to_requests(store: FolderStore) -> None:
    """What was asked for by a request is still remembered after a job larger than the memory, and the job is not."""
    settings = Settings(poll_seconds=0.02, cache_entries=3, jobs=JobSettings(folder=store.root.parent / "jobs"))
    with TestClient(create_app(settings, store)) as client:
        engine = client.app.state.engine
        client.post("/v1/predict", json={"smiles": ["CCOCC"]})
        ended(client, submit(client, ["C" * number for number in range(1, 20)]))
        remembered, forgotten = engine._predictor.known(engine.champion_registry.champions, ["CCOCC", "CCC"])

    assert remembered is not None
    assert forgotten is None
