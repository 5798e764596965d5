"""What the page says, without a browser: words, tables, files, and that nothing in a card can break it."""

from __future__ import annotations

import codecs
import csv
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
    """Give a service with two endpoints, the cards of which say next to nothing."""
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
    card = client.post("/", data={"smiles": lines[4], "pick": "4"}, headers={"x-fragment": "card"}).text

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
    assert [row["error_code"] for row in rows] == ["", "invalid-smiles", ""]
    assert float(rows[0]["solubility_logs_lower"]) < float(rows[0]["solubility_logs_value"])
    assert rows[0]["bbb_lower"] == rows[1]["bbb_value"] == ""


def test_comparing_works_without_a_script(client: TestClient[Any]) -> None:
    """The picked molecules alone stand side by side, in a whole page, or as its part."""
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


@pytest.mark.parametrize("path", ["/", "/models", "/models/solubility_logs", "/models/bbb", "/operations", "/key"])
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


def test_an_empty_service_has_pages(tmp_path: Path) -> None:
    """Before the first champion every page says so instead of failing."""
    with TestClient(create_app(Settings(poll_seconds=0.02), FolderStore(tmp_path / "store"))) as client:
        pages = {path: client.get(path) for path in ("/", "/models", "/operations", "/models/x")}
        asked = client.post("/", data={"smiles": "CCO"}, headers=FRAGMENT)
        form = client.post("/", data={"smiles": "CCO"})

    assert [page.status_code for page in pages.values()] == [200, 200, 200, 404]
    assert "still being trained" in pages["/"].text
    assert (asked.status_code, asked.headers["retry-after"]) == (503, "5")
    assert form.status_code == 503
    assert "No model is in service yet" in form.text


@pytest.mark.parametrize(("threshold", "band"), [(0.5, "good"), (0.7, "fair")])
def test_a_class_that_is_not_wanted_is_not_called_desirable(threshold: float, band: str, tmp_path: Path) -> None:
    """Where 62 % is still a no, the word beside it does not say desirable, although 62 % lies near what is wanted."""
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

    assert f'<span class="band {band}">' in page
    assert ("Rather no" in page) == (band == "fair")


@pytest.mark.parametrize(
    ("near", "asked", "said"),
    [
        ("C[C@H](N)CO", "C[C@H](N)CO", "the same molecule"),
        ("C[C@H](N)CO", "C[C@@H](N)CO", "the same atoms and bonds; the configuration differs"),
        ("C[C@H](N)CO", "CC(N)CO", "the same atoms and bonds; the configuration differs"),
        ("CCCCCCCCCCCC", "CCCCCCCCCCCCC", "similarity 1.00"),
    ],
)
def test_a_neighbour_is_the_same_molecule_only_if_it_is(near: str, asked: str, said: str) -> None:
    """Stereoisomers, and molecules of equal fingerprints, are others."""
    assert details._likeness(Neighbour(near, 1.0, 0.0), asked) == said
