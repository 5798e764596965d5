"""The Python client and `aidrug predict`, against a real service and against servers that misbehave."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from ai_drug_assets.cli import aidrug
from model_zoo.bundles.store import FolderStore
from model_zoo.monitoring.prediction_log import PredictionLog
from serving.client import Client, NotReachableError, ServiceError, answers, show
from tests.bundle_factory import publish
from tests.doubles.scripted_service import Answer, Request, server
from tests.server_process import ROOT, free_port, running_service


def test_long_lists_are_cut_and_numbered_through(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list longer than one request may hold comes back whole, in order, with its own indices."""
    monkeypatch.setattr("serving.client.BATCH", 2)
    smiles = ["CCO", "nope", "CCN", "c1ccccc1", ""]
    got = client.predict(smiles, endpoints=["solubility_logs"], include=["alerts"])

    assert [(each.index, each.smiles) for each in got] == list(enumerate(smiles))
    assert [each.error.code if each.error else None for each in got] == [None, "invalid-smiles", None, None, "empty"]
    assert got[0].endpoints["solubility_logs"].interval is not None
    assert got[0].endpoints["solubility_logs"].unit == "log10 mol/L"
    assert got[0].alerts == []


def test_a_job_is_followed_and_downloaded(client: Client, tmp_path: Path) -> None:
    """Submit, wait, download, remove: one line each."""
    updates: list[tuple[int, int, int]] = []
    job = client.wait(
        client.submit(["CCO", "nope", "CCN", ""], ids=["a", "b", "c", "d"]), lambda *now: updates.append(now)
    )
    rows = list(csv.DictReader(client.download(job, tmp_path / "r.csv").open(newline="")))
    table = pq.read_table(client.download(job.id, tmp_path / "r.parquet")).to_pylist()
    lines = list(client.results(job))
    listed = client.jobs()
    client.cancel(job)
    with pytest.raises(ServiceError) as gone:
        client.job(job)

    assert (job.status, job.done, job.failed, updates[-1]) == ("done", 4, 2, (4, 4, 2))
    assert [row["id"] for row in rows] == [row["id"] for row in table] == ["a", "b", "c", "d"]
    assert [line.columns and line.columns["id"] for line in lines] == ["a", "b", "c", "d"]
    assert lines[3].error == answers.MoleculeError("empty", "expected a SMILES, got an empty text")
    assert lines[0].endpoints["bbb"].champion == job.champions["bbb"]
    assert job.id in [each.id for each in listed]
    assert (gone.value.code, gone.value.status) == ("job-gone", 410)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.parquet"]


def test_what_the_service_says_of_itself_is_typed(client: Client) -> None:
    """Endpoints, models, champions and leaderboards come back as values with names."""
    names = [endpoint.name for endpoint in client.endpoints()]
    champion = client.champion("bbb")
    board = client.leaderboard("bbb")

    assert names == ["bbb", "solubility_logs"]
    assert {model.endpoint: model.version for model in client.models()}["bbb"] == champion.serving
    assert board.champion == champion.appointed.version
    with pytest.raises(ServiceError, match="no earlier champion") as refused:
        client.roll_back("bbb")
    assert (refused.value.code, refused.value.status) == ("nothing-to-roll-back", 409)
    assert refused.value.request_id


def test_a_refusal_says_what_the_service_said(client: Client, tmp_path: Path) -> None:
    """Problem details become an exception with code, status and the service's own words."""
    with pytest.raises(ServiceError, match="expected one of bbb, solubility_logs, got 'herg'") as refused:
        client.predict(["CCO"], endpoints=["herg"])
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ServiceError, match="the columns are 'a', 'b'"):
        client.submit_file(tmp_path / "x.csv")
    with pytest.raises(ValueError, match=r"\.parquet"):
        client.download("x", tmp_path / "x.xlsx")
    with pytest.raises(ValueError, match="expected an address"):
        Client("127.0.0.1:8000")

    assert (refused.value.code, refused.value.status) == ("unknown-endpoints", 422)


def test_a_table_keeps_its_index_and_columns(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions are beside what was there, row by row, whatever the index, the order, and what a cell holds."""
    monkeypatch.setattr("serving.client.BATCH", 2)
    frame = pd.DataFrame(
        {"id": list("abcdef"), "structure": ["CCO", None, "nope", "CCN", "CCO", float("nan")], 7: range(6)},
        index=pd.Index([3, 3, "x", -1, 0, 2], name="row"),
    )
    before = frame.copy(deep=True)
    got = client.predict_frame(frame, smiles="structure")
    alone = {each.smiles: each for each in client.predict(["CCO", "CCN"])}

    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(got[frame.columns], before)
    names = [str(name) for name in got.columns[3:]]
    assert [name for name in names if name.startswith("solubility_logs")] == [
        f"solubility_logs_{part}" for part in ("value", "lower", "upper", "reliability", "usual_error", "flags")
    ]
    assert got["error_code"].tolist() == [None, "empty", "invalid-smiles", None, None, "empty"]
    estimate = alone["CCN"].endpoints["solubility_logs"]
    assert estimate.interval is not None
    row = got.iloc[3]
    assert (row["solubility_logs_value"], row["solubility_logs_lower"], row["solubility_logs_upper"]) == (
        estimate.value,
        *estimate.interval,
    )
    assert got["bbb_lower"].isna().all()
    assert got["solubility_logs_value"].dtype == "float64"
    assert got["solubility_logs_value"].isna().tolist() == [False, True, True, False, False, True]
    pd.testing.assert_frame_equal(asyncio.run(client.predict_frame_async(frame, "structure")), got)


def test_a_table_that_cannot_be_predicted_says_why(client: Client) -> None:
    """No such column, and columns that would be written over."""
    frame = pd.DataFrame({"smiles": ["CCO"], "bbb_value": [1.0]})
    with pytest.raises(ValueError, match="expected one column named 'SMILES'"):
        client.predict_frame(frame, "SMILES")
    with pytest.raises(ValueError, match="bbb_value already"):
        client.predict_frame(frame)
    assert client.predict_frame(frame[[]].assign(smiles=["CCO"]).iloc[:0]).empty


def test_a_notebook_shows_pictures_and_nothing_that_runs(client: Client) -> None:
    """A picture per molecule that can be drawn; cells are text, whatever they hold."""
    frame = pd.DataFrame({"smiles": ["CCO", "nope"], "note": ["<script>alert(1)</script>", None]})
    text = show(client.predict_frame(frame, progress=False))._repr_html_()

    assert text.count("<svg") == 1
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "solubility_logs_value" in text


def test_a_measurement_that_arrives_twice_is_stored_once(address: str, tmp_path: Path) -> None:
    """The same request again under its key changes nothing; a name of one's own has precedence."""
    home = Path(tmp_path / "home")
    publish(FolderStore(home / "store"), home / "b1", onnx_bias=0.0)
    sent = {"measurements": [{"smiles": "CCO", "endpoint": "solubility_logs", "value": 1.0}] * 2}
    with running_service(home, home / "log") as (url, _):
        for _ in range(2):
            request = urllib.request.Request(
                f"{url}/v1/feedback",
                json.dumps(sent).encode(),
                {"Content-Type": "application/json", "Idempotency-Key": "monday"},
            )
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["stored"] == 2
        Client(url).feedback([{**sent["measurements"][0], "name": "own"}])
        table = urllib.request.urlopen(
            f"{url}/v1/predictions.csv?smiles=CCO&smiles=%3D1%2Bnope&endpoints=solubility_logs"
        )
        rows = list(csv.DictReader(io.TextIOWrapper(table, "utf-8", newline="")))
        too_many = "&".join(["smiles=C"] * 51)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/v1/predictions.csv?{too_many}")
    with closing(PredictionLog(home / "service")) as record:
        names = [row.name for row in record.measurements("solubility_logs")]

    assert names == ["monday 0", "monday 1", "own"]
    assert refused.value.code == 422
    (expected,) = Client(address).predict(["CCO"], ["solubility_logs"])
    assert float(rows[0]["solubility_logs_value"]) == expected.endpoints["solubility_logs"].value
    assert rows[1]["error_code"] == "invalid-smiles"
    assert rows[1]["smiles"] == "'=1+nope"


def test_a_busy_service_is_asked_again_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 429 and 503 the client waits as long as it is asked to, then sends the request again, with its key."""
    pauses: list[float] = []
    monkeypatch.setattr("serving.client.transport.time.sleep", pauses.append)
    turns: list[Answer] = [
        (503, {"retry-after": "7"}, b'{"code": "busy", "detail": "later"}'),
        (429, {"retry-after": "86400"}, b"not json"),
        (200, {}, b'{"predictions": []}'),
    ]
    with server(lambda _, turn: turns[turn - 1]) as (url, seen):
        assert Client(url, api_key="k-1").predict(["CCO"]) == []

    assert pauses == [7, 60]
    assert [headers["authorization"] for headers in seen] == ["Bearer k-1"] * 3


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that stays busy, and one that is not there, are exceptions of their own after all retries."""
    monkeypatch.setattr("serving.client.transport.time.sleep", lambda _: None)
    always = server(lambda *_: (503, {}, b'{"code": "no-champion", "detail": "wait"}'))
    with always as (url, seen), pytest.raises(ServiceError, match="wait") as busy:
        Client(url, retries=2).endpoints()
    with pytest.raises(NotReachableError, match="no service answers"):
        Client(f"http://127.0.0.1:{free_port()}", retries=1).endpoints()

    assert busy.value.code == "no-champion"
    assert len(seen) == 3


def test_what_changes_something_is_not_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback whose connection breaks is not sent again; an upload is, under one key."""
    monkeypatch.setattr("serving.client.transport.time.sleep", lambda _: None)

    def broken(handler: Request, _: int) -> Answer:
        handler.connection.close()
        raise ConnectionResetError

    with server(broken) as (url, seen):
        with pytest.raises(NotReachableError):
            Client(url, retries=2).roll_back("bbb")
        once = len(seen)
        with pytest.raises(NotReachableError):
            Client(url, retries=2).submit(["CCO"])
    keys = {headers["idempotency-key"] for headers in seen[once:]}

    assert once == 1
    assert len(seen) == 4
    assert len(keys) == 1


def test_a_key_follows_no_redirect() -> None:
    """A server that redirects does not get the key, and the user learns it."""
    with (
        server(lambda *_: (200, {}, b"[]")) as (elsewhere, stolen),
        server(lambda *_: (302, {"location": f"{elsewhere}/v1/endpoints"}, b"")) as (url, _),
        pytest.raises(ServiceError, match="302"),
    ):
        Client(url, api_key="secret").endpoints()

    assert stolen == []


def test_following_goes_on_after_a_broken_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that ends too early is taken up where it ended."""
    monkeypatch.setattr("serving.client.jobs.time.sleep", lambda _: None)
    progress = (
        'id: {0}\r\nevent: progress\r\ndata: {{"status": "running", "done": {0}, "total": 3, "failed": 0}}\r\n\r\n'
    )
    end = 'id: end\r\nevent: done\r\ndata: {"status": "done", "done": 3, "total": 3, "failed": 0}\r\n\r\n'
    job = {name.name: None for name in fields(answers.Job)} | {
        "id": "j",
        "status": "done",
        "champions": {},
        "links": {},
    }
    unknown = 'id: 1b\r\nevent: paused\r\ndata: {"until": "tomorrow"}\r\n\r\n'
    turns = [
        progress.format(1) + ": still here\r\n\r\n" + unknown,
        progress.format(2) + "id: 3\r\neve",
        end,
        json.dumps(job),
    ]
    counts: list[int] = []
    with server(lambda _, turn: (200, {}, turns[turn - 1].encode())) as (url, seen):
        assert Client(url).wait("j", lambda done, *_: counts.append(done)).over

    assert counts == [1, 2, 3]
    assert [headers.get("last-event-id") for headers in seen] == [None, "1", "2", None]


def test_the_client_needs_only_the_standard_library() -> None:
    """Importing the client imports none of the service's dependencies."""
    foreign = {"litestar", "msgspec", "numpy", "rdkit", "httpx"}
    probe = f"import sys, serving.client; print(sorted({foreign} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


def aidrug_predict(address: str, *arguments: str) -> Result:
    """Run `aidrug predict`."""
    return CliRunner().invoke(aidrug, ["predict", *arguments], env={"AIDRUG_SERVICE_URL": address})


def test_predicting_smiles_on_the_command_line(address: str) -> None:
    """SMILES are answered as text, or as the JSON of the interface."""
    text = aidrug_predict(address, "CCO", "nope")
    content = json.loads(aidrug_predict(address, "CCO", "nope", "--endpoint", "bbb", "--json").stdout)

    assert text.exit_code == 0
    assert "solubility_logs" in text.stdout
    assert "invalid-smiles" in text.stdout
    assert list(content["predictions"][0]["endpoints"]) == ["bbb"]
    assert content["predictions"][1]["error"]["code"] == "invalid-smiles"


def test_predicting_a_file_on_the_command_line(address: str, tmp_path: Path) -> None:
    """A file becomes a file with every row in its place, or goes to stdout; progress goes to stderr."""
    source = tmp_path / "hits.csv"
    source.write_text("id,drawing\n1,CCO\n2,nope\n3,CCN\n")
    refused = aidrug_predict(address, str(source), "--column", "structure")
    printed = aidrug_predict(address, str(source), "--column", "drawing", "--endpoints", "bbb,solubility_logs")
    written = aidrug_predict(
        address, str(source), "--column", "drawing", "--out", str(tmp_path / "out.parquet"), "--json"
    )
    wrong = aidrug_predict(address, str(source), "--out", str(tmp_path / "out.xlsx"))
    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()

    assert "expected one of 'id', 'drawing', got 'structure'" in str(refused.exception)
    assert [row["id"] for row in rows] == [str(row["id"]) for row in table] == ["1", "2", "3"]
    assert [row["error_code"] for row in rows] == ["", "invalid-smiles", ""]
    assert "3 of 3 rows, 1 without a prediction" in printed.stderr
    assert json.loads(written.stdout)["status"] == "done"
    assert "--out: expected" in str(wrong.exception)


def test_a_sheet_of_a_workbook_is_named(address: str, client: Client, tmp_path: Path) -> None:
    """Which sheet is meant is refused until it is said, on the command line as in Python."""
    book = openpyxl.Workbook()
    for title, rows in (("plate 1", ["CCO"]), ("plate 2", ["CCN", "CCC"])):
        sheet = book.create_sheet(title)
        for row in ("smiles", *rows):
            sheet.append([row])
    book.save(source := tmp_path / "hits.xlsx")
    with pytest.raises(ServiceError, match="plate 2"):
        client.submit_file(source)
    job = client.submit_file(source, sheet="plate 2")
    printed = aidrug_predict(address, str(source), "--sheet", "plate 1", "--endpoint", "bbb")
    without = aidrug_predict(address, "CCO", "--sheet", "plate 1")

    assert job.total == 2
    assert [row["smiles"] for row in csv.DictReader(io.StringIO(printed.stdout))] == ["CCO"]
    assert "--sheet belong to a file" in str(without.exception)


def test_a_file_without_a_header_is_said_to_have_none(client: Client, tmp_path: Path) -> None:
    """What the service would take for a header is a row where the caller says so."""
    (tmp_path / "hits.csv").write_text("smiles,name\nCCO,a\n")

    assert client.submit_file(tmp_path / "hits.csv").total == 1
    assert client.submit_file(tmp_path / "hits.csv", header=False, column="column_1").total == 2
