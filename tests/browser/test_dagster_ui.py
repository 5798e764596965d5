"""The Dagster UI in a real browser: lineage, *Unsynced* after a code change, Materialize retrains that model alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.checkout_copy import CheckoutCopy

# No daemon in this test: runs start at once, and steps run in the run's own process.
INSTANCE = """
telemetry: {{enabled: false}}
nux: {{enabled: false}}
storage: {{sqlite: {{base_dir: {home}}}}}
run_coordinator: {{module: dagster._core.run_coordinator, class: DefaultRunCoordinator}}
"""
DEFINITIONS = """
import dagster as dg
from ai_drug_assets.definitions import build_defs
defs = build_defs(executor=dg.in_process_executor)
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow(sibling="test_staleness::test_one_models_code_retrains_only_that_model"),
]


class Project(CheckoutCopy):
    """A copy of the checkout, and a webserver on it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.address = f"http://127.0.0.1:{self.ui_port}"
        self.write("ui_definitions.py", DEFINITIONS)
        instance = self.write("home/ui/dagster.yaml", INSTANCE.format(home=self.home / "ui"))
        # Not AIDRUG_HOME/dagster: a DAGSTER_HOME of the user's own is left alone, and this test wants its own.
        self.environment["DAGSTER_HOME"] = str(instance.parent)

    def graphql(self, query: str) -> Any:
        """Ask the webserver."""
        request = urllib.request.Request(
            f"{self.address}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def loaded(self) -> bool:
        """Return whether the code location is loaded; one that fails at import says `LOADED` too."""
        try:
            data = self.graphql(
                "{workspaceOrError{... on Workspace{locationEntries{locationOrLoadError{__typename}}}}}"
            )
        except OSError:
            return False
        entries = data["workspaceOrError"]["locationEntries"]
        return bool(entries) and entries[0]["locationOrLoadError"]["__typename"] == "RepositoryLocation"

    def wait_for_run(self, run_id: str) -> str:
        """Wait until a run has ended; give its status."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            data = self.graphql(f'{{runOrError(runId: "{run_id}"){{... on Run{{status}}}}}}')
            status = str(data["runOrError"]["status"])
            if status in ("SUCCESS", "FAILURE", "CANCELED"):
                return status
            time.sleep(1)
        return "TIMEOUT"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Yield a project where everything is made, and its webserver running."""
    project = Project(tmp_path / "project")
    project.aidrug("run")
    command = ["-m", "dagster_webserver", "-m", "ui_definitions", "-h", "127.0.0.1", "-p", str(project.ui_port)]
    with (tmp_path / "webserver.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *command],
            cwd=project.folder,
            env=project.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 90
            while not project.loaded():
                assert server.poll() is None, (tmp_path / "webserver.log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "webserver.log").read_text()
                time.sleep(0.5)
            yield project
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(15)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def lineage(page: Page, address: str) -> Any:
    """Open the asset lineage with all groups expanded; give the graph."""
    page.goto(f"{address}/asset-groups", wait_until="domcontentloaded")
    expect(page.get_by_role("button", name=re.compile("Materialize all"))).to_be_enabled()
    graph = page.locator("[data-svg-viewport]")
    expect(graph.get_by_text("serving", exact=True)).to_be_visible()
    page.keyboard.press("Alt+e")
    expect(graph.get_by_text("inference_service", exact=True)).to_be_visible()
    return graph


def test_an_edited_model_is_unsynced_and_materialize_retrains_it_alone(
    project: Project, browser: BrowserContext, tmp_path: Path
) -> None:
    """The lineage is shown; after a code change that model, and no other, is Unsynced; Materialize retrains it."""
    page = browser.new_page()
    page.set_viewport_size({"width": 2800, "height": 1200})  # wide enough for the graph to write states, not dots
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    assert project.trainings() == {"naive": 1, "rf": 1}

    graph = lineage(page, project.address)
    for name in ("descriptors", "naive", "rf", "inference_service"):
        expect(graph.get_by_text(name, exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "lineage.png")
    expect(graph.get_by_text("Unsynced", exact=False)).to_have_count(0)

    project.edit("model_zoo/models/rf.py", "CHECKED_ROWS = 256", "CHECKED_ROWS = 255")
    page.get_by_role("button", name="Reload definitions").click()
    # rf, and what judges it: leaderboard, champion and service; naive, features and dataset stay.
    expect(page.locator("[data-svg-viewport]").get_by_text("Unsynced", exact=False)).to_have_count(4, timeout=60_000)
    page.screenshot(path=tmp_path / "unsynced.png")

    page.goto(f"{project.address}/assets/trained_model/toy/rf", wait_until="domcontentloaded")
    with page.expect_response(
        lambda answer: "/graphql" in answer.url and "LaunchPipelineExecution" in (answer.request.post_data or "")
    ) as launched:
        page.get_by_role("button", name=re.compile(r"Materialize$")).first.click()
    run_id = launched.value.json()["data"]["launchPipelineExecution"]["run"]["id"]
    assert project.wait_for_run(run_id) == "SUCCESS"
    assert project.trainings() == {"naive": 1, "rf": 2}

    page.goto(f"{project.address}/assets/trained_model/toy/rf", wait_until="domcontentloaded")
    expect(page.get_by_text("cv_rmse").first).to_be_visible()
    page.screenshot(path=tmp_path / "trained_model.png")
    assert hosts == {f"127.0.0.1:{project.ui_port}"}
