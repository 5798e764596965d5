"""What every browser test needs: headless Chromium, and a loud skip where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

expect.set_options(timeout=20_000)
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[BrowserContext]:
    """Yield a browser with an empty profile."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is missing, this was NOT tested")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=CHROMIUM,
            headless=True,
            args=ARGUMENTS,
            viewport={"width": 1600, "height": 900},
            reduced_motion="reduce",
        )
        context.set_default_timeout(30_000)
        yield context
        context.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Yield one browser for all tests; each has a page with an empty profile."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is missing, this was NOT tested")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()
