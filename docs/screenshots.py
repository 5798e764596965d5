"""Take the screenshots in `docs/images` from what `make run` shows, with headless Chromium.

Start `make run` in another terminal first. `make screenshots` runs this; with the argument
`pages` or `dagster`, those of the service's page or that of the Dagster UI are taken alone.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
UI = f"http://127.0.0.1:{os.environ.get('AIDRUG_UI_PORT', '3000')}"
expect.set_options(timeout=60_000)  # a busy machine takes its time
SERVICE = f"http://127.0.0.1:{os.environ.get('AIDRUG_SERVICE_PORT', '8000')}"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def lineage(page: Page) -> None:
    """Show one endpoint's assets."""
    size = {"width": 3100, "height": 3500}  # so many that each asset shows its kind and state, not its name alone
    page.set_viewport_size(size)
    page.goto(f"{UI}/locations/ai_drug_assets/asset-groups/solubility_logs/lineage", wait_until="domcontentloaded")
    expect(page.locator("[data-svg-viewport]").get_by_text("naive", exact=True)).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Loading...").first).to_be_hidden()
    page.wait_for_timeout(4_000)
    left, top = 240, 160  # the menu and the heading
    clip = {"x": left, "y": top, "width": size["width"] - left - 120, "height": size["height"] - top}
    page.screenshot(path=IMAGES / "dagster_lineage.png", clip=clip)


ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O aspirin"
BATCH = f"""{ASPIRIN}
Cn1c(=O)c2c(ncn2C)n(C)c1=O caffeine
CCN(CC)CC(=O)Nc1c(C)cccc1C lidocaine
nonsense
CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21 diazepam
Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1 imatinib
COc1ccc2cc([C@H](C)C(=O)O)ccc2c1 naproxen
Clc1ccc(OC2CCNCC2)c(C(=O)NS(=O)(=O)c2nccs2)c1 sulfonamide"""


def predict(page: Page, lines: str) -> None:
    """Predict on the service's page."""
    page.goto(SERVICE)
    page.locator("#smiles").fill(lines)
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator("#status")).to_have_text(re.compile("predicted"))


def pages(context: BrowserContext) -> None:
    """Show the service's page: a molecule, an explanation, some compared, and on a phone in dark mode."""
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    predict(page, ASPIRIN)
    page.wait_for_timeout(500)  # the preview
    page.screenshot(path=IMAGES / "page.png", full_page=True)

    page.get_by_role("button", name="Why? Aqueous solubility").click()
    expect(page.get_by_role("heading", name="Nearest measured molecules")).to_be_visible()
    page.get_by_role("button", name="Structural alerts").click()
    page.get_by_role("button", name="Brenk").first.click()
    page.mouse.move(0, 0)
    page.get_by_role("article").screenshot(path=IMAGES / "page_why.png")

    predict(page, BATCH)
    for name in ("lidocaine", "imatinib", "sulfonamide"):
        page.get_by_role("checkbox", name=f"Pick {name}").check()
    page.get_by_role("button", name="Compare 3").click()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    ends = [page.locator(part).bounding_box() for part in (".comparison", ".overview")]
    assert ends[0] is not None
    assert ends[1] is not None
    top, bottom = ends[0]["y"], ends[1]["y"] + ends[1]["height"]
    offset = page.evaluate("window.scrollY")
    clip = {"x": 0, "y": top + offset - 20, "width": 1280, "height": bottom - top + 40}
    page.screenshot(path=IMAGES / "page_batch.png", full_page=True, clip=clip)

    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    predict(page, ASPIRIN)
    page.get_by_role("article").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('article').scrollIntoView()")
    page.screenshot(path=IMAGES / "page_phone.png")
    page.close()


def main(wanted: list[str]) -> None:
    """Take all of them, or those of `pages` or `dagster` alone."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path="/usr/bin/chromium", headless=True, args=ARGUMENTS, reduced_motion="reduce"
        )
        if not wanted or "pages" in wanted:
            pages(browser)
        if not wanted or "dagster" in wanted:
            lineage(browser.pages[0])
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
