"""The ten tasks of `docs/ten-tasks.md`, each done by keyboard (two of them in `test_workbench.py`)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from rdkit import Chem

from model_zoo.bundles.store import FolderStore
from tests.browser.page_store import card_of
from tests.browser.test_page import ASPIRIN, Watched, watch
from tests.bundle_factory import TRAINING, publish
from tests.server_process import running_service

A4_WIDTH, A4_HEIGHT = 703, 1017
"""What is left of A4 within the margins, at 96 pixels to the inch."""
COMPOUNDS = [
    "CCCCCCCCCCCC", "c1ccc2ccccc2c1", "CCO", "CCCCCCCCc1ccccc1",
    "Clc1ccc(Cl)c(Cl)c1", "CC(C)(C)c1ccc(O)cc1", "OCC(O)CO", "CCCCCCCCCCO",
    "c1ccc(-c2ccccc2)cc1", "CCCCCCCCN(CCCC)CCCC", "Brc1ccccc1Br", "CCCCCCCCCCCCCCCC(=O)O",
    "C1CCCCC1CCCC", "Cc1ccc(C)c(C)c1C", "CCCCCCOc1ccccc1", "FC(F)(F)c1ccccc1Cl",
    "c1ccc2c(c1)ccc1ccccc12", "CCCCSCCCC", "CCCCCCCCCCBr", "Clc1ccccc1-c1ccccc1Cl",
]  # fmt: skip

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a service that predicts solubility and hERG."""
    home = tmp_path_factory.mktemp("tasks")
    store = FolderStore(home / "store")
    publish(
        store, home / "a", endpoint="solubility_logs", onnx_bias=-1.0, title="Aqueous solubility", explained=True,
        desirable={"low": -4, "margin": 2}, card=card_of("rmse", 0.74, {"r2": 0.86}),
    )  # fmt: skip
    publish(
        store, home / "b", endpoint="herg_pic50", onnx_bias=4.0, onnx_weights=(0.004, 0.2, 0.0),
        title="hERG inhibition", unit="pIC50", direction="lower", desirable={"high": 5, "margin": 1},
    )  # fmt: skip
    with running_service(home, home / "log") as (address, _):
        yield address


@pytest.fixture(params=[1280, pytest.param(390, marks=pytest.mark.slow(alone="the same tasks, on a phone"))])
def watched(chromium: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """Yield a page on a desk or on a phone; afterwards nothing went wrong on it, and no structure was in an address."""
    watched = watch(chromium, address, viewport={"width": request.param, "height": 844})
    watched.page.goto(address)
    yield watched
    assert watched.faults == []
    assert not [url for url in watched.urls if "c1ccccc1" in url or "CCO" in url]
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= request.param
    watched.page.context.close()


def write(watched: Watched, text: str) -> None:
    """Paste into the box, and predict, by keyboard."""
    watched.page.get_by_role("textbox", name="Molecules").focus()
    watched.page.keyboard.insert_text(text)
    watched.page.keyboard.press("Control+Enter")
    expect(watched.page.locator("#status")).to_have_text(re.compile("predicted"))


def spreadsheet(smiles: list[str]) -> str:
    """Return rows as they come from a spreadsheet."""
    return "\n".join(["Plate\tCompound\tStructure", *(f"P1\tX-{at}\t{each}" for at, each in enumerate(smiles, 1))])


def predicted(address: str, smiles: list[str]) -> list[dict[str, Any]]:
    """Ask the interface for programs."""
    answer = httpx.post(f"{address}/v1/predict", json={"smiles": smiles}).json()
    return [entry["endpoints"] for entry in answer["predictions"]]


def shown_names(page: Page) -> list[str]:
    """Return the names in the table, from top to bottom."""
    return page.locator("#grid tbody tr:not(.pad) th a").all_inner_texts()


def test_the_soluble_and_clean_are_found(watched: Watched) -> None:
    """Twenty compounds from a spreadsheet; the two that a program finds, too."""
    page = watched.page
    write(watched, spreadsheet(COMPOUNDS))
    page.get_by_role("searchbox", name="Filter").focus()
    page.keyboard.type("solubility > -2, herg < 5")
    expect(page.locator("#count")).to_have_text("2 of 20 shown")
    predictions = predicted(watched.address, COMPOUNDS)
    good = [at for at, each in enumerate(predictions, 1)
            if each["solubility_logs"]["value"] > -2 and each["herg_pic50"]["value"] < 5]  # fmt: skip

    assert shown_names(page) == [f"X-{at}" for at in good]


def test_why_one_is_insoluble(watched: Watched) -> None:
    """What each atom adds, opened and closed by keyboard."""
    page = watched.page
    write(watched, "CCCCCCCCCCCC dodecane")
    page.get_by_role("button", name="Why? Aqueous solubility").press("Enter")
    expect(page.get_by_role("img", name=re.compile("each atom coloured by what it adds to Aqueous"))).to_be_visible()
    expect(page.locator(".terms")).to_contain_text("all atoms together")


def test_a_colleague_is_sent_the_result(watched: Watched, chromium: Browser) -> None:
    """Another browser opens the link; after it was taken back it opens nothing."""
    page = watched.page
    write(watched, spreadsheet(COMPOUNDS[:3]))
    page.get_by_role("button", name="Share").press("Enter")
    page.get_by_role("button", name="Make a link").press("Enter")
    link = page.locator("#link a")
    expect(link).to_be_visible()
    theirs = watch(chromium, watched.address)
    theirs.page.goto(watched.address + str(link.get_attribute("href")))
    expect(theirs.page.locator("#grid tbody tr th a")).to_have_text(["X-1", "X-2", "X-3"])
    page.get_by_role("button", name="Take it back").press("Enter")
    expect(page.locator("#link")).to_have_text("The link opens nothing any more.")
    theirs.page.reload()
    expect(theirs.page.get_by_role("heading", name="This link opens nothing")).to_be_visible()
    theirs.page.context.close()


def test_it_is_printed_for_a_meeting(watched: Watched) -> None:
    """Every row of a long table is on paper, nothing is wider than it, and one molecule is on one page."""
    page = watched.page
    write(watched, spreadsheet([f"{'C' * at}O" for at in range(1, 141)]))
    assert page.locator("#grid tbody tr").count() < 100
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    screen = page.viewport_size
    page.set_viewport_size({"width": A4_WIDTH, "height": A4_HEIGHT})
    assert page.locator("#grid tbody tr:not(.pad)").count() == 140
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH
    page.emulate_media(media="null")
    assert screen is not None
    page.set_viewport_size(screen)
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#grid tbody tr").count() < 100

    page.get_by_role("link", name="X-2", exact=True).press("Enter")
    page.evaluate("window.print = () => {}")
    page.get_by_role("button", name="Print X-2", exact=True).press("Enter")
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    expect(page.locator("article.printed")).to_have_count(0)  # what was on the screen is there again


@pytest.mark.slow(sibling=("test_page_files::test_chosen_rows_of_a_job_are_taken_away", "test_tomorrow_it_goes_on"))
def test_the_best_of_a_large_file_are_taken_away(watched: Watched, tmp_path: Path) -> None:
    """The fifty most soluble of 5,000 records, as the interface for programs ranks them."""
    page, file = watched.page, tmp_path / "library.sdf"
    smiles = [f"{'C' * (at % 50 + 1)}{'OCC' * (at // 50 % 10)}N{'C' * (at // 500)}" for at in range(5_000)]
    with file.open("w") as stream:
        for at, text in enumerate(smiles):
            mol = Chem.MolFromSmiles(text)
            mol.SetProp("_Name", f"L-{at}")
            stream.write(f"{Chem.MolToMolBlock(mol)}\n$$$$\n")
    page.get_by_role("tab", name="Upload").press("Enter")
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Upload and predict").press("Enter")
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "5001", timeout=300_000)
    heading = page.get_by_role("columnheader", name=re.compile("Aqueous solubility"))
    for _ in range(2):
        heading.get_by_role("button").press("Enter")
    expect(heading).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Pick the first").press("Enter")
    with page.expect_download() as given:
        page.get_by_role("button", name="Download CSV of 50").press("Enter")
    rows = list(csv.DictReader(io.StringIO(given.value.path().read_text(encoding="utf-8-sig"))))
    values = [each["solubility_logs"]["value"] for part in range(0, 5_000, 250)
            for each in predicted(watched.address, smiles[part : part + 250])]  # fmt: skip

    assert len(rows) == 50
    best = sorted(values, reverse=True)[:50]
    assert sorted((float(row["solubility_logs_value"]) for row in rows), reverse=True) == pytest.approx(best, abs=1e-5)


def test_a_measured_compound_is_seen(watched: Watched) -> None:
    """In the table by a mark, on the card by its value; and one that was not measured has neither."""
    page = watched.page
    write(watched, f"{ASPIRIN} aspirin\nCCCCCCCCCCCC dodecane")
    rows = page.locator("#grid tbody tr")
    expect(rows.nth(0).locator(".known")).to_have_count(2)
    expect(rows.nth(1).locator(".known")).to_have_count(0)
    at = TRAINING.index(ASPIRIN)
    value = f"{-8 + 9 * at / (len(TRAINING) - 1):.2f}".replace("-", "\N{MINUS SIGN}")
    expect(page.get_by_role("article").first).to_contain_text(f"measured {value} log10 mol/L this molecule")


def test_a_new_measurement_is_reported(watched: Watched) -> None:
    """Beneath *Why?*, from the value to the answer by keyboard."""
    page = watched.page
    write(watched, "CCCCO butanol")
    page.get_by_role("button", name="Why? Aqueous solubility").press("Enter")
    page.get_by_label("Aqueous solubility, measured").focus()
    page.keyboard.type("-0.1")
    page.keyboard.press("Enter")
    expect(page.locator(".measured")).to_contain_text("Stored, thank you. You measured")


def test_what_a_model_does_not_know_is_seen(watched: Watched) -> None:
    """Beside the number; and on the model's page, whose limits are answers to a question."""
    page = watched.page
    write(watched, f"{'FC(F)(F)' * 1}C1(C(F)(F)F)OC(F)(F)C1(F)F oddity\nCCO ethanol")
    expect(page.locator("#grid tbody tr").first).to_contain_text("low reliability")
    page.get_by_role("checkbox", name="without low reliability").press("Space")
    expect(page.locator("#count")).to_have_text("1 of 2 shown")
    page.get_by_role("article").first.get_by_role("link", name="Aqueous solubility").press("Enter")
    trust = page.get_by_role("region", name="May I trust it?")
    for question in (
        "How wrong is it?",
        "Where does it not know?",
        "What are its known limits?",
        "What changed in the",
    ):
        expect(trust).to_contain_text(question)


def test_tomorrow_it_goes_on(chromium: Browser, address: str, tmp_path: Path) -> None:
    """The browser is closed and opened again: the job opens as the table, and the saved view is there."""
    file = tmp_path / "series.csv"
    file.write_text("id;smiles\n" + "\n".join(f"S-{at};{each}" for at, each in enumerate(COMPOUNDS, 1)))

    def morning(page: Page) -> None:
        page.get_by_role("tab", name="Upload").press("Enter")
        page.locator("#file").set_input_files(file)
        expect(page.locator("#first-rows")).to_contain_text("CSV")
        page.get_by_role("button", name="Upload and predict").press("Enter")
        expect(page.locator("#grid tbody tr th a")).to_have_count(20)  # it opens by itself
        page.get_by_role("searchbox", name="Filter").fill("herg < 5")
        page.locator(".chooser summary").first.press("Enter")
        page.get_by_label("Name", exact=True).fill("clean ones")
        page.get_by_role("checkbox", name="Aqueous solubility").press("Space")
        page.get_by_role("button", name="Save view").press("Enter")
        expect(page.locator("#view-said")).to_have_text("Saved as clean ones.")

    def tomorrow(page: Page) -> None:
        page.get_by_role("tab", name="Upload").press("Enter")
        page.get_by_role("button", name="Open as a table").press("Enter")
        expect(page.locator("#grid tbody tr th a")).to_have_count(20)
        page.locator(".chooser summary").first.press("Enter")
        page.locator("#view").select_option("clean ones")
        expect(page.locator("#count")).to_have_text(re.compile(r"^\d+ of 20 shown$"))
        expect(page.get_by_role("columnheader", name=re.compile("Aqueous solubility"))).to_be_hidden()
        with page.expect_download() as given:
            page.get_by_role("button", name="Export views").press("Enter")
        assert "clean ones" in given.value.path().read_text()

    kept = tmp_path / "browser.json"  # what this browser keeps on the disk; what a tab keeps is gone
    for visit in (morning, tomorrow):
        context = chromium.new_context(storage_state=kept if kept.exists() else None)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(address)
        visit(page)
        context.storage_state(path=kept)
        context.close()
