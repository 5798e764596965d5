"""The table of a stored result says of every molecule what the table of a paste says."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.page import stored_rows
from serving.page.stored_rows import FAIR, FAR, GOOD, MEASURED, POOR
from serving.settings import Settings
from tests.browser.page_store import fill
from tests.bundle_factory import publish

Client = TestClient[Any]
SMILES = ["CCO", "CC(=O)Oc1ccccc1C(=O)O", "C1CC", "C" * 30, "C[N+](C)(C)CC(=O)[O-]", "CCS.Cl", "FC(F)(F)c1ccc(Cl)cc1"]
BITS = {"good": GOOD, "fair": FAIR, "poor": POOR, "far": FAR}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Run a service with four endpoints, one of them a probability."""
    store = FolderStore(tmp_path / "store")
    fill(store, tmp_path)
    with TestClient(create_app(Settings(poll_seconds=0.02, folder=tmp_path), store)) as client:
        yield client


def stored(client: Client, content: bytes, name: str = "a.csv") -> str:
    """Predict a file; give the job's identity."""
    job = client.post("/v1/jobs", files={"file": (name, content)}).json()
    until = time.monotonic() + 60
    while client.get(job["links"]["self"]).json()["status"] in ("queued", "running"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return str(job["id"])


def cells_of_paste(html: str) -> list[list[tuple[float, int]] | None]:
    """Read value and marks of every cell of the table of a paste."""
    found: list[list[tuple[float, int]] | None] = []
    for row in re.findall(r"<tr data-position=.*?</tr>", html, re.DOTALL):
        cells = re.findall(r'<td class="num ([^"]*)" data-value="([^"]*)">(.*?)</td>', row, re.DOTALL)
        values = [
            (float(value), sum(BITS[word] for word in classes.split()) + MEASURED * ("known" in inside))
            for classes, value, inside in cells
        ]
        found.append(values or None)
    return found


def test_both_tables_say_the_same(client: Client) -> None:
    """Value, desirability, reliability, and that it was measured: cell by cell."""
    paste = client.post("/", data={"smiles": "\n".join(SMILES)}, headers={"x-fragment": "results"}).text
    job = stored(client, ("smiles\n" + "\n".join(SMILES)).encode())
    rows = client.get(f"/page/jobs/{job}/rows").json()
    columns = list(rows["columns"].values())
    known = GOOD | FAIR | POOR | FAR | MEASURED
    table = [
        None if str(at) in rows["faults"] else [(each["values"][at], each["marks"][at] & known) for each in columns]
        for at in range(len(SMILES))
    ]

    assert table == [
        None if row is None else [(pytest.approx(value), marks) for value, marks in row]
        for row in cells_of_paste(paste)
    ]
    assert any(marks & MEASURED for row in table if row for _, marks in row)
    assert "This is not a SMILES" in rows["faults"]["2"]


def test_parts_of_any_size_are_one_table(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows come at a time, none is lost, doubled or moved."""
    job = stored(client, ("smiles,id\n" + "\n".join(f"{'C' * at}O,n{at}" for at in range(1, 61))).encode())
    whole = client.get(f"/page/jobs/{job}/rows").json()
    monkeypatch.setattr(stored_rows, "ROWS", 7)
    parts, start = list[Any](), 0
    while part := client.get(f"/page/jobs/{job}/rows", params={"start": start}).json()["smiles"]:
        parts.append(client.get(f"/page/jobs/{job}/rows", params={"start": start}).json())
        start += len(part)

    assert [name for part in parts for name in part["names"]] == whole["names"] == [f"n{at}" for at in range(1, 61)]
    for name, column in whole["columns"].items():
        assert [value for part in parts for value in part["columns"][name]["values"]] == column["values"]


def test_a_result_of_earlier_champions_keeps_its_units_and_loses_its_colours(client: Client, tmp_path: Path) -> None:
    """What another champion wants of a value says nothing about the value of this one."""
    job = stored(client, b"smiles\nCCO\n")
    before = client.get(f"/page/jobs/{job}/rows").json()["columns"]["solubility_logs"]
    publish(
        FolderStore(tmp_path / "store"), tmp_path / "z", endpoint="solubility_logs", onnx_bias=-7.0,
        desirable={"low": 5, "margin": 1},
    )  # fmt: skip
    until = time.monotonic() + 10
    while "1 of these properties has a newer model now" not in (page := client.get(f"/page/jobs/{job}").text):
        assert time.monotonic() < until
    after = client.get(f"/page/jobs/{job}/rows").json()["columns"]["solubility_logs"]

    assert before["values"] == after["values"]
    assert before["marks"][0] & GOOD
    assert not after["marks"][0] & (GOOD | FAIR | POOR | MEASURED)
    assert "log10 mol/L" in page


def test_a_row_of_blocks_has_a_structure_on_one_line(client: Client) -> None:
    """Rows of an SDF are drawn and compared by what the models saw."""
    from rdkit import Chem

    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    job = stored(client, f"{block}\n$$$$\n".encode(), "a.sdf")

    assert client.get(f"/page/jobs/{job}/rows").json()["smiles"] == ["CCO"]


def test_drawings_come_in_order_and_only_of_what_can_be_drawn(client: Client) -> None:
    """A line each; none for what is not a molecule, or too large."""
    drawn = client.post("/page/drawings", data={"smiles": "\n".join(["CCO", "C1CC", "", "C" * 3000])}).json()

    assert ["<svg" in each for each in drawn] == [True, False, False, False]


def test_what_is_gone_is_told(client: Client) -> None:
    """A start beyond the end gives nothing; a job that was removed, and one that never was, are reported."""
    job = stored(client, b"smiles\nCCO\n")
    beyond = client.get(f"/page/jobs/{job}/rows", params={"start": 10**9})
    odd = [client.get(f"/page/jobs/{job}/rows", params={"start": start}).status_code for start in (-1, "x")]
    client.delete(f"/v1/jobs/{job}")
    answers = [client.get(f"/page/jobs/{place}{part}") for place in (job, "0" * 32, "a" * 40) for part in ("", "/rows")]

    assert (beyond.status_code, beyond.json()["smiles"]) == (200, [])
    assert odd == [422, 422]
    assert [each.status_code for each in answers] == [410, 410, 404, 404, 404, 404]
