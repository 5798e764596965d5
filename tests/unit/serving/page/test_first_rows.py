"""The first rows of a file before it is uploaded, and the same file as a job."""

from __future__ import annotations

import csv
import gzip
import io
import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from model_zoo.config.endpoint_file import read_endpoints
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish

Client = TestClient[Any]
SMILES = [f"{'C' * number}O" for number in range(1, 26)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Run a service with one endpoint."""
    home = tmp_path_factory.mktemp("files")
    store = FolderStore(home / "store")
    publish(store, home / "a", endpoint="solubility_logs")
    with TestClient(create_app(Settings(poll_seconds=0.02, folder=home), store)) as client:
        yield client


def look(client: Client, name: str, content: bytes, **fields: str) -> str:
    """Send a file as the page does before it is uploaded; give the text that it shows."""
    answer = client.post("/page/file", files={"file": (name, content)}, data=fields)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub("<(?!/?option)[^>]+>", " ", answer.text)).split())


def predicted(client: Client, name: str, content: bytes, **fields: str) -> list[dict[str, str]]:
    """Send a file as a job; give the rows of its result."""
    answer = client.post("/v1/jobs", files={"file": (name, content)}, data=fields)
    assert answer.status_code == 202, answer.text
    links, until = answer.json()["links"], time.monotonic() + 30
    while client.get(links["self"]).json()["status"] in ("queued", "running"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return list(csv.DictReader(io.StringIO(client.get(f"{links['result']}?format=csv").text)))


def workbook(**sheets: list[list[object]]) -> bytes:
    """Make a workbook."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


CSV = "id;smiles;logS\n" + "".join(f"X-{at};{text};{-at / 8:.3f}\n".replace(".", ",") for at, text in enumerate(SMILES))


def test_the_column_that_was_guessed_is_shown_and_can_be_changed(client: Client) -> None:
    """How the file is written, which column was taken, what its cells were read as; another choice is followed."""
    shown = look(client, "hits.csv", CSV.encode())
    other = look(client, "hits.csv", CSV.encode(), column="id")
    unclear = look(client, "two.csv", b"smiles_a,smiles_b\nCCCCO,CCCCN\n")
    packed = look(client, "hits.csv.gz", gzip.compress(CSV.encode()))
    titled = look(client, "hits.csv", f"Results of May\n\n{CSV}".encode())

    assert shown.startswith("CSV, separated by ';', utf-8")
    assert "<option selected>smiles</option>" in shown
    assert "SMILES X-0 CO" in shown
    assert "<option selected>id</option>" in other
    assert "neither a structure nor one of the" in other.lower()
    assert 'value="">choose a column' in unclear
    assert packed.split(" ")[:3] == shown.split(" ")[:3]
    assert titled.startswith("CSV, separated by ';', utf-8, 2 rows above the header left out")


def test_a_file_of_names_and_structures_is_read_and_predicted(client: Client) -> None:
    """A text file with the name first: the page and the job agree on which is which."""
    text = "\n".join(f"CMPD-{at} {smiles}" for at, smiles in enumerate(SMILES)).encode()
    shown, rows = look(client, "list.txt", text), predicted(client, "list.txt", text)

    assert "SMILES CO CMPD-0" in shown
    assert [row["smiles"] for row in rows] == SMILES
    assert [row["name"] for row in rows] == [f"CMPD-{at}" for at in range(len(SMILES))]
    assert not any(row["error_code"] for row in rows)


def test_a_workbook_is_read_and_predicted(client: Client) -> None:
    """Of several sheets one is shown, the other can be chosen, and a job predicts every row in its place."""
    book = workbook(
        Notes=[["see", "next"], ["sheet", "please"]], Hits=[["ID", "Structure"], ["a", "CCO"], [], ["b", "C1CC"]]
    )
    shown, other = look(client, "x.xlsx", book, sheet="Hits"), look(client, "x.xlsx", book)
    rows = predicted(client, "x.xlsx", book, sheet="Hits")
    alone = predicted(client, "x.xlsx", workbook(Data=[["SMILES", "n"], ["CCO", 1.5], ["CCN", 2]]))
    refused = client.post("/v1/jobs", files={"file": ("x.xlsx", book)})

    assert "<option selected>Structure</option>" in shown
    assert "<option selected>Hits</option>" in shown
    assert "<option selected>Notes</option>" in other
    assert [row["ID"] for row in rows] == ["a", "", "b"]
    assert [bool(row["error_code"]) for row in rows] == [False, True, True]
    assert [(row["SMILES"], row["n"]) for row in alone] == [("CCO", "1.5"), ("CCN", "2")]
    assert "sheet" in refused.json()["detail"]


def test_the_endpoint_that_a_file_could_become_is_offered(client: Client) -> None:
    """The guesses of `aidrug endpoint new` are there with their evidence, and a YAML to take away."""
    answer = client.post("/page/file", files={"file": ("hits.csv", CSV.encode())}).text
    (text,) = re.findall(r'<pre class="yaml">(.*?)</pre>', answer, re.DOTALL)
    made = yaml.safe_load(unescape(text))

    assert made["source"]["value_column"] == "logS"
    assert made["source"]["decimal"] == ","
    assert made["source"]["files"] == ["hits.csv"]
    assert "25 numbers" in answer
    assert "could be made of it" not in look(client, "hits.csv", b"id,smiles\na,CCO\nb,CCN\n")


def test_several_endpoints_are_offered_in_one_file(client: Client, tmp_path: Path) -> None:
    """The form of `--together`, beside a YAML for each; none where one endpoint is all, or a question is open."""
    table = "SMILES,HLM CLint (uL/min/mg),logD\n" + "".join(
        f"{text},{place + 0.5},0.5\n" for place, text in enumerate(SMILES)
    )
    answer = client.post("/page/file", files={"file": ("my wide.csv", table.encode())}).text
    together, *alone = map(unescape, re.findall(r'<pre class="yaml">(.*?)</pre>', answer, re.DOTALL))
    (tmp_path / "my_wide.yaml").write_text(together, encoding="utf-8")
    read = read_endpoints(tmp_path)
    open_question = table.replace("SMILES,", "SMILES,species,").replace("CO,", "CO,rat,").replace("rat", "human", 3)

    assert 'data-name="my_wide.yaml"' in answer
    assert not read.faults
    assert {name: each.dataset.source.model_dump()["value_column"] for name, each in read.endpoints.items()} == {
        "hlm_clint": "HLM CLint (uL/min/mg)", "logd": "logD",
    }  # fmt: skip
    assert [yaml.safe_load(text)["name"] for text in alone] == ["hlm_clint", "logd"]
    assert "in one file" not in look(client, "my_wide.csv", open_question.encode())
    assert "in one file" not in look(client, "hits.csv", CSV.encode())


def test_what_is_no_table_says_so(client: Client) -> None:
    """A broken archive and an empty file are explained in words, not as a fault of the page."""
    assert "not a whole gzip file" in look(client, "a.csv.gz", b"\x1f\x8b junk")
    assert "empty file" in look(client, "a.csv", b"\n")


def test_what_a_job_would_not_read_is_not_promised(client: Client) -> None:
    """A name or a typographic dash is understood where it is pasted; a file is read as it is."""
    content = "smiles,note\naspirin,a\nC[C@H](N)C(=O)[O\u2212],b\n CCO ,c\nInChI=1S/CH4/h1H4,d\n".encode()
    shown = look(client, "hits.csv", content)
    codes = [row["error_code"] for row in predicted(client, "hits.csv", content)]
    assert codes == ["invalid-smiles", "invalid-smiles", "", ""]
    assert shown.count("A file's structures are read as they are") == 2
    assert "SMILES CCO" in shown
    assert "InChI InChI=1S/CH4/h1H4" in shown


def test_a_large_packed_file_is_not_said_to_be_broken(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its beginning is sent for a look: its first rows are shown, or that they are not."""
    monkeypatch.setattr("serving.page.first_rows.PART_BYTES", 2000)
    rows = "".join(f"{at * at * 7919 % 99991},{'C' * (at % 9 + 1)}O\n" for at in range(3000))
    shown = look(client, "hits.csv.gz", gzip.compress(f"id,smiles\n{rows}".encode())[:2000])
    assert "SMILES" in shown
    assert "all of it is read when it is uploaded" in shown
    book = workbook(a=[["id", "smiles"], *([at, SMILES[at % 25]] for at in range(500))])
    assert "The first rows of a workbook are shown up to" in look(client, "hits.xlsx", book[:2000])
