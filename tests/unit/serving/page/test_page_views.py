"""What the page says, without a browser: words, tables, files, and that nothing in a card can break it."""

from __future__ import annotations

import codecs
import csv
import html
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.neighbours import Neighbour
from model_zoo.bundles.store import FolderStore
from model_zoo.uncertainty.calibration import ProbabilityRule
from model_zoo.uncertainty.fit import Uncertainty
from serving.app import create_app
from serving.page import details
from serving.page.views import MOST_CARDS
from serving.settings import Settings
from tests.bundle_factory import publish

FRAGMENT = {"x-fragment": "part"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient[Any]]:
    """Yield a service with two endpoints, the cards of which say next to nothing."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="solubility_logs", onnx_bias=-1.0, desirable={"low": -4, "margin": 2})
    publish(store, tmp_path / "b", endpoint="bbb", value=0.8, binary=True, direction="none")
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        yield client


def test_a_preview_says_what_is_wrong(client: TestClient[Any]) -> None:
    """A structure is drawn with formula and weight; a fault is a sentence; nothing is neither."""
    drawn, faulty, empty = (
        client.post("/page/preview", data={"smiles": smiles}).text for smiles in ("CCO ethanol", "C1CC", " ")
    )

    assert "C2H6O, 46.1 g/mol" in drawn
    assert "<svg" in drawn
    assert "This is not a SMILES that can be read" in faulty
    assert "What you write is drawn here" in empty


def test_long_lists_come_as_a_table(client: TestClient[Any]) -> None:
    """Beyond ten molecules the table comes first, and a card when it is asked for, under its own number."""
    lines = [f"{'C' * number}O a{number}" for number in range(1, MOST_CARDS + 2)]
    page = client.post("/", data={"smiles": "\n".join(lines)}, headers=FRAGMENT).text
    card = client.post(
        "/", data={"smiles": lines[4].split()[0], "name": "a5", "pick": "4"}, headers={"x-fragment": "card"}
    ).text

    assert page.count('<tr data-position="') == len(lines)
    assert "<article" not in page
    assert 'id="card-5"' in card
    assert ">a5<" in card.replace("\n", "").replace(" ", "")


def test_a_file_holds_every_molecule_in_order(client: TestClient[Any]) -> None:
    """The CSV has a row per molecule, good or bad, and a name that begins like a formula stays a text."""
    content = client.post("/page/csv", data={"smiles": "CCO =SUM(A1)\nnonsense\nCCN b"}).content
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    formula = client.post("/page/csv", data={"smiles": "=cmd|calc"}).content.decode("utf-8-sig")

    assert content.startswith(codecs.BOM_UTF8)
    assert next(csv.DictReader(io.StringIO(formula)))["smiles"] == "'=cmd|calc"
    assert [row["smiles"] for row in rows] == ["CCO", "nonsense", "CCN"]
    assert [row["name"] for row in rows] == ["'=SUM(A1)", "", "b"]
    assert [row["error_code"] for row in rows] == ["", "unknown-name", ""]
    assert float(rows[0]["solubility_logs_lower"]) < float(rows[0]["solubility_logs_value"])
    assert rows[0]["bbb_lower"] == rows[1]["bbb_value"] == ""


def test_comparing_works_without_a_script(client: TestClient[Any]) -> None:
    """The picked molecules alone are side by side, in a whole page, or as its part."""
    fields = {"smiles": "CCO a\nCCN b\nCCC c\nnonsense", "pick": ["0", "2", "3"]}
    page = client.post("/page/compare", data=fields)
    part = client.post("/page/compare", data=fields, headers=FRAGMENT).text

    assert page.status_code == 200
    assert page.text.startswith("<!doctype html>")
    assert part.lstrip().startswith("<section")
    assert re.findall(r"aria-hidden=\"true\"></span>(\w)</th>", part) == ["a", "c"]


def test_questions_about_what_is_gone_are_answered(client: TestClient[Any]) -> None:
    """An endpoint that is not served any more, and a missing structure, are faults with words; no card, no crash."""
    gone = client.post("/page/why", data={"smiles": "CCO", "endpoint": "gone"})
    nothing = client.post("/page/alerts", data={"smiles": ""})
    many = client.post("/", data={"smiles": "C\n" * 300}, headers=FRAGMENT)
    odd = client.post("/page/compare", data={"smiles": "CCO", "pick": "first"})

    assert [each.status_code for each in (gone, nothing, many, odd)] == [404, 422, 422, 422]
    assert "predict again" in gone.json()["detail"]
    assert "Send at most 256" in many.json()["detail"]
    assert "neither" not in client.post("/page/why", data={"smiles": "nonsense", "endpoint": "bbb"}).text


PAGES = ["/", "/models", "/models/solubility_logs", "/models/bbb", "/operations", "/help", "/key"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_stands_without_scripts_or_styles_in_it(client: TestClient[Any], path: str) -> None:
    """Every page is whole, keeps to the content security policy, and names no other host."""
    answer = client.get(path)

    assert answer.status_code == 200
    assert "<h1" in answer.text
    assert not re.search(r"<script(?![^>]* src=\"/)|<style| style=|javascript:| on\w+=|https?://", answer.text)


def test_an_unknown_model_has_a_page(client: TestClient[Any]) -> None:
    """A wrong address says which models there are."""
    answer = client.get("/models/nothing")

    assert answer.status_code == 404
    assert "/models/solubility_logs" in answer.text


def test_a_service_that_is_not_ready_yet_has_not_failed(tmp_path: Path) -> None:
    """*Operations* counts no answer of `/health/ready` as a failure: a supervisor asks until there is a champion."""

    def failures(client: TestClient[Any]) -> str:
        page = client.get("/operations").text.partition("Requests answered")[2]
        return str(re.findall("none failed|[0-9,]+ failed", page)[0])

    with TestClient(create_app(Settings(poll_seconds=0.02), FolderStore(tmp_path / "store"))) as client:
        before = failures(client)
        assert client.get("/health/ready").status_code == 503
        assert failures(client) == before


def test_an_empty_service_has_pages(tmp_path: Path) -> None:
    """Before the first champion every page says so instead of failing."""
    with TestClient(create_app(Settings(poll_seconds=0.02), FolderStore(tmp_path / "store"))) as client:
        pages = {path: client.get(path) for path in ("/", "/models", "/operations", "/help", "/models/x")}
        asked = client.post("/", data={"smiles": "CCO"}, headers=FRAGMENT)
        form = client.post("/", data={"smiles": "CCO"})

    assert [page.status_code for page in pages.values()] == [200, 200, 200, 200, 404]
    assert "still being trained" in pages["/"].text
    assert (asked.status_code, asked.headers["retry-after"]) == (503, "5")
    assert form.status_code == 503
    assert "No model is in service yet" in form.text


@pytest.mark.parametrize(("threshold", "band"), [(0.5, "good"), (0.7, "fair")])
def test_a_class_that_is_not_wanted_is_not_called_desirable(threshold: float, band: str, tmp_path: Path) -> None:
    """Where 62 % is still a no, the word beside it does not say desirable, although 62 % is near what is wanted."""
    store = FolderStore(tmp_path / "store")
    rule = ProbabilityRule(threshold=threshold, margins=((0.2, 0.2),))
    wished = {"low": 0.7, "margin": 0.7}
    publish(
        store,
        tmp_path / "b",
        endpoint="bbb",
        value=0.62,
        binary=True,
        trust=Uncertainty(probability=rule),
        desirable=wished,
    )
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        page = client.post("/", data={"smiles": "CCO"}, headers=FRAGMENT).text
        grid = client.post("/", data={"smiles": "CCO\nCCN"}, headers=FRAGMENT).text

    assert f'<span class="band {band}">' in page
    assert ("Probably no" in page) == (band == "fair")
    assert "want 70 % or higher" in grid  # as the values below it are shown


@pytest.mark.parametrize(
    ("near", "asked", "expected"),
    [
        ("C[C@H](N)CO", "C[C@H](N)CO", "the same molecule"),
        ("C[C@H](N)CO", "C[C@@H](N)CO", "the same atoms and bonds; the configuration differs"),
        ("C[C@H](N)CO", "CC(N)CO", "the same atoms and bonds; the configuration differs"),
        ("CCCCCCCCCCCC", "CCCCCCCCCCCCC", "similarity 1.00"),
    ],
)
def test_a_neighbour_is_the_same_molecule_only_if_it_is(near: str, asked: str, expected: str) -> None:
    """Stereoisomers, and molecules of equal fingerprints, are others."""
    assert details._likeness(Neighbour(near, 1.0, 0.0), asked) == expected


def test_what_is_pasted_is_told_before_and_predicted_in_order(client: TestClient[Any]) -> None:
    """Rows of a spreadsheet, an InChI and a name are predicted as the molecules they are; the rest says why not."""
    rows = ["Name,SMILES", "acid,CC(=O)O", "ion,CC(=O)[O-].[Na+]", "key,LFQSCWFLJHTTHZ-UHFFFAOYSA-N"]
    text = "\n".join([*rows, "", "aspirin", "InChI=1S/CH4O/c1-2/h2H,1H3"])
    preview = client.post("/page/preview", data={"smiles": text, "at": "3"}, headers=FRAGMENT).text
    file = list(csv.DictReader(io.StringIO(client.post("/page/csv", data={"smiles": text}).text.lstrip("\ufeff"))))
    page = client.post("/", data={"smiles": text}, headers=FRAGMENT).text

    assert '5 molecules</strong>: 2 SMILES, 1 name, 1 InChI; <strong class="poor">1 refused' in preview
    assert "Line 4 (key): An InChIKey is a digest" in preview
    assert "the same molecule as line 2" in preview
    assert "Line 1 is not a molecule: headings." in preview
    assert "left out: Na, known as a counter-ion" in preview  # the cursor is in line 3
    assert [row["name"] for row in file] == ["acid", "ion", "key", "aspirin", ""]
    assert [row["standardised"] for row in file] == ["CC(=O)O", "CC(=O)O", "", "CC(=O)Oc1ccccc1C(=O)O", "CO"]
    assert [row["error_code"] for row in file] == ["", "", "inchikey", "", ""]
    assert page.count("<article") == 5
    assert "Not predicted.</strong> An InChIKey is a digest" in page


def test_what_was_measured_stands_beside_what_is_predicted(tmp_path: Path) -> None:
    """A molecule of the training data shows its value, a salt of it too, its mirror image that it is another one."""
    smiles = ["C[C@H](N)C(=O)O", "CCO", "CC(=O)O", "CCCCCCCCCCCCCCCC", *(f"{'C' * n}N" for n in range(1, 12))]
    values = [-1.25, *range(1, len(smiles))]
    store = FolderStore(tmp_path / "store")
    relations = ["=", ">", *["="] * (len(smiles) - 2)]
    publish(
        store, tmp_path / "a", endpoint="solubility_logs", onnx_bias=-1.0, measured=values, relations=relations,
        trained_on=smiles,
    )  # fmt: skip

    def page(text: str, client: TestClient[Any]) -> str:
        page = client.post("/", data={"smiles": text}, headers=FRAGMENT).text
        return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())

    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        same, salt, mirror, bound, homologue, foreign = (
            page(text, client)
            for text in ("C[C@H](N)C(=O)O", "CC(=O)[O-].[Na+]", "C[C@@H](N)C(=O)O", "CCO", "C" * 17, "CCCl")
        )
        file = client.post("/page/csv", data={"smiles": "CCO\nCCCl\nC[C@@H](N)C(=O)O"}).text
    with TestClient(create_app(Settings(poll_seconds=0.02, show_neighbours=False), store)) as client:
        hidden = page("CCO", client)

    assert "measured \N{MINUS SIGN}1.25" in same
    assert "this molecule" in same
    assert "measured 2.00" in salt
    assert "left out: Na" in salt
    assert "another stereoisomer, C[C@H](N)C(=O)O" in mirror
    assert "Predicted alike for its mirror image, which these models do not tell apart: all." in mirror
    assert "measured > 1.00" in bound
    assert "measured" not in homologue + foreign + hidden
    rows = list(csv.DictReader(io.StringIO(file.lstrip("\ufeff"))))
    assert [row["solubility_logs_measured"] for row in rows] == ["> 1.00", "", ""]
    assert [row["mw"] for row in rows] == ["46.1", "64.5", "89.1"]


def test_what_became_of_the_rows_stands_on_the_model_page(tmp_path: Path) -> None:
    """Files, kept, merged, bounds, and dropped rows by reason; a card that does not state it shows nothing of it."""
    curated = {
        "files": {"assay <1>.csv": 1100}, "rows": 1100, "kept": 990, "merged": 20,
        "dropped": {"metal": 60, "not a number": 30}, "molecules": 1000, "bounds": 12,
    }  # fmt: skip
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="told", card={"data": {"curated": curated}})
    publish(store, tmp_path / "b", endpoint="untold")
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        page, other = (client.get(f"/models/{name}").text for name in ("told", "untold"))
        card = client.get("/v1/champions/told").json()

    plain = " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())
    for words in ("assay <1>.csv (1,100 rows)", "990 of 1,100 rows", "20 rows, of molecules", "1,000, 12 of them only"):
        assert words in plain
    assert "metal 60 not a number 30" in plain
    assert "What became of the rows" not in other
    assert card["card"]["data"]["curated"]["files"] == curated["files"]
