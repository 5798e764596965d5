"""Every page, looked at by axe-core: no violation, light and dark, on a desk and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from model_zoo.bundles.store import FolderStore
from tests.browser.page_store import fill, fill_many
from tests.browser.test_page import ASPIRIN, watch
from tests.server_process import running_service

AXE = files("axe_playwright_python") / "axe.min.js"

pytestmark = [pytest.mark.browser, pytest.mark.slow(sibling="test_workbench::test_no_tool_has_a_violation")]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a service with four endpoints."""
    home = tmp_path_factory.mktemp("axe")
    fill(FolderStore(home / "store"), home)
    with running_service(home, home / "log") as (address, _):
        yield address


def violations(page: Page, where: str) -> list[str]:
    """Return what axe-core finds, each with the first place where it does."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{where}: {each['id']}, {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_violation(chromium: Browser, address: str, width: int, scheme: str) -> None:
    """Empty, with results, a comparison, an explanation, the table's tools, what was shared, models, operations."""
    watched = watch(chromium, address, viewport={"width": width, "height": 844}, color_scheme=scheme)
    page, found = watched.page, list[str]()
    page.goto(address)
    found += violations(page, "empty")
    watched.predict(f"{ASPIRIN} aspirin", "oops", "CCO ethanol")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#link a")
    expect(link).to_be_visible()
    page.locator(".chooser summary").first.click()
    page.get_by_role("checkbox", name="Pick aspirin").check()
    page.get_by_role("button", name="Compare 1").click()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    page.get_by_role("button", name="Why? Aqueous solubility").first.click()
    expect(page.get_by_role("heading", name="Nearest measured molecules")).to_be_visible()
    page.get_by_role("button", name="Structural alerts").first.click()
    expect(page.get_by_role("button", name=re.compile("Brenk")).first).to_be_visible()
    found += violations(page, "results")
    shared = str(link.get_attribute("href"))
    page.get_by_role("tab", name="Upload").click()
    expect(page.get_by_role("heading", name="My jobs")).to_be_visible()
    found += violations(page, "jobs")
    for path in (
        shared,
        "/shared/" + "0" * 32,
        "/models",
        "/models/solubility_logs",
        "/models/nothing",
        "/operations",
        "/help",
        "/key",
    ):
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        found += violations(page, path.split("/")[1])

    assert found == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_many_endpoints_have_no_violation(chromium: Browser, tmp_path: Path, scheme: str) -> None:
    """A card and a table of thirty endpoints, all columns shown."""
    fill_many(FolderStore(tmp_path / "store"), tmp_path, 30)
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        watched = watch(chromium, address, color_scheme=scheme)
        page = watched.page
        page.goto(address)
        watched.predict(*(f"{'C' * number}O" for number in range(1, 20)))
        page.locator(".chooser summary").first.click()
        page.get_by_role("button", name="All", exact=True).click()
        page.get_by_role("link", name="CCO", exact=True).click()
        expect(page.get_by_role("article")).to_have_count(1)
        assert violations(page, "many") == []
        page.context.close()
