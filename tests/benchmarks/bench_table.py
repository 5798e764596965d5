"""The page's table of many molecules and endpoints: what its script costs while somebody scrolls, sorts and filters.

A stored result of 10,000 molecules and 200 endpoints is opened in headless Chromium. From the browser's own trace come
the tasks of the page's thread that run a script; the baseline is a plain table of as many rows, all in the page.
Writes `tests/benchmarks/results/table.json`.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, expect, sync_playwright

from model_zoo.bundles.store import FolderStore
from model_zoo.data.tables.row import Row
from serving.http.schemas import EndpointPrediction, MoleculePrediction
from serving.jobs.database import JobTable, Pin, Plan
from serving.jobs.folder import JobFolder
from tests.benchmarks.load import machine_load
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.page_store import fill_many
from tests.real_molecules import drugs
from tests.server_process import running_service

RESULT = Path(__file__).parent / "results" / "table.json"
CHUNK = 500
LONG_MS = 50.0
SCRIPTS = {"FunctionCall", "EvaluateScript", "TimerFire", "FireAnimationFrame", "EventDispatch", "RunMicrotasks"}
STEPS = 40


def main(molecules: int = 10_000, endpoints: int = 200) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        store = FolderStore(home / "store")
        fill_many(store, home, endpoints)
        job = store_result(home, store, molecules)
        with running_service(home, home / "log") as (address, _), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
            content = measure(browser.new_page(viewport={"width": 1280, "height": 900}), address, job, molecules)
            browser.close()
    content |= {"molecules": molecules, "endpoints": endpoints, "load": machine_load()}
    RESULT.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def store_result(home: Path, store: FolderStore, molecules: int) -> str:
    """Write a finished job as the runner leaves it, with values that differ from row to row; give its identity."""
    job, random_ = "0" * 31 + "1", random.Random(0)
    structures = [each for each in drugs() if len(each) < 100]
    versions = {name: each.version for name, each in store_pointer(store).items()}
    jobs = home / "service" / "jobs"
    folder, table = JobFolder(jobs, job), JobTable(jobs / "jobs.sqlite", 10)
    folder.make()
    for start in range(0, molecules, CHUNK):
        rows, entries = [], []
        for index in range(start, min(molecules, start + CHUNK)):
            smiles = structures[index % len(structures)]
            rows.append(Row([f"CMPD-{random_.randrange(10 * molecules)}", smiles], smiles))
            predictions = {name: prediction(random_, smiles, version) for name, version in versions.items()}
            entries.append(MoleculePrediction(index, smiles, predictions))
        folder.write_rows(start // CHUNK, rows)
        folder.write_results(start // CHUNK, entries)
    plan = Plan(("id", "smiles"), "smiles", "csv", name="library.csv", chunk_rows=CHUNK)
    table.reserve(job, "", None, "")
    table.enqueue(job, plan, molecules, 0)
    table.claim("bench")
    table.start(job, "bench", {name: Pin(version, "regression") for name, version in versions.items()})
    table.advance(job, "bench", molecules, 0, 0)
    table.finish(job, "bench", "done")
    return job


def store_pointer(store: FolderStore) -> dict[str, Any]:
    """Return what serves, by endpoint."""
    from model_zoo.bundles.pointer import parse_pointer

    content = store.read_pointer_bytes()
    assert content is not None
    return dict(parse_pointer(content).endpoints)


def prediction(random_: random.Random, smiles: str, version: str) -> EndpointPrediction:
    """Return a prediction as the service stores it."""
    value = random_.gauss(-4, 2)
    return EndpointPrediction(
        value, "log10 mol/L", (value - 1, value + 1), None, None, None, None, None, round(random_.random(), 4),
        random_.choice(("inside", "inside", "outside")), smiles, version, "champion", "linear", "ab12" * 4, False,
    )  # fmt: skip


def measure(page: Page, address: str, job: str, molecules: int) -> dict[str, Any]:
    """Open the table and use it; return what each action cost."""
    page.set_default_timeout(300_000)
    page.goto(address)
    page.evaluate("(id) => localStorage.setItem('jobs', JSON.stringify([id]))", job)
    page.reload()
    page.get_by_role("tab", name="Upload").click()
    begun = time.monotonic()
    page.get_by_role("button", name="Open as a table").click()
    expect(page.locator("#grid tbody tr:not(.pad)").nth(5)).to_be_visible(timeout=120_000)
    first = time.monotonic() - begun
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", str(molecules + 1), timeout=600_000)
    content: dict[str, Any] = {"first_rows_s": round(first, 1), "all_rows_s": round(time.monotonic() - begun, 1)}
    for columns in ("chosen", "all"):
        if columns == "all":
            page.locator(".chooser summary").first.click()
            page.get_by_role("button", name="All", exact=True).click()
        content[columns] = {name: cost(page, name, act) for name, act in ACTIONS.items()}
        content[columns]["rows_in_page"] = page.locator("#grid tbody tr").count()
        content[columns]["columns"] = page.locator("#grid thead th.endpoint:not([hidden])").count()
    content["baseline"] = cost(page, "baseline: a plain table of all rows, sorted", sort_plain_table)
    worst = max(content[columns][name]["longest_ms"] for columns in ("chosen", "all") for name in ACTIONS)
    content["ratio"] = round(content["baseline"]["longest_ms"] / worst, 1)
    print(f"the longest task is {content['ratio']} times shorter than the baseline's")
    return content


def cost(page: Page, name: str, act: Callable[[Page], None]) -> dict[str, float]:
    """Print and return the tasks with scripts that an action causes: the longest, by thread's time and clock."""
    with traced(page) as events:
        act(page)
        page.wait_for_timeout(400)
    tasks = script_tasks(events)
    longest = max((each["tdur"] for each in tasks), default=0) / 1000
    clock = max((each["dur"] for each in tasks), default=0) / 1000
    long = sum(each["tdur"] > 1000 * LONG_MS for each in tasks)
    print(f"{name:<42} {len(tasks):>5} tasks, longest {longest:6.1f} ms ({clock:.1f} by the clock), {long} over 50 ms")
    return {"tasks": len(tasks), "longest_ms": round(longest, 1), "longest_clock_ms": round(clock, 1), "long": long}


@contextmanager
def traced(page: Page) -> Iterator[list[dict[str, Any]]]:
    """Collect the events of the browser's trace; they are there when the context is left."""
    session: CDPSession = page.context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    done: list[bool] = []
    session.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    session.on("Tracing.tracingComplete", lambda _: done.append(True))
    categories = ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"]
    session.send("Tracing.start", {"traceConfig": {"includedCategories": categories}, "transferMode": "ReportEvents"})
    yield events
    session.send("Tracing.end")
    while not done:
        page.wait_for_timeout(50)
    session.detach()


def script_tasks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tasks of renderers' main threads within which a script ran."""
    names = {(each["pid"], each["tid"]): each["args"]["name"] for each in events if each.get("name") == "thread_name"}
    found = []
    threads: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for each in events:
        if each.get("ph") == "X" and (each["name"].endswith("RunTask") or each["name"] in SCRIPTS):
            threads.setdefault((each["pid"], each["tid"]), []).append(each)
    for key, own in threads.items():
        if names and "CrRendererMain" not in names.get(key, "CrRendererMain"):
            continue
        own.sort(key=lambda each: each["ts"])
        tasks = [each for each in own if each["name"].endswith("RunTask")]
        scripts = [each["ts"] for each in own if each["name"] in SCRIPTS]
        found += [each for each in tasks if any(each["ts"] <= at <= each["ts"] + each["dur"] for at in scripts)]
    return [{"tdur": each.get("tdur", each["dur"]), "dur": each["dur"]} for each in found]


def scroll_down(page: Page) -> None:
    """Go down the table in steps of a wheel, then to its end and back."""
    view = page.get_by_role("region", name="Overview")
    for step in range(STEPS):
        view.evaluate("(view, at) => view.scrollTo(view.scrollLeft, at)", 300 * step)
        page.wait_for_timeout(16)
    for at in (10**7, 0, 200_000, 50_000):
        view.evaluate("(view, at) => view.scrollTo(view.scrollLeft, at)", at)
        page.wait_for_timeout(100)


def scroll_across(page: Page) -> None:
    """Go over the columns and back."""
    view = page.get_by_role("region", name="Overview")
    for step in [*range(STEPS), 1000, 0]:
        view.evaluate("(view, at) => view.scrollTo(at, view.scrollTop)", 300 * step)
        page.wait_for_timeout(16)


def sort_by(heading: str) -> Callable[[Page], None]:
    """Sort by a column, down and up."""

    def act(page: Page) -> None:
        for _ in range(2):
            page.locator("#grid thead th", has_text=heading).first.get_by_role("button").press("Enter")
            page.wait_for_timeout(1_500)

    return act


def filter_by(text: str) -> Callable[[Page], None]:
    """Type a filter letter by letter, and take it away."""

    def act(page: Page) -> None:
        box = page.get_by_role("searchbox", name="Filter")
        box.press_sequentially(text, delay=30)
        page.wait_for_timeout(500)
        box.fill("")
        page.wait_for_timeout(500)

    return act


def sort_plain_table(page: Page) -> None:
    """Sort a table that has all rows in the page, with twelve columns and no marks."""
    page.evaluate(
        """(count) => new Promise((done) => {
          const table = document.body.appendChild(document.createElement("table"));
          const rows = Array.from({ length: count }, () => table.insertRow());
          for (const row of rows) for (let at = 0; at < 12; at++)
            row.insertCell().textContent = Math.random().toFixed(3);
          setTimeout(() => {
            table.tBodies[0].replaceChildren(...rows.sort((a, b) => a.cells[0].textContent - b.cells[0].textContent));
            requestAnimationFrame(() => setTimeout(() => (table.remove(), done()), 100));
          }, 500);
        })""",
        10_000,
    )


ACTIONS: dict[str, Callable[[Page], None]] = {
    "scroll down": scroll_down,
    "scroll across": scroll_across,
    "sort by a property": sort_by("Property 003"),
    "sort by name": sort_by("Molecule"),
    "filter by text": filter_by("cmpd-12"),
    "filter by a condition": filter_by("property 003 > -4, property 150 < -3"),
}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
