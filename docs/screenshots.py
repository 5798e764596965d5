"""Take the screenshots in `docs/images` from what `make run` shows, with headless Chromium.

Start `make run` in another terminal first. `make screenshots` runs this.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
UI = f"http://127.0.0.1:{os.environ.get('AIDRUG_UI_PORT', '3000')}"
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
    page.set_viewport_size({"width": 1700, "height": 1150})
    page.goto(f"{UI}/locations/ai_drug_assets/asset-groups/solubility_logs/lineage", wait_until="domcontentloaded")
    expect(page.locator("[data-svg-viewport]").get_by_text("transformer", exact=True)).to_be_visible(timeout=60_000)
    page.wait_for_timeout(4_000)
    page.screenshot(path=IMAGES / "dagster_lineage.png")


def asset(page: Page, key: str, name: str) -> None:
    """Show an asset's page with its metadata."""
    page.set_viewport_size({"width": 1500, "height": 1150})
    page.goto(f"{UI}/assets/{key}", wait_until="domcontentloaded")
    expect(page.get_by_text("signature", exact=True).first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(2_000)
    page.screenshot(path=IMAGES / f"{name}.png")


def predictions(page: Page) -> None:
    """Show the service's page with a prediction and a line that is no molecule."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(SERVICE)
    page.locator("textarea").first.fill("CC(=O)Oc1ccccc1C(=O)O aspirin\nnonsense\nCn1c(=O)c2c(ncn2C)n(C)c1=O caffeine")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_text("Not predicted.").first).to_be_visible()
    page.screenshot(path=IMAGES / "page.png", full_page=True)


def main() -> None:
    """Take all of them."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path="/usr/bin/chromium", headless=True, args=ARGUMENTS, reduced_motion="reduce"
        )
        page = browser.pages[0]
        predictions(page)
        lineage(page)
        asset(page, "leaderboard/solubility_logs", "dagster_leaderboard")
        asset(page, "champion_model/solubility_logs", "dagster_champion")
        browser.close()


if __name__ == "__main__":
    main()
