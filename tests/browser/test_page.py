"""The page in a real browser: what a chemist does, and what must never happen meanwhile."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Response, expect

from model_zoo.store import FolderStore
from tests.bundle_factory import publish
from tests.server_process import running_service

FIRST_LOAD = 60_000
"""Most bytes of the first load, uncompressed."""

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@dataclass
class Watched:
    """A page and everything that went wrong on it."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    urls: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Give a store with two endpoints."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="solubility_logs", onnx_bias=-1.0, title="Aqueous solubility")
    publish(store, tmp_path / "b", endpoint="bbb", value=0.87, binary=True, title="Blood-brain barrier")
    return store


def watch(browser: BrowserContext) -> Watched:
    """Open a page that remembers its requests, console messages and errors."""
    watched = Watched(browser.new_page())
    watched.page.set_viewport_size({"width": 1280, "height": 900})

    def on_request(request: Request) -> None:
        watched.hosts.add(urlsplit(request.url).netloc)
        watched.urls.append(request.url)

    def on_response(response: Response) -> None:
        watched.sizes.append(int(response.headers.get("content-length", "0")))

    watched.page.on("request", on_request)
    watched.page.on("response", on_response)
    watched.page.on("console", lambda message: watched.faults.append(f"{message.type}: {message.text}"))
    watched.page.on("pageerror", lambda error: watched.faults.append(str(error)))
    return watched


def test_a_chemist_predicts_molecules(store: FolderStore, browser: BrowserContext, tmp_path: Path) -> None:
    """SMILES in, predictions out, a bad line keeps its place, and nothing leaves for another host."""
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        watched = watch(browser)
        page = watched.page
        page.goto(address)
        first_load = page.evaluate(
            "performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))"
            ".reduce((sum, entry) => sum + entry.decodedBodySize, 0)"
        )
        page.get_by_role("textbox", name="Molecules").fill("CC(=O)Oc1ccccc1C(=O)O aspirin\nC1CC oops\nCCO")
        page.get_by_role("button", name="Predict").click()
        cards = page.get_by_role("article")
        expect(cards).to_have_count(3)

        aspirin, oops, ethanol = (cards.nth(number) for number in range(3))
        expect(aspirin.get_by_role("heading")).to_contain_text("aspirin")
        expect(aspirin.get_by_role("rowheader", name=re.compile("Aqueous solubility"))).to_be_visible()
        expect(aspirin.get_by_role("row", name=re.compile("Blood-brain barrier"))).to_contain_text("87 %")
        expect(aspirin).to_contain_text("log10 mol/L")
        expect(aspirin).to_contain_text("Higher is better")
        expect(aspirin).to_contain_text("Familiar chemistry")
        expect(aspirin.get_by_role("img", name="Structure of aspirin")).to_be_visible()
        expect(aspirin.get_by_role("img", name=re.compile("90 % interval .* on an axis from"))).to_be_visible()
        expect(aspirin.get_by_text(re.compile(r"^linear-[0-9a-f]{12}$"))).to_be_visible()
        expect(oops).to_contain_text("Not predicted. This is not a SMILES that can be read.")
        expect(ethanol.get_by_role("heading")).to_contain_text("CCO")
        expect(page.get_by_role("status")).to_have_text("2 predicted, 1 not")
        page.screenshot(path=tmp_path / "page.png", full_page=True)

    assert watched.faults == []
    assert watched.hosts == {urlsplit(address).netloc}
    assert not [url for url in watched.urls if "C1CC" in url or "?smiles" in url]
    assert 0 < first_load < FIRST_LOAD
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_the_page_is_used_with_the_keyboard_alone(store: FolderStore, browser: BrowserContext, tmp_path: Path) -> None:
    """An example is added, predicted and cleared without a mouse."""
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        page = watch(browser).page
        page.goto(address)
        page.get_by_role("button", name="Caffeine").press("Enter")
        expect(page.get_by_role("textbox", name="Molecules")).to_be_focused()
        expect(page.get_by_role("textbox", name="Molecules")).to_have_value("Cn1cnc2c1c(=O)n(C)c(=O)n2C caffeine")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("article")).to_contain_text("caffeine")
        page.get_by_role("button", name="Clear").press("Enter")
        expect(page.get_by_role("article")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(store: FolderStore, browser: BrowserContext, tmp_path: Path, width: int) -> None:
    """On a phone as on a desk the page scrolls in one direction only, and a long SMILES wraps."""
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        page = watch(browser).page
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(address)
        page.get_by_role("textbox", name="Molecules").fill("C" * 140)
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_role("article")).to_have_count(1)

        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_champion_opens_the_page_by_itself(browser: BrowserContext, tmp_path: Path) -> None:
    """Before the first champion the page says that training is under way; then it opens without a reload by hand."""
    store = FolderStore(tmp_path / "store")
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        watched = watch(browser)
        watched.page.goto(address)
        expect(watched.page.get_by_role("heading", name="The first models are still being trained")).to_be_visible()
        watched.page.screenshot(path=tmp_path / "waiting.png")
        publish(store, tmp_path / "a", value=-1.0)
        expect(watched.page.get_by_role("button", name="Predict")).to_be_visible()

    assert watched.faults == []


def test_a_service_that_is_gone_is_told_in_words(store: FolderStore, browser: BrowserContext, tmp_path: Path) -> None:
    """When the service does not answer, the page says so and keeps the molecules."""
    with running_service(tmp_path, tmp_path / "log") as (address, process):
        page = watch(browser).page
        page.goto(address)
        page.get_by_role("textbox", name="Molecules").fill("CCO")
        process.terminate()
        process.wait(10)
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_role("alert")).to_contain_text("The service does not answer")
        expect(page.get_by_role("textbox", name="Molecules")).to_have_value("CCO")
        page.screenshot(path=tmp_path / "gone.png")


def test_the_api_documentation_works_offline(store: FolderStore, browser: BrowserContext, tmp_path: Path) -> None:
    """The documentation page renders and sends a request, from our own files alone."""
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        watched = watch(browser)
        page = watched.page
        page.goto(f"{address}/schema")
        page.get_by_role("button", name=re.compile("Predict molecules|POST .v1.predict")).first.click()
        page.get_by_role("button", name="Try it out").click()
        with page.expect_response(lambda response: response.url.endswith("/v1/predict")) as answer:
            page.get_by_role("button", name="Execute").click()

        assert answer.value.status == 200
        time.sleep(0.2)
    assert watched.hosts == {urlsplit(address).netloc}
    assert [fault for fault in watched.faults if "Security" in fault or "Refused" in fault] == []
