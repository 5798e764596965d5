"""Results opened by other programs: a cell stays what it was, a structure the one that was predicted."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from rdkit import Chem

from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.molecules import Standardise
from serving.client.answers import Prediction, read
from serving.client.frames import notes
from serving.page.export import CUT, MOST_CHARACTERS
from tests.bundle_factory import publish
from tests.unit.serving.jobs.test_job_files import BLOCK
from tests.unit.serving.jobs.test_jobs import Client, ended, rows_of, serving

ALANINE = "C[C@H](N)C(=O)O"
INCHI = "InChI=1S/C3H7NO2/c1-2(4)3(5)6/h2H,4H2,1H3,(H,5,6)/t2-/m0/s1"
TEXTS = ["1e5", "00123", "TRUE", "1.50", "-5", "NaN", "1,5", "a\nb", "1.5\n2.3", "  x ", "12345678901234567890", "#N/A",
         "\u00a0z", "a\tb", "None", "2024-01-02"]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return a store with one champion."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", onnx_bias=0.0)
    return store


def done(client: Client, header: list[str], rows: list[list[str]]) -> str:
    """Submit a CSV file; give the finished job."""
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([header, *rows])
    answer = client.post("/v1/jobs", files={"file": ("a.csv", stream.getvalue().encode())}, data={"column": "smiles"})
    assert answer.status_code == 202, answer.text
    job = str(answer.json()["id"])
    assert ended(client, job)["status"] == "done"
    return job


def molecules(client: Client, job: str) -> list[Any]:
    """Read a result as SDF, as RDKit does."""
    supplier = Chem.SDMolSupplier()
    supplier.SetData(client.get(f"/v1/jobs/{job}/result", params={"format": "sdf"}).text)
    return list(supplier)


def test_texts_and_numbers_are_the_same_in_every_file(store: FolderStore) -> None:
    """In CSV, in a workbook, whose cells keep their lines and whose header runs nothing, and in SDF."""
    with serving(store) as client:
        job = done(client, ["=id", "smiles", "x"], [["a", "C" * at + "O", text] for at, text in enumerate(TEXTS, 1)])
        table = pd.read_csv(
            io.StringIO(client.get(f"/v1/jobs/{job}/result").text), dtype={"x": str}, keep_default_na=False
        )
        book = openpyxl.load_workbook(io.BytesIO(client.post(f"/page/jobs/{job}", data={"format": "xlsx"}).content))
        properties = [mol.GetProp("x") for mol in molecules(client, job)]

    assert table["x"].tolist() == TEXTS
    header, *rows = book.worksheets[0].iter_rows()
    assert (header[0].value, header[0].data_type) == ("=id", "s")
    assert [row[2].value for row in rows] == TEXTS
    place = [cell.value for cell in header].index("solubility_logs_value")
    assert [row[place].value for row in rows] == pytest.approx(table["solubility_logs_value"].tolist(), rel=1e-14)
    assert properties == TEXTS


def test_a_workbook_says_where_a_cell_was_cut(store: FolderStore) -> None:
    """Excel has a limit for a cell, and openpyxl cuts without a word."""
    with serving(store) as client:
        job = done(client, ["smiles", "x"], [["CCO", "y" * 40_000]])
        book = openpyxl.load_workbook(io.BytesIO(client.post(f"/page/jobs/{job}", data={"format": "xlsx"}).content))
    cell = str(book.worksheets[0]["B2"].value)
    assert len(cell) == MOST_CHARACTERS
    assert cell.endswith(CUT)


def test_blocks_in_cells_shift_no_record(store: FolderStore) -> None:
    """Without its last line end, with a separator behind it, or with a second molecule: a row stays a record."""
    cells = [
        BLOCK.rstrip("\n"),
        BLOCK.replace("\n", "\r\n"),
        BLOCK + "$$$$\n",
        BLOCK + "$$$$\n" + BLOCK,
        "CCO\nCCN",
        "CCN",
    ]
    with serving(store) as client:
        job = done(client, ["id", "smiles"], [[str(at), cell] for at, cell in enumerate(cells)])
        found = molecules(client, job)
        rows = rows_of(client, job)

    assert [mol.GetProp("id") for mol in found] == [str(at) for at in range(len(cells))]
    assert [Chem.MolToSmiles(mol) for mol in found] == ["CCO", "CCO", "CCO", "", "", "CCN"]
    assert [row["standardised"] for row in rows] == ["CCO", "CCO", "CCO", "", "", "CCN"]
    assert {row["error_code"] for row in rows[3:5]} == {"invalid-structure"}


def test_one_molecule_in_other_notations_has_one_value(store: FolderStore) -> None:
    """Atoms in another order, a salt, blanks, an InChI, and blocks of both versions."""
    mol = Chem.MolFromSmiles(ALANINE)
    Chem.rdDepictor.Compute2DCoords(mol)
    blocks = [Chem.MolToMolBlock(mol, forceV3000=new) for new in (False, True)]
    same = [ALANINE, "OC(=O)[C@@H](N)C", f" {ALANINE}\u00a0", f"{ALANINE}.Cl.Cl", "C[C@H]([NH3+])C(=O)[O-]", INCHI,
            f"  {INCHI} ", *blocks]  # fmt: skip
    with serving(store) as client:
        rows = rows_of(client, done(client, ["smiles"], [[text] for text in same]))
    assert [row["error_code"] for row in rows] == [""] * len(same)
    assert {row["standardised"] for row in rows} == {ALANINE}
    assert len({row["solubility_logs_value"] for row in rows}) == 1


def test_a_mixture_of_configurations_stays_one_in_sdf(store: FolderStore) -> None:
    """And no single configuration: the older version of the format knows none."""
    with serving(store) as client:
        (mol,) = molecules(client, done(client, ["smiles"], [[f"{ALANINE} |&1:1|"]]))
    assert [str(group.GetGroupType()) for group in mol.GetStereoGroups()] == ["STEREO_AND"]


def test_a_structure_that_is_refused_stays_in_its_record(store: FolderStore) -> None:
    """An SDF that came keeps its blocks: RDKit reads two molecules, of which nobody knows which is meant."""
    mol = Chem.MolFromSmiles("CCCCCCO.CCCCCCN")
    Chem.rdDepictor.Compute2DCoords(mol)
    with serving(store) as client:
        content = (Chem.MolToMolBlock(mol) + "$$$$\n").encode()
        job = client.post("/v1/jobs", files={"file": ("a.sdf", content)}).json()["id"]
        ended(client, job)
        (back,) = molecules(client, job)
    assert back.GetProp("error_code") == "mixture"
    assert Chem.MolToSmiles(back) == "CCCCCCN.CCCCCCO"


def test_results_that_were_deleted_are_said_to_be_gone(store: FolderStore) -> None:
    """Someone deleted the files of a job: no answer is a fault of the service."""
    with serving(store) as client:
        job = done(client, ["smiles"], [["CCO"]])
        shutil.rmtree(store.root.parent / "jobs" / job / "results")
        answers = [
            client.get(f"/v1/jobs/{job}/result"),
            client.get(f"/v1/jobs/{job}/result", params={"format": "sdf", "start": 0}),
            client.get(f"/v1/jobs/{job}/suggestion"),
            client.post(f"/page/jobs/{job}", data={"format": "xlsx"}),
            client.get(f"/page/jobs/{job}"),
        ]
    assert [answer.status_code for answer in answers] == [410] * 5
    assert {answer.json()["code"] for answer in answers[:4]} == {"job-gone"}


def test_what_is_said_twice_is_refused(store: FolderStore) -> None:
    """All but the last would be ignored: an endpoint that was asked for would have no column."""
    form: Any = [
        ("file", ("a.csv", b"smiles\nCCO\n")),
        ("endpoints", (None, "a")),
        ("endpoints", (None, "solubility_logs")),
    ]
    twice = "endpoints=a&endpoints=solubility_logs"
    with serving(store) as client:
        job = done(client, ["smiles"], [["CCO"]])
        answers = [
            client.post("/v1/jobs", files=form),
            client.post(f"/v1/jobs?{twice}", content=b"smiles\nCCO\n", headers={"content-type": "text/csv"}),
            client.get(f"/v1/predictions.csv?smiles=CCO&smiles=CCN&{twice}"),
            client.get(f"/v1/jobs/{job}/suggestion?{twice}"),
            client.get(f"/v1/jobs/{job}/result?format=csv&format=sdf"),
        ]
    assert [answer.status_code for answer in answers] == [422] * 5
    assert all("expected it once" in answer.json()["detail"] for answer in answers)


def test_a_row_says_which_endpoint_has_no_value_and_which_reads_it_otherwise(
    store: FolderStore, tmp_path: Path
) -> None:
    """There is one column for what was predicted, and endpoints may standardise differently."""
    whole = Standardise(largest_fragment=False)
    publish(store, tmp_path / "whole", endpoint="whole", value=1.0, standardise=whole)
    smiles = ["CCCCCO.CCCCN", "CCO.CCN", "CCO"]
    with serving(store) as client:
        rows = rows_of(client, done(client, ["smiles"], [[text] for text in smiles]))
        entries = client.post("/v1/predict", json={"smiles": smiles}).json()["predictions"]
    assert rows[0]["notes"].startswith("solubility_logs: expected one molecule")
    assert rows[1]["standardised"] == "CCN"
    assert rows[1]["notes"].endswith("; whole: predicted as CCN.CCO")
    assert rows[2]["notes"] == ""
    assert [notes(read(Prediction, entry)) or "" for entry in entries] == [row["notes"] for row in rows]


def test_columns_whose_names_differ_in_a_sign_stay_two_properties(store: FolderStore) -> None:
    """An SDF file has no such sign in a name, and of two properties of one name readers keep the last."""
    with serving(store) as client:
        (mol,) = molecules(client, done(client, ["smiles", "share<1", "share>1"], [["CCO", "7", "8"]]))
    assert (mol.GetProp("share 1"), mol.GetProp("share 1_2")) == ("7", "8")
