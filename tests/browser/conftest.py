"""What every browser test needs: headless Chromium, and a loud skip where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[BrowserContext]:
    """Give a browser with an empty profile."""
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
