"""The page in a real browser: what a chemist does, and what must never happen meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, Route, expect

from model_zoo.bundles.store import FolderStore
from serving.inference.rollout import in_split
from tests.browser.page_store import AWAITED, fill, tell_progress
from tests.bundle_factory import publish, write
from tests.server_process import running_service

FIRST_LOAD_BYTES = 60_000
"""Most bytes of the first load on the wire."""
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
MANY = [f"{'C' * number}O alcohol-{number}" for number in range(1, 13)]

pytestmark = pytest.mark.browser


@dataclass
class Watched:
    """A page and everything that went wrong on it."""

    page: Page
    address: str
    urls: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def fill(self, *lines: str) -> None:
        """Write lines into the box."""
        self.page.get_by_role("textbox", name="Molecules").fill("\n".join(lines))

    def predict(self, *lines: str) -> None:
        """Predict lines, and wait for an answer and for the script of its table."""
        self.fill(*lines)
        self.page.get_by_role("button", name="Predict", exact=True).click()
        expect(self.page.locator("#status")).to_have_text(re.compile("predicted"))
        for _ in range(400):  # `wait_for_function` would need `unsafe-eval`, which the page forbids
            if self.page.evaluate("[...document.querySelectorAll('.overview[data-script]')].every((one) => one.table)"):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("the script of the table did not come within 20 seconds")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of one service with four endpoints, for tests that do not change it."""
    home = tmp_path_factory.mktemp("page")
    fill(FolderStore(home / "store"), home)
    with running_service(home, home / "log") as (address, _):
        yield address


def watch(chromium: Browser, address: str, **options: object) -> Watched:
    """Open a page that remembers its requests, console messages and errors."""
    context = chromium.new_context(
        **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}  # type: ignore[arg-type]
    )
    context.set_default_timeout(20_000)
    watched = Watched(context.new_page(), address)

    def on_console(message: ConsoleMessage) -> None:
        watched.faults.append(f"{message.type}: {message.text}")

    def on_request(request: Request) -> None:
        watched.urls.append(request.url)

    watched.page.on("request", on_request)
    watched.page.on("console", on_console)
    watched.page.on("pageerror", lambda error: watched.faults.append(str(error)))
    return watched


@pytest.fixture
def watched(chromium: Browser, address: str) -> Iterator[Watched]:
    """Yield a page; afterwards nothing went wrong on it, and nothing went anywhere it should not."""
    watched = watch(chromium, address)
    watched.page.goto(address)
    yield watched
    assert watched.faults == []  # errors of scripts, and what the content security policy refused
    assert {urlsplit(url).netloc for url in watched.urls if not url.startswith("data:")} == {urlsplit(address).netloc}
    assert not [url for url in watched.urls if "c1ccccc1" in url or "C1CC" in url or "CCO" in url]
    watched.page.context.close()


def test_a_chemist_predicts_molecules(watched: Watched) -> None:
    """SMILES in, predictions out; value, interval, direction, standing, trust, quality and version are all shown."""
    page = watched.page
    watched.predict(f"{ASPIRIN} aspirin", "C1CC oops", "CCO")
    cards = page.get_by_role("article")
    expect(cards).to_have_count(3)
    aspirin, oops, ethanol = (cards.nth(number) for number in range(3))

    expect(aspirin.get_by_role("heading", level=2)).to_contain_text("aspirin")
    solubility = aspirin.get_by_role("row", name=re.compile("Aqueous solubility"))
    for text in ("log10 mol/L", "Higher is better", "90 %:", "desirable", "Familiar chemistry", "similarity 1.00"):
        expect(solubility).to_contain_text(text)
    expect(solubility).to_contain_text("RMSE 0.74 (strong model), 5 scaffold folds, 1,041 molecules")
    expect(solubility.get_by_role("img", name=re.compile("90 % interval .* on an axis from"))).to_be_visible()
    expect(solubility.get_by_text(re.compile(r"^linear-[0-9a-f]{12}$"))).to_be_visible()
    barrier = aspirin.get_by_role("row", name=re.compile("Blood-brain barrier"))
    expect(barrier).to_contain_text("87 %")
    expect(barrier).to_contain_text("Yes No is excluded at 90 %")
    expect(aspirin.get_by_role("row", name=re.compile("Potency"))).to_contain_text("of test drugs")
    expect(aspirin.get_by_role("row", name=re.compile("Toxicity"))).to_contain_text("undesirable")
    expect(aspirin.get_by_role("img", name="Structure of aspirin")).to_be_visible()
    expect(aspirin.get_by_role("img", name=re.compile("Desirability from 0 to 1. aspirin: "))).to_be_visible()
    expect(oops).to_contain_text("Not predicted. This is not a SMILES that can be read.")
    expect(ethanol.get_by_role("heading", level=2)).to_contain_text("CCO")
    expect(page.locator("#status")).to_have_text("2 predicted, 1 not")


def test_first_load_is_small(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that the first load fetches is below 60 KB on the wire, the editor not among it."""
    entries = watched.page.evaluate(
        "performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))"
        ".map((entry) => [entry.name, entry.transferSize])"
    )
    total = sum(size for _, size in entries)
    with capsys.disabled():
        print(f"\nfirst load: {total:,} bytes on the wire in {len(entries)} requests")

    assert 0 < total < FIRST_LOAD_BYTES
    assert not [name for name, _ in entries if "openchemlib" in name]


def test_what_is_written_is_drawn(watched: Watched) -> None:
    """The line under the cursor is drawn while it is written, and a fault in it is explained in words."""
    page = watched.page
    preview = page.get_by_role("group", name="Preview")
    box = page.get_by_role("textbox", name="Molecules")
    box.press_sequentially("c1ccccc1 benzene", delay=5)
    expect(preview.get_by_role("img", name="Structure of benzene")).to_be_visible()
    expect(preview).to_contain_text("C6H6, 78.1 g/mol")
    box.press("Enter")
    box.press_sequentially("C1CC", delay=5)
    expect(preview).to_contain_text("This is not a SMILES that can be read")


def test_the_keyboard_alone_is_enough(watched: Watched) -> None:
    """An example is added, predicted, explained and cleared without a mouse; the tabs follow the arrow keys."""
    page = watched.page
    box = page.get_by_role("textbox", name="Molecules")
    page.get_by_role("button", name="Caffeine").press("Enter")
    expect(box).to_be_focused()
    expect(box).to_have_value("Cn1cnc2c1c(=O)n(C)c(=O)n2C caffeine")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("article")).to_contain_text("caffeine")
    page.get_by_role("button", name="Why? Potency").press("Enter")
    expect(page.get_by_role("heading", name="Nearest measured molecules")).to_be_visible()
    page.get_by_role("tab", name="Paste").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Upload")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Upload")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Clear").press("Enter")
    expect(page.get_by_role("article")).to_have_count(0)


def test_a_prediction_is_explained_on_demand(watched: Watched) -> None:
    """The nearest measured molecules and the structural alerts come when asked for, and alerts mark their atoms."""
    page = watched.page
    watched.predict(ASPIRIN)
    card = page.get_by_role("article")
    why = card.get_by_role("button", name="Why? Aqueous solubility")
    why.click()
    expect(why).to_have_attribute("aria-expanded", "true")
    near = card.locator(".near", has_text="Nearest measured molecules").get_by_role("listitem")
    expect(near).to_have_count(3)
    expect(near.first).to_contain_text("the same molecule")
    atoms = card.get_by_role("img", name=re.compile("each atom coloured by what it adds to Aqueous solubility"))
    expect(atoms).to_be_visible()
    assert atoms.locator("circle.mark.up, circle.mark.down").count() >= 3
    terms = [
        float(text.split()[0].replace("\N{MINUS SIGN}", "-")) for text in card.locator(".terms dd").all_inner_texts()
    ]
    assert sum(terms[:3]) == pytest.approx(terms[3], abs=0.02)
    expect(card.locator(".scale")).to_contain_text("the strongest is")
    why.click()
    expect(near).to_have_count(0)

    card.get_by_role("button", name="Structural alerts").click()
    alert = card.get_by_role("button", name="phenol ester Brenk")
    structure = card.get_by_role("img", name="Structure of")
    expect(alert).to_be_visible()
    assert structure.locator(".mark").count() == 0
    alert.click()
    expect(alert).to_have_attribute("aria-pressed", "true")
    assert structure.locator("circle.mark.alert").count() >= 3
    alert.click()
    assert structure.locator(".mark").count() == 0


def test_a_measured_value_is_reported(watched: Watched) -> None:
    """Beneath an explanation a value is typed and sent; the answer compares it, or says what is amiss."""
    page = watched.page
    watched.predict("CCO ethanol")
    page.get_by_role("button", name="Why? Aqueous solubility").click()
    value = page.get_by_label("Aqueous solubility, measured")
    value.fill("soluble")
    value.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Expected a number such as -2.5 or >10, got 'soluble'")
    value.fill("0,9")
    page.get_by_label("Source").fill("shake flask")
    page.get_by_role("button", name="Report").click()
    expect(page.locator(".measured")).to_contain_text("Stored, thank you. You measured 0.90; the model says")
    expect(value).to_have_value("")
    watched.faults = [fault for fault in watched.faults if "status of 422" not in fault]


@pytest.mark.slow(sibling="test_page_measuring::test_a_split_is_told_and_every_value_names_who_gave_it")
def test_a_challenger_is_named_where_it_answers(chromium: Browser, tmp_path: Path) -> None:
    """While a split runs the page says so, and table, card and comparison mark what the challenger predicted."""
    store = FolderStore(tmp_path / "store")
    for name in ("logs", "other"):
        publish(store, tmp_path / name, endpoint=name, value=-1.0)
    write(tmp_path / "c", endpoint="logs", value=-2.0)
    version = store.put_bundle(tmp_path / "c")
    store.update_pointer(lambda pointer: pointer.put_on_trial({"logs": (version, "split", 0.5)}, by="test"))
    theirs = [line for line in MANY if in_split(line.split()[0], version, 0.5)]
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        watched = watch(chromium, address)
        page = watched.page
        page.goto(address)
        watched.predict(*MANY[:8])
        marked = page.locator("#grid tbody tr", has=page.get_by_text("trial", exact=True))
        expect(page.get_by_text(f"{version} answers for 50 % of the molecules")).to_be_visible()
        expect(marked).to_have_count(len([line for line in MANY[:8] if line in theirs]))
        expect(page.get_by_role("article").get_by_text("challenger on trial")).to_have_count(marked.count())
        marked.first.get_by_role("checkbox").check()
        page.get_by_role("button", name="Compare 1").click()
        expect(page.locator("#comparison").get_by_text("challenger on trial")).to_be_visible()
        assert watched.faults == []
        page.context.close()


def test_a_batch_is_sorted_filtered_and_opened(watched: Watched) -> None:
    """A table over all molecules sorts by any column, filters, keeps faults, and opens a card by its name."""
    page = watched.page
    watched.predict(*MANY, "oops")
    rows = page.locator("#grid tbody tr")
    expect(rows).to_have_count(13)
    expect(rows.nth(12)).to_contain_text("Not predicted")
    expect(page.get_by_role("article")).to_have_count(0)
    heading = page.get_by_role("columnheader", name=re.compile("Aqueous solubility"))
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(rows.first).to_contain_text("alcohol-12")
    heading.get_by_role("button").click()
    expect(rows.first).to_contain_text("alcohol-1")
    expect(rows.nth(12)).to_contain_text("Not predicted")
    page.get_by_role("searchbox", name="Filter").fill("alcohol-1")
    expect(page.locator("#count")).to_have_text("4 of 13 shown")
    page.get_by_role("searchbox", name="Filter").fill("alcohol-1, logp > 2")
    expect(page.locator("#count")).to_have_text("0 of 13 shown: no column is called \u201clogp\u201d")
    for limit in ("barrier > 80", "barrier > 80%", "barrier > 0.8"):  # the cells say per cent
        page.get_by_role("searchbox", name="Filter").fill(limit)
        expect(page.locator("#count")).to_have_text("12 of 13 shown")
    page.get_by_role("searchbox", name="Filter").fill("alcohol-1")
    page.get_by_role("link", name="alcohol-11", exact=True).click()
    expect(page.get_by_role("article")).to_contain_text("alcohol-11")
    page.get_by_role("link", name="alcohol-10", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_role("article").first).to_contain_text("alcohol-10")


@pytest.mark.slow(
    sibling=(
        "test_page_views::test_comparing_works_without_a_script",
        "test_page_views::test_a_file_holds_every_molecule_in_order",
    )
)
def test_molecules_are_compared_and_downloaded(watched: Watched) -> None:
    """Picked molecules are side by side with a radar, and come as CSV; without a pick, all do, faults among them."""
    page = watched.page
    watched.predict(f"{ASPIRIN} aspirin", "oops", "c1ccccc1 benzene", "CCO ethanol")
    page.get_by_role("checkbox", name="Pick aspirin").check()
    page.get_by_role("checkbox", name="Pick ethanol").check()
    page.get_by_role("button", name="Compare 2").click()
    beside = page.get_by_role("region", name="Comparison")
    expect(beside.get_by_role("img", name=re.compile("Desirability .* aspirin: .*; ethanol: "))).to_be_visible()
    expect(beside.get_by_role("columnheader")).to_have_count(2)
    with page.expect_download() as two:
        page.get_by_role("button", name="Download CSV of 2").click()
    page.get_by_role("checkbox", name="Pick aspirin").uncheck()
    page.get_by_role("checkbox", name="Pick ethanol").uncheck()
    with page.expect_download() as everything:
        page.get_by_role("button", name="Download CSV").click()
    picked, rows = (each.value.path().read_text().splitlines() for each in (two, everything))

    assert [row.split(",")[1] for row in picked] == ["name", "aspirin", "ethanol"]
    assert [row.split(",")[0] for row in rows[1:]] == [ASPIRIN, "oops", "c1ccccc1", "CCO"]
    assert "invalid-smiles" in rows[2]
    assert "solubility_logs_champion" in rows[0]
    beside.get_by_role("button", name="Close").click()
    expect(beside.get_by_role("table")).to_have_count(0)


def test_a_molecule_is_drawn(watched: Watched) -> None:
    """The editor is loaded when its tab is opened, edits what is at the cursor, and gives its SMILES to the box."""
    page = watched.page
    watched.fill("CCO ethanol")
    page.get_by_role("tab", name="Draw").click()
    drawn = page.get_by_label("SMILES of the drawing")
    expect(drawn).to_have_text("CCO")
    canvas = page.locator("#editor canvas").last
    expect(canvas).to_be_visible()
    space = canvas.bounding_box()
    assert space is not None
    page.mouse.click(space["x"] + space["width"] * 0.8, space["y"] + space["height"] * 0.8)
    expect(drawn).not_to_have_text("CCO")
    smiles = drawn.inner_text()
    page.get_by_role("button", name="Add to the molecules").click()
    expect(page.get_by_role("textbox", name="Molecules")).to_have_value(f"CCO ethanol\n{smiles}")


def test_a_file_is_uploaded(watched: Watched, tmp_path: Path) -> None:
    """A file becomes a job: its progress is shown, and every row comes back in its place."""
    page = watched.page
    file = tmp_path / "library.csv"
    file.write_text("id,smiles\n" + "".join(f"m{n},{'C' * (n % 9 + 1)}O\n" for n in range(40)) + "bad,nonsense\n")
    page.get_by_role("tab", name="Upload").click()
    page.get_by_label("A file of molecules").set_input_files(file)
    page.get_by_role("button", name="Upload and predict").click()
    job = page.locator(".job")
    expect(job).to_contain_text("41 of 41 rows, 1 not predicted")
    with page.expect_download() as download:
        job.get_by_role("link", name="CSV").click()
    rows = download.value.path().read_text(encoding="utf-8-sig").splitlines()

    assert [row.split(",")[0] for row in rows] == ["id", *(f"m{n}" for n in range(40)), "bad"]
    page.reload()
    page.get_by_role("tab", name="Upload").click()
    expect(job).to_contain_text("41 of 41 rows, 1 not predicted")


def test_models_and_operations_are_told(watched: Watched) -> None:
    """From a prediction to its model: leaderboard, decision, coverage, history; and the state of the service."""
    page = watched.page
    watched.predict("CCO")
    page.get_by_role("link", name=re.compile("^linear-")).first.click()
    page.goto(f"{watched.address}/models/solubility_logs")
    main = page.get_by_role("main")
    expect(page.get_by_role("heading", name="Aqueous solubility")).to_be_visible()
    for text in (
        "RMSE 0.74",
        "\N{MINUS SIGN}4 or higher",
        "linear is the best over the folds",
        "it is the naive baseline",
        "90.3 % of 1,041 molecules",
        "serves now",
        "CC0-1.0 (test)",
    ):
        expect(main).to_contain_text(text)
    page.get_by_role("link", name="Models").first.click()
    expect(page.get_by_role("link", name=re.compile("Toxicity"))).to_be_visible()
    page.get_by_role("link", name="Operations").click()
    expect(page.get_by_role("row", name=re.compile("Aqueous solubility linear-.*serves"))).to_be_visible()
    expect(main).to_contain_text("generation 4")


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (390, "light"),
        pytest.param(1280, "dark", marks=pytest.mark.slow(sibling="test_nothing_is_cut_off_and_all_is_readable")),
    ],
)
def test_nothing_is_cut_off_and_all_is_readable(chromium: Browser, address: str, width: int, scheme: str) -> None:
    """On a phone as on a desk the page scrolls in one direction only, every control has a name, and all is legible."""
    watched = watch(chromium, address, viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = watched.page
    page.goto(address)
    watched.predict("C" * 100, f"{ASPIRIN} aspirin", "oops")
    page.get_by_role("checkbox", name="Pick aspirin").check()
    page.get_by_role("button", name="Compare 1").click()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    page.get_by_role("button", name="Why? Potency").first.click()
    expect(page.get_by_role("heading", name="Nearest measured molecules")).to_be_visible()

    expect(page.get_by_title("elected among 2 of 5 models").first).to_be_visible()
    banner = page.get_by_role("region", name="What is being trained")
    expect(banner.get_by_role("progressbar")).to_be_visible()
    expect(banner).to_contain_text("4 of 5 properties can be predicted already, 1 of them by a provisional model.")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(FAINT) == []
    for path in ("/models", "/models/solubility_logs", "/operations"):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(FAINT) == [], path
    assert watched.faults == []
    page.context.close()


@pytest.mark.slow(alone="one rule of the style sheet, which changes no prediction")
def test_print_shows_results_alone(watched: Watched) -> None:
    """On paper there are predictions, not the form."""
    watched.predict("CCO")
    watched.page.emulate_media(media="print")
    expect(watched.page.get_by_role("textbox", name="Molecules")).to_be_hidden()
    expect(watched.page.get_by_role("article")).to_be_visible()


@pytest.mark.slow(alone="one line of the page and a colour, which change no prediction")
def test_the_theme_is_chosen_and_kept(watched: Watched) -> None:
    """Light or dark can be chosen, and stays chosen."""
    page = watched.page
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    for _ in range(2):
        page.get_by_role("button", name="Theme").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    dark = page.evaluate(ground)
    page.reload()

    assert page.evaluate(ground) == dark != before


@pytest.mark.slow(
    sibling=(
        "test_nothing_is_cut_off_and_all_is_readable",
        "test_page_views::test_an_empty_service_has_pages",
    )
)
def test_the_first_champion_opens_the_page_by_itself(chromium: Browser, tmp_path: Path) -> None:
    """Before the first champion the page says what is made, then opens; better ones and a restart are announced."""
    store = FolderStore(tmp_path / "store")
    tell_progress(store, "making", "waiting")
    with running_service(tmp_path, tmp_path / "log") as (address, process):
        watched = watch(chromium, address)
        page = watched.page
        page.goto(address)
        expect(page.get_by_role("heading", name="The first models are still being trained")).to_be_visible()
        banner = page.get_by_role("region", name="What is being trained")
        expect(banner).to_contain_text("Aqueous solubility comes first. about 3 minutes until all are trained")
        assert page.evaluate(FAINT) == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.set_viewport_size({"width": 1280, "height": 900})
        publish(store, tmp_path / "a", value=-1.0, card=AWAITED)
        expect(page.get_by_role("button", name="Predict")).to_be_visible()

        watched.predict("CCO")
        first = page.locator(".version").inner_text()
        expect(page.get_by_title("the others are still to be trained")).to_have_text("provisional")
        expect(banner).to_contain_text("about 3 minutes left (first guess)")
        tell_progress(store, "made", "making")
        publish(store, tmp_path / "b", onnx_bias=-2.0)
        until = time.monotonic() + 20
        condition = "s.generation > 1 && s.making.endpoints[1].state === 'making'"
        while not page.evaluate(f"fetch('/health/ready').then((r) => r.json()).then((s) => {condition})"):
            assert time.monotonic() < until
        page.evaluate("window.dispatchEvent(new Event('focus'))")
        expect(page.locator("#news")).to_contain_text("Solubility logs: a better model serves now.")
        expect(page.locator(".version")).to_have_text(first)  # nothing changes under the reader
        page.get_by_role("button", name="Predict again").click()
        expect(page.locator(".version")).not_to_have_text(first)
        expect(page.locator(".provisional")).to_have_count(0)
        page.evaluate("window.dispatchEvent(new Event('focus'))")
        expect(banner).to_contain_text("hERG inhibition (0 of 2 models, now a, b)")
        assert [fault for fault in watched.faults if "503" not in fault] == []  # not ready yet, and the page asks

        process.terminate()
        process.wait(10)
        page.get_by_role("button", name="Predict", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("The service does not answer")
        expect(page.get_by_role("textbox", name="Molecules")).to_have_value("CCO")
        page.context.close()


def test_a_busy_service_is_asked_again(watched: Watched) -> None:
    """An answer that says when to come back is followed by itself; what stays wrong is shown with a way to retry."""
    page = watched.page
    requests = {"times": 0}

    def busy(route: object) -> None:
        requests["times"] += 1
        if requests["times"] > 1:
            route.continue_()  # type: ignore[attr-defined]
            return
        body = '{"detail": "200 molecules wait", "code": "busy"}'
        headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=body)  # type: ignore[attr-defined]

    page.route(re.compile(r"/$"), busy)
    watched.fill("CCO")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator("#news")).to_contain_text("The service is busy; trying again in 1 s")
    expect(page.get_by_role("article")).to_have_count(1)
    watched.fill(*["C"] * 300)
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("These are 300 molecules. Send at most 256 at a time")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    watched.faults = [fault for fault in watched.faults if "status of 503" not in fault and "422" not in fault]


@pytest.mark.slow(sibling="test_service::test_the_api_describes_itself")
def test_the_api_documentation_works_offline(watched: Watched) -> None:
    """The documentation page renders and sends a request, from our own files alone."""
    page = watched.page
    page.goto(f"{watched.address}/schema")
    page.get_by_role("button", name=re.compile("Predict molecules|POST .v1.predict")).first.click()
    page.get_by_role("button", name="Try it out").click()

    def is_prediction(response: Response) -> bool:
        return response.url.endswith("/v1/predict")

    with page.expect_response(is_prediction) as answer:
        page.get_by_role("button", name="Execute").click()

    assert answer.value.status == 200
    watched.faults = [fault for fault in watched.faults if "Security" in fault or "Refused" in fault]


UNNAMED = """
[...document.querySelectorAll("button, a, input, textarea, [role=img], [role=region], table")]
  .filter((element) => element.checkVisibility() && !(element.getAttribute("aria-label") || element.innerText.trim() ||
    element.labels?.length || element.caption || element.getAttribute("aria-labelledby")))
  .map((element) => element.outerHTML.slice(0, 120))
"""
"""Controls and pictures without a name that a screen reader could say."""

FAINT = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const said = walker.currentNode.data.trim() && element.checkVisibility();
    if (!said || element.closest(".visually-hidden, :disabled, option")) continue;
    const grounds = [];
    for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(paint(["white", ...grounds])), light(paint(["white", ...grounds, ink]))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return faint;
})()
"""
"""Words whose contrast to what is behind them is below 4.5 to 1, the least that WCAG AA asks for."""


@pytest.mark.parametrize(
    "width", [1280, pytest.param(390, marks=pytest.mark.slow(sibling="test_a_morning_of_work_by_keyboard"))]
)
def test_a_morning_of_work_by_keyboard(chromium: Browser, address: str, width: int) -> None:
    """Rows of a spreadsheet are pasted, read, predicted, narrowed down, taken away; a reload and Back lose nothing."""
    watched = watch(chromium, address, viewport={"width": width, "height": 844})
    page = watched.page
    page.goto(address)
    rows = [f"CMPD-{number}\t{number}\t{'C' * (number % 60 + 1)}O" for number in range(1, 241)]
    watched.fill("ID\tplate\tSMILES", *rows, "odd\t1\t50-78-2")
    understood = page.locator("#understood")
    expect(understood).to_contain_text("241 molecules: 240 SMILES; 1 refused")
    expect(understood).to_contain_text("Structures from column “SMILES”, names from column “ID”.")
    expect(understood).to_contain_text("Line 242 (odd): A CAS number holds no structure")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_have_text("240 predicted, 1 not")
    grid = page.locator("#grid tbody tr")
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "242")
    assert grid.count() <= 200

    heading = page.get_by_role("columnheader", name=re.compile("Molecule"))
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#grid tbody tr:not(.pad)").nth(1)).to_contain_text("CMPD-2")  # not CMPD-10
    page.get_by_role("searchbox", name="Filter").focus()
    page.keyboard.type("cmpd-1, solubility > -2")
    expect(page.locator("#count")).to_have_text("13 of 241 shown")
    with page.expect_download() as given:
        page.get_by_role("button", name="Download CSV of 13").press("Enter")
    names = [line.split(",")[1] for line in given.value.path().read_text().splitlines()]
    assert len(names) == 14
    assert all(name.startswith("CMPD-1") for name in names[1:])

    page.reload()
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "242")
    page.get_by_role("link", name="Models").click()
    page.go_back()
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "242")
    expect(page.get_by_role("textbox", name="Molecules")).to_have_value(re.compile("CMPD-240"))
    page.get_by_role("button", name="Clear").press("Enter")
    page.reload()
    expect(page.locator("#grid")).to_have_count(0)
    expect(page.locator("#news")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert watched.faults == []
    page.context.close()


@pytest.mark.slow(
    sibling=(
        "test_first_rows::test_the_column_that_was_guessed_is_shown_and_can_be_changed",
        "test_page_files::test_chosen_rows_of_a_job_are_taken_away",
    )
)
def test_a_file_becomes_a_table(watched: Watched, tmp_path: Path) -> None:
    """A European CSV is looked at, predicted and shown in the table of a paste; few of its rows are in the page."""
    page = watched.page
    file = tmp_path / "series.csv"
    file.write_text("\n".join(["ID;SMILES;logS", *(f"X-{at};{'C' * (at % 40 + 1)}N;-{at},5" for at in range(900))]))
    page.get_by_role("tab", name="Upload").press("Enter")
    page.locator("#file").set_input_files(file)
    expect(page.locator("#first-rows")).to_contain_text("CSV, separated by ';'")
    expect(page.get_by_role("combobox", name="Structures are in")).to_have_value("SMILES")
    page.get_by_role("button", name="Upload and predict").press("Enter")
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "901")  # it opens by itself
    assert page.locator("#grid tbody tr").count() <= 200
    page.get_by_role("region", name="Overview").evaluate("(view) => view.scrollTo(0, view.scrollHeight)")
    expect(page.locator("#grid tbody tr:not(.pad)").last).to_contain_text("X-899")
    page.get_by_text("What to measure next").press("Enter")
    page.locator("#suggestion-size").fill("3")
    page.get_by_role("button", name="Suggest", exact=True).press("Enter")
    expect(page.locator("#grid thead")).to_contain_text("Measure next")
    expect(page.locator(".tool-panel .suggestions li")).to_have_count(3)
    expect(page.locator("#csv")).to_have_text("Download CSV of 3")
    said = page.locator(".tool-panel").filter(has_text="Suggest").get_by_role("status")
    expect(said).to_contain_text("same molecule")
    expect(said).to_contain_text(re.compile("judged by .*Aqueous solubility"))


@pytest.mark.slow(sibling="test_page_files::test_chosen_rows_of_a_job_are_taken_away")
def test_a_long_paste_becomes_the_same_table(watched: Watched) -> None:
    """What is too long for an answer is predicted as a file, and a reload shows it again."""
    page = watched.page
    watched.fill("ID\tSMILES", *(f"M-{at}\t{'C' * (at % 50 + 1)}O" for at in range(400)))
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Predict them as a file").press("Enter")
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "401")
    expect(page.locator("#status")).to_have_text("400 predicted")
    page.reload()
    expect(page.locator("#grid")).to_have_attribute("aria-rowcount", "401")
    expect(page.locator("#grid tbody tr:not(.pad) th a").first).to_have_text("M-0")
    watched.faults = [fault for fault in watched.faults if "status of 422" not in fault]


def test_what_was_cleared_or_removed_comes_back(watched: Watched) -> None:
    """Undo after *Clear* and after removing rows; what was removed is in no download."""
    page = watched.page
    watched.predict("CCO ethanol", "CCN amine", "CCC propane")
    page.get_by_role("checkbox", name="Pick amine").press("Space")
    page.get_by_role("button", name="Remove 1").press("Enter")
    names = page.locator("#grid tbody tr th a")
    expect(names).to_have_text(["ethanol", "propane"])
    with page.expect_download() as given:
        page.get_by_role("button", name="Download CSV of 2").press("Enter")
    assert "amine" not in given.value.path().read_text()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(names).to_have_text(["ethanol", "amine", "propane"])
    page.get_by_role("button", name="Clear").press("Enter")
    expect(page.locator("#grid")).to_have_count(0)
    assert page.evaluate(FAINT) == []
    page.get_by_role("button", name="Undo").press("Enter")
    expect(names).to_have_text(["ethanol", "amine", "propane"])
    expect(page.get_by_role("textbox", name="Molecules")).to_have_value(re.compile("amine"))
    page.get_by_role("columnheader", name=re.compile("Molecule")).get_by_role("button").press("Enter")
    expect(names).to_have_text(["amine", "ethanol", "propane"])


def test_a_reader_may_be_quicker_than_the_tables_script(watched: Watched) -> None:
    """A box that is ticked and a tool that is opened before the script has come are what they would be after it."""
    page = watched.page
    held: list[Route] = []
    page.route("**/table.js*", lambda route: held.append(route))  # noqa: PLW0108 - it sets an attribute on what it is given
    watched.fill("CCO A-1", "CCN A-2", "CCC B-1", "CCCC B-2")
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("summary", has_text=re.compile("^Series$")).click()
    page.get_by_role("checkbox", name="Pick A-2").focus()
    page.keyboard.down("Space")
    page.wait_for_timeout(300)
    held[0].continue_()
    page.get_by_role("button", name="By the names").wait_for()
    page.keyboard.up("Space")
    expect(page.get_by_role("checkbox", name="Pick A-2")).to_be_checked()
    page.get_by_role("button", name="Remove 1").wait_for()
    page.get_by_role("button", name="By the names").click()
    expect(page.get_by_role("region", name="Series side by side").get_by_role("columnheader")).to_have_count(2)


def test_structures_are_searched_in_the_table(watched: Watched) -> None:
    """By a part, and by likeness with the most alike first; the filter, the file and *Show all* go with it."""
    page = watched.page
    watched.predict(f"{ASPIRIN} aspirin", "CCO ethanol", "OC(=O)c1ccccc1O salicylic", "c1ccncc1 pyridine")
    names = page.locator("#grid tbody tr th a")
    page.get_by_role("searchbox", name="SMARTS or SMILES").fill("C(=O)[OH]")
    page.keyboard.press("Enter")
    expect(page.locator("#search-said")).to_contain_text("2 of 4 contain it.")
    expect(names).to_have_text(["aspirin", "salicylic"])
    page.locator("#search-kind").select_option("similarity")
    page.get_by_role("searchbox", name="SMARTS or SMILES").fill("OC(=O)c1ccccc1O")
    page.keyboard.press("Enter")
    expect(names.first).to_have_text("salicylic")
    expect(page.locator(".likeness").first).to_have_text("1.00")
    page.get_by_role("button", name="Show all").press("Enter")
    expect(names).to_have_count(4)
    page.get_by_role("searchbox", name="SMARTS or SMILES").fill("C1CC")
    page.keyboard.press("Enter")
    expect(page.locator("#search-said")).to_contain_text("Expected a SMILES, got a text that RDKit cannot read")
    watched.faults = [fault for fault in watched.faults if "status of 422" not in fault]
