"""What the table gives away: CSV, Excel, SDF of a paste, and the chosen rows of a job."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from litestar.testing import TestClient
from rdkit import Chem

from model_zoo.bundles.store import FolderStore
from model_zoo.inference.answers import Fault
from serving.app import create_app
from serving.page.export import sheet_of
from serving.page.understood import Line
from serving.page.views import ShownMolecule
from serving.settings import Settings
from tests.bundle_factory import publish

Client = TestClient[Any]
TEXT = "CC(=O)[O-].[Na+] salt\nC1CC =SUM(A1)\nc1ccccc1\nCCO 7"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Run a service with a regression and a binary endpoint."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="solubility_logs", onnx_bias=-1.0)
    publish(store, tmp_path / "b", endpoint="bbb", value=0.8, binary=True)
    with TestClient(create_app(Settings(poll_seconds=0.02, folder=tmp_path), store)) as client:
        yield client


def test_every_format_holds_the_same(client: Client) -> None:
    """Excel and SDF say what the CSV says, row by row; numbers are numbers, and no text is a formula."""
    given = {
        form: client.post("/page/csv", data={"smiles": TEXT, "format": form}).content for form in ("csv", "xlsx", "sdf")
    }
    rows = list(csv.DictReader(io.StringIO(given["csv"].decode("utf-8-sig"))))
    sheet = openpyxl.load_workbook(io.BytesIO(given["xlsx"])).active
    assert sheet is not None
    first, *cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    head = [str(name) for name in first]
    supplier = Chem.ForwardSDMolSupplier(io.BytesIO(given["sdf"]))
    mols = list(supplier)

    assert head == list(rows[0])
    assert len(rows) == len(cells) == len(mols) == 4
    assert [row[1] for row in cells] == ["salt", "=SUM(A1)", None, "7"]
    assert sheet["B3"].data_type == "s"
    assert [row["name"] for row in rows] == ["salt", "'=SUM(A1)", "", "7"]
    for row, plain, mol in zip(rows, cells, mols, strict=True):
        for name, cell in zip(head, plain, strict=True):
            if isinstance(cell, float):
                assert float(row[name]) == pytest.approx(cell, rel=1e-5)
                assert float(mol.GetProp(name)) == pytest.approx(cell, rel=1e-5)
        assert (mol.GetNumAtoms() > 0) == bool(row["standardised"])
        if row["standardised"]:
            assert Chem.MolToSmiles(mol) == Chem.MolToSmiles(Chem.MolFromSmiles(row["standardised"]))
    assert isinstance(cells[0][head.index("solubility_logs_value")], float)
    assert isinstance(cells[0][head.index("mw")], float)
    assert cells[1][head.index("error_code")] == "invalid-smiles"


def test_an_unknown_format_is_refused(client: Client) -> None:
    """In words that say which there are."""
    answer = client.post("/page/csv", data={"smiles": TEXT, "format": "pdf"})

    assert answer.status_code == 422
    assert "expected one of csv, xlsx, sdf, got 'pdf'" in answer.json()["detail"]


def test_chosen_rows_of_a_job_are_taken_away(client: Client) -> None:
    """The table of a job has its headings, and a download holds the rows that were chosen, cells of many lines too."""
    content = b'id,smiles,remark\nX-1,CCO,"two\nlines"\nX-2,C1CC,\nX-3,CCN,"a,b"\n'
    job = client.post("/v1/jobs", files={"file": ("a.csv", content)}).json()
    until = time.monotonic() + 30
    while client.get(job["links"]["self"]).json()["status"] in ("queued", "running"):
        assert time.monotonic() < until
        time.sleep(0.02)
    page = client.get(f"/page/jobs/{job['id']}").text
    rows = client.get(f"/page/jobs/{job['id']}/rows").json()
    some = client.post(f"/page/jobs/{job['id']}", data={"pick": ["0", "2"]}).text
    every = client.post(f"/page/jobs/{job['id']}", data={}).text

    assert "a.csv: 3 rows" in page
    assert (rows["names"], rows["smiles"]) == (["X-1", "X-2", "X-3"], ["CCO", "C1CC", "CCN"])
    assert list(rows["faults"]) == ["1"]
    assert 'data-endpoint="solubility_logs"' in page
    chosen, whole = (list(csv.DictReader(io.StringIO(text.lstrip("\ufeff")))) for text in (some, every))
    assert [(row["id"], row["remark"]) for row in chosen] == [("X-1", "two\nlines"), ("X-3", "a,b")]
    assert [row["id"] for row in whole] == ["X-1", "X-2", "X-3"]
    assert client.get("/page/jobs/0123456789abcdef").status_code in (404, 422, 400)


def test_how_a_refused_line_was_read_is_kept() -> None:
    """A structure of a name, say, that no model predicts: its row says that it was looked up."""
    line = Line("C", "x", "x: looked up")
    sheet = sheet_of([line], [ShownMolecule(Fault("too-large", "too large"), {})], [0], {}, {})
    row = dict(zip(sheet.columns, sheet.rows[0], strict=True))
    assert (row["error_code"], row["error_detail"], row["notes"]) == ("too-large", "too large", "x: looked up")
