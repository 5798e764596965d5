"""The tools beside the results, in a real browser: project score, Pareto front, series, plot, what if."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from model_zoo.bundles.store import FolderStore
from tests.browser.test_accessibility import violations
from tests.browser.test_page import Watched, watch
from tests.browser.workbench_store import fill_workbench
from tests.bundle_factory import publish
from tests.server_process import running_service

pytestmark = pytest.mark.browser

MOLECULES = (
    "Cc1ccccc1 A-1", "Clc1ccccc1 A-2", "Oc1ccccc1 B-1", "OCCO B-2", "CCCCCCCCCCCC C-1",
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21 diazepam", "C1CC oops",
)  # fmt: skip
MINUS = "\N{MINUS SIGN}"
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of one service."""
    home = tmp_path_factory.mktemp("workbench")
    fill_workbench(FolderStore(home / "store"), home)
    with running_service(home, home / "log") as (address, _):
        yield address


@pytest.fixture(
    params=["desktop", pytest.param("phone", marks=pytest.mark.slow(sibling="test_three_series_are_compared"))]
)
def watched(request: pytest.FixtureRequest, chromium: Browser, address: str) -> Iterator[Watched]:
    """Yield a page of either size; afterwards nothing went wrong on it, and no structure is in an address."""
    watched = watch(chromium, address, **(PHONE if request.param == "phone" else {}))
    watched.page.goto(address)
    yield watched
    assert watched.faults == []
    assert not [url for url in watched.urls if "c1ccccc1" in url or "OCCO" in url]
    width = watched.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    watched.page.context.close()


def open_tool(watched: Watched, title: str) -> None:
    """Open one of the panels below the table."""
    watched.page.locator("summary", has_text=re.compile(f"^{title}$")).click()


def scores(watched: Watched) -> dict[str, str]:
    """Return what is in the score's column, by molecule."""
    rows = watched.page.locator("#grid tbody tr").evaluate_all(
        "rows => rows.filter((row) => row.querySelector('th')).map((row) => [row.querySelector('th').innerText.trim(),"
        " row.querySelector('td.num, td.not-predicted').textContent])"
    )
    return dict(rows)


# The score


def oracle(value: float | None, criterion: dict[str, Any]) -> float | None:
    """Return the desirability as Derringer and Suich (1980) print it, side by side."""
    if value is None or (criterion["logarithmic"] and value <= 0):
        return None
    low, target, upper, high = (criterion[key] for key in ("zero_below", "full_from", "full_to", "zero_above"))
    if criterion["logarithmic"]:
        value, low, target, upper, high = (
            None if each is None else math.log(each) for each in (value, low, target, upper, high)
        )
    assert value is not None
    s = criterion["exponent"]
    if target is not None and value < target:
        return 0.0 if value <= low else ((value - low) / (target - low)) ** s
    if upper is not None and value > upper:
        return 0.0 if value >= high else ((high - value) / (high - upper)) ** s
    return 1.0


def overall(cells: list[dict[str, Any]], criteria: list[dict[str, Any]], unsure: float) -> list[float] | None:
    """Return the desirabilities that count, and their weighted geometric mean last; none where one is missing."""
    parts = []
    for cell, criterion in zip(cells, criteria, strict=True):
        part = oracle(cell["value"], criterion)
        if criterion["weight"] == 0:
            continue
        if part is None:
            return None
        parts.append((min(part, unsure) if cell["far"] else part, criterion["weight"]))
    product = math.prod(part**weight for part, weight in parts)
    return [*(part for part, _ in parts), product ** (1 / sum(weight for _, weight in parts))]


def drawn_case(dice: random.Random) -> dict[str, Any]:
    """Draw criteria, molecules with missing values and of low reliability, and what low reliability counts."""
    criteria = []
    for _ in range(dice.randint(1, 5)):
        ends = sorted(dice.uniform(0.1, 100) for _ in range(4))
        sides = dice.choice(["low", "high", "both"])
        criteria.append(
            {
                "zero_below": None if sides == "high" else ends[0],
                "full_from": None if sides == "high" else ends[1],
                "full_to": None if sides == "low" else ends[2],
                "zero_above": None if sides == "low" else ends[3],
                "exponent": dice.choice([1, 0.5, 2, 3.3]),
                "weight": dice.choice([0, 1, 1, 2, 0.5]),
                "logarithmic": dice.random() < 0.3,
            }
        )
    criteria[0]["weight"] = 1
    levels = [dice.uniform(-5, 120) for _ in range(6)]  # equal values make ties
    molecules = [
        [{"value": None if dice.random() < 0.05 else dice.choice(levels), "far": dice.random() < 0.2} for _ in criteria]
        for _ in range(dice.randint(1, 25))
    ]
    return {"criteria": criteria, "molecules": molecules, "unsure": dice.choice([0.5, 0.0, 1.0, 0.8])}


def test_the_score_and_the_front_are_those_of_an_oracle(chromium: Browser, address: str) -> None:
    """300 drawn projects: each score, each reason for none and each Pareto front is that of the formulas in Python."""
    dice = random.Random(21)
    cases = [drawn_case(dice) for _ in range(300)]
    watched = watch(chromium, address)
    watched.page.goto(address)
    results = watched.page.evaluate(
        """async (cases) => {
          const { score, paretoFront, fault } = await import("/static/desirability.js");
          const finish = (search) => {
            let step = search.next();
            while (!step.done) step = search.next();
            return step.value;
          };
          const known = (cells) => cells.map((each) => ({ ...each, value: each.value ?? NaN }));
          return cases.map(({ criteria, molecules, unsure }) => {
            const found = molecules.map((cells) => score(known(cells), criteria, unsure));
            const faults = criteria.map((each) => fault(each, each.logarithmic));
            const front = finish(paretoFront(found.map((each) => each.parts), 3));
            return { faults, values: found.map((each) => each.value ?? null), front };
          });
        }""",
        cases,
    )
    fronts = 0
    for case, got in zip(cases, results, strict=True):
        expected = [overall(cells, case["criteria"], case["unsure"]) for cells in case["molecules"]]
        assert got["faults"] == [""] * len(case["criteria"])
        for value, wanted in zip(got["values"], expected, strict=True):
            assert (value is None) == (wanted is None)
            if wanted is not None:
                assert value == pytest.approx(wanted[-1], abs=1e-9)
        parts = [None if each is None else each[:-1] for each in expected]
        front = [
            place
            for place, mine in enumerate(parts)
            if mine is not None
            and not any(
                other is not None
                and all(a >= b - 1e-12 for a, b in zip(other, mine, strict=True))
                and any(a > b + 1e-12 for a, b in zip(other, mine, strict=True))
                for other in parts
            )
        ]
        assert got["front"] == front
        fronts += len(front)
    assert fronts > 300
    watched.page.context.close()


def test_what_is_not_known_never_raises_a_score(chromium: Browser, address: str) -> None:
    """Taking a value away, or calling it unreliable, gives no score or a lower one, for every drawn molecule."""
    dice = random.Random(22)
    watched = watch(chromium, address)
    watched.page.goto(address)
    cases = [drawn_case(dice) for _ in range(100)]
    rose = watched.page.evaluate(
        """async (cases) => {
          const { score } = await import("/static/desirability.js");
          let rose = 0;
          for (const { criteria, molecules, unsure } of cases)
            for (const cells of molecules.map((all) => all.map((each) => ({ ...each, value: each.value ?? NaN }))))
              for (const at of cells.keys()) {
                if (!criteria[at].weight) continue;
                const before = score(cells, criteria, unsure).value;
                const changed = (change) => cells.map((each, place) => (place === at ? { ...each, ...change } : each));
                const less = (change) => score(changed(change), criteria, unsure).value;
                if (less({ value: NaN }) !== undefined) rose++;
                if (before !== undefined && less({ far: true }) > before + 1e-12) rose++;
              }
          return rose;
        }""",
        cases,
    )
    assert rose == 0
    watched.page.context.close()


def test_a_project_score_sorts_filters_and_is_downloaded(watched: Watched, tmp_path: Path) -> None:
    """Weights and limits give a column that sorts, filters and is in the file, with the Pareto front marked."""
    page = watched.page
    watched.predict(*MOLECULES)
    open_tool(watched, "Project score")
    page.get_by_label("Add a property").select_option("solubility_logs")
    page.get_by_label("Add a property").select_option("herg")
    page.get_by_label("Add a property").select_option("mw")
    expect(page.locator("#score-said")).to_have_text(re.compile("^6 of 7 scored, [1-6] on the Pareto front"))
    expect(page.get_by_label("Aqueous solubility: 1 from")).to_have_value("-4")
    found = scores(watched)
    assert "◆" in "".join(found.values())
    assert "low reliability" in found["diazepam"]
    assert [name for name, text in found.items() if "Not predicted" in text] == ["oops"]

    page.locator("th", has_text="Project score").get_by_role("button").click()
    page.locator("th", has_text="Project score").get_by_role("button").click()
    expect(page.locator("th", has_text="Project score")).to_have_attribute("aria-sort", "descending")
    names = [each for each in scores(watched) if "oops" not in each]
    values = [float(scores(watched)[each][:4]) for each in names]
    assert values == sorted(values, reverse=True)
    page.get_by_label("Filter").fill("score > 0.9")
    expect(page.locator("#count")).to_contain_text("of 7 shown")
    kept = {name for name, value in zip(names, values, strict=True) if value > 0.895}
    assert set(scores(watched)) <= kept

    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download CSV")).click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
    assert {row["name"] for row in rows} == set(scores(watched))
    for row in rows:
        assert float(row["project_score"]) == pytest.approx(float(found[row["name"]][:4]), abs=0.006)
        assert (row["pareto_front"] == "yes") == ("◆" in found[row["name"]])


def test_a_removed_molecule_beats_nobody_on_the_front_and_is_not_shared(watched: Watched) -> None:
    """The front is that of the rows which are left, at once and again after *Undo*; a link stores those rows alone."""
    page = watched.page
    watched.predict(*MOLECULES)
    open_tool(watched, "Project score")
    page.get_by_label("Add a property").select_option("solubility_logs")
    expect(page.locator("#score-said")).to_have_text(re.compile("^6 of 7 scored, [1-6] on the Pareto front"))
    before = scores(watched)
    best = [name for name, text in before.items() if "◆" in text]
    assert 0 < len(best) < 6

    for name in best:
        page.get_by_role("checkbox", name=f"Pick {name}").check()
    page.get_by_role("button", name=f"Remove {len(best)}").press("Enter")
    left = 6 - len(best)
    expect(page.locator("#score-said")).to_have_text(
        re.compile(f"^{left} of {left + 1} scored, [1-6] on the Pareto front")
    )
    after = scores(watched)
    assert set(after) == set(before) - set(best)
    assert any("◆" in text for text in after.values())

    page.get_by_role("button", name="Share").click()
    with page.expect_request("**/v1/jobs") as stored:
        page.get_by_role("button", name="Make a link").click()
    assert set(json.loads(stored.value.post_data or "")["ids"]) == {name.split()[0] for name in after}
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.locator("#score-said")).to_have_text(re.compile("^6 of 7 scored"))
    assert scores(watched) == before


def test_a_profile_outlives_a_reload_and_travels_as_a_file(watched: Watched, tmp_path: Path) -> None:
    """What a chemist set is there tomorrow, goes out as JSON and comes in again; a wrong file changes nothing."""
    page = watched.page
    watched.predict(*MOLECULES)
    open_tool(watched, "Project score")
    page.get_by_label("Add a property").select_option("potency")
    page.get_by_label("Potency: 1 to").fill("10")
    page.get_by_label("Potency: 0 at, high side").fill("1000")
    page.get_by_label("Potency: weight").fill("3")
    page.get_by_label("Potency: weight").press("Tab")
    expect(page.locator("#score-said")).to_contain_text("scored")
    before = scores(watched)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export", exact=True).click()
    profile = json.loads(Path(download.value.path()).read_text())
    assert profile["criteria"][0] == {
        "name": "potency", "unit": "nM", "zero_below": None, "full_from": None, "full_to": 10, "zero_above": 1000,
        "exponent": 1, "weight": 3,
    }  # fmt: skip

    page.reload()
    expect(page.locator("th", has_text="Project score")).to_be_visible()
    assert scores(watched) == before
    open_tool(watched, "Project score")
    page.get_by_role("button", name="Clear", exact=True).last.click()
    expect(page.locator("th", has_text="Project score")).to_be_hidden()

    wrong, other, right = (tmp_path / name for name in ("wrong.json", "other.json", "right.json"))
    wrong.write_text('{"weights": 1}')
    other.write_text(json.dumps(profile | {"criteria": [profile["criteria"][0] | {"unit": "uM"}]}))
    right.write_text(json.dumps(profile))
    chooser = page.get_by_label("Profile to import")
    chooser.set_input_files(wrong)
    expect(page.locator("#score-said")).to_contain_text("Not imported: expected a file with")
    chooser.set_input_files(other)
    expect(page.locator("#score-said")).to_contain_text("is in uM in this profile and in nM here")
    assert all("none" in text or "Not predicted" in text for text in scores(watched).values())
    chooser.set_input_files(right)
    expect(page.locator("#score-said")).to_contain_text("scored")
    assert scores(watched) == before


# Series, plot, what if


def test_three_series_are_compared(watched: Watched) -> None:
    """By their names, or as they were picked: median, span and number of each, by property; kept after a reload."""
    page = watched.page
    watched.predict(*MOLECULES)
    open_tool(watched, "Series")
    page.get_by_role("button", name="By the names").click()
    table = page.get_by_role("region", name="Series side by side")
    expect(table.get_by_role("columnheader")).to_have_count(3)
    expect(table.get_by_role("columnheader").first).to_contain_text("A 2 molecules")
    row = table.get_by_role("row", name=re.compile("^Aqueous solubility"))
    cells = page.locator("#grid tbody tr").evaluate_all(
        "rows => rows.filter((row) => row.querySelector('td.num')).map((row) =>"
        " [row.querySelector('th').innerText.trim(), [...row.querySelectorAll('td.num')].at(-1).innerText])"
    )
    solubility = {name: float(re.findall(rf"[{MINUS}\d.]+", text)[0].replace(MINUS, "-")) for name, text in cells}
    median = (solubility["A-1"] + solubility["A-2"]) / 2
    shown = float(row.locator(".amount").first.inner_text().replace(MINUS, "-"))
    assert shown == pytest.approx(median, abs=0.02)

    for name in ("B-2", "diazepam"):
        page.get_by_role("checkbox", name=f"Pick {name}").check()
    page.get_by_label("Name", exact=True).last.fill("favourites")
    page.get_by_role("button", name="Add the picked rows").click()
    expect(table.get_by_role("columnheader")).to_have_count(4)
    expect(table).to_contain_text("favourites 2 molecules")
    page.reload()
    open_tool(watched, "Series")
    expect(page.get_by_role("region", name="Series side by side")).to_contain_text("favourites 2 molecules")


@pytest.mark.slow(sibling="test_one_molecule_is_plotted_too")
def test_molecules_are_plotted_among_the_drugs(watched: Watched) -> None:
    """The BOILED-Egg first, then any property against any other; the picture has a name, and a list of its points."""
    page = watched.page
    watched.predict(*MOLECULES)
    open_tool(watched, "Plot")
    picture = page.get_by_role("img", name=re.compile(r"cLogP against TPSA with S and P: \d{3} drugs and 6 of your"))
    expect(picture).to_be_visible(timeout=60_000)
    assert picture.locator("polygon").count() == 2
    assert picture.locator(".molecule-mark").count() == 6
    page.locator("summary", has_text="as a list").click()
    listed = page.get_by_role("region", name="Molecules of the plot")
    expect(listed.get_by_role("row", name=re.compile("^diazepam 32.7 3.15 in the yolk"))).to_be_visible()
    expect(listed.get_by_role("row", name=re.compile("^B-2"))).to_contain_text(re.compile("outside|white"))

    page.get_by_label("Axis x").select_option("potency")
    page.get_by_label("Axis y").select_option("solubility_logs")
    picture = page.get_by_role("img", name=re.compile(r"Aqueous solubility against Potency: \d{3} drugs"))
    expect(picture).to_be_visible(timeout=60_000)
    assert picture.locator("polygon").count() == 0
    expect(picture).to_contain_text("Potency, nM")


def test_a_table_keeps_the_unit_that_its_values_are_in(chromium: Browser, tmp_path: Path) -> None:
    """While it is open another unit is shown of its endpoint: neither score nor plot mixes both, a series says its own.

    A filter takes numbers as the table writes small ones.
    """
    store = FolderStore(tmp_path / "store")
    served = {"endpoint": "potency", "title": "Potency", "unit": "pIC50", "onnx_bias": 9.0}
    publish(store, tmp_path / "a", **served, desirable={"low": 7.0, "margin": 1.0})
    publish(store, tmp_path / "c", endpoint="solubility_logs")
    with running_service(tmp_path, tmp_path / "log") as (address, _):
        watched = watch(chromium, address)
        page = watched.page
        page.goto(address)
        watched.predict(*MOLECULES[:3])
        version = publish(store, tmp_path / "b", **served, display_unit="nM", desirable={"low": 7.0, "margin": 1.0})
        page.wait_for_function(
            """(version) => fetch("/v1/endpoints").then((answer) => answer.json())
            .then((all) => all.some((each) => each.champion.version === version))""",
            arg=version,
        )
        page.locator("summary", has_text="Columns and views").click()
        page.get_by_label("Filter").fill("potency > 6")
        page.locator("#view-name").fill("potent")
        page.get_by_role("button", name="Save view").click()
        page.get_by_label("Filter").fill("")
        page.locator("#view").select_option("potent")
        expect(page.get_by_label("Filter")).to_have_value("potency > 6")
        page.get_by_label("Filter").fill("")
        open_tool(watched, "Project score")
        page.get_by_label("Add a property").select_option("potency")
        said = "Potency was predicted in pIC50 and is shown in nM now: predict again"
        expect(page.locator("#score-said")).to_contain_text(said)
        open_tool(watched, "Series")
        page.get_by_role("button", name="By the names").click()
        series = page.get_by_role("region", name="Series side by side")
        expect(series.get_by_role("row", name=re.compile("^Potency pIC50"))).to_be_visible()
        open_tool(watched, "Plot")
        page.get_by_label("Axis x").select_option("potency")
        expect(page.get_by_text("Potency was predicted in pIC50, and of the drugs")).to_be_visible()
        page.get_by_label("Filter").fill("potency > 1e-6")
        expect(page.locator("#grid tbody tr")).to_have_count(3)
        page.get_by_label("Filter").fill("potency < 1e-6")
        expect(page.locator("#count")).to_have_text("0 of 3 shown")
        watched.predict(*MOLECULES[:3])
        page.locator("summary", has_text="Columns and views").click()
        page.locator("#view").select_option("potent")
        expect(page.locator("#view-said")).to_contain_text(
            "its limit of potency is in pIC50, and the values here are in nM"
        )
        expect(page.get_by_label("Filter")).to_have_value("")
        assert watched.faults == []
        page.context.close()


def test_one_molecule_is_plotted_too(watched: Watched) -> None:
    """Without a table the card's own molecule is in the plot."""
    watched.predict("CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21 diazepam")
    open_tool(watched, "Plot")
    picture = watched.page.get_by_role("img", name=re.compile("and 1 of your molecules"))
    expect(picture).to_be_visible(timeout=60_000)
    expect(picture.locator(".molecule-mark")).to_contain_text("diazepam: 32.7, 3.15")


def test_a_structure_is_changed_and_the_change_is_told(watched: Watched) -> None:
    """Each property before and after with its own interval, the change with what is known of it; undo; suggestions."""
    page = watched.page
    watched.predict("Cc1ccccc1 toluene")
    page.get_by_role("button", name="What if? Change toluene").press("Enter")
    box = page.get_by_label("Structure as SMILES")
    expect(box).to_be_focused()
    expect(page.locator(".what-if")).to_contain_text("Nothing is changed yet")
    box.fill("Oc1ccccc1")
    deltas = page.get_by_role("region", name="Before and after")
    row = deltas.get_by_role("row", name=re.compile("^Aqueous solubility"))
    expect(row).to_contain_text("in 9 of 10 of 240 matched pairs the predicted difference was off by 0.9 log units")
    assert row.locator(".interval").count() == 2
    expect(deltas.get_by_role("row", name=re.compile("^Potency"))).to_contain_text("\N{MULTIPLICATION SIGN} 1.6")
    expect(deltas.get_by_role("row", name=re.compile("^Potency"))).to_contain_text("was not measured for this model")
    expect(page.locator(".what-if")).to_contain_text("the interval of the change is not the difference of the two")
    page.get_by_role("button", name="Undo").last.click()
    expect(box).to_have_value("Cc1ccccc1")

    page.get_by_label("Suggestions for").select_option("solubility_logs")
    page.get_by_role("button", name="Suggest changes").click()
    first = page.locator(".suggestions li").first
    expect(first).to_contain_text("C* → H on aromatic carbon")
    expect(first).to_contain_text("measured +0.58 log10 mol/L (half of the pairs: +0.40 to +0.69)")
    expect(first).to_contain_text("68 pairs")
    first.get_by_role("button", name=re.compile("^Try")).click()
    expect(box).to_have_value("c1ccccc1")
    expect(deltas.get_by_role("row", name=re.compile("^Aqueous solubility"))).to_be_visible()
    box.fill("C1CC")
    expect(page.locator(".what-if-result")).to_contain_text("Not predicted. C1CC: This is not a SMILES")
    page.get_by_label("Suggestions for").select_option("potency")
    box.fill("Cc1ccccc1")
    page.get_by_role("button", name="Suggest changes").click()
    expect(page.locator(".what-if")).to_contain_text("This model came without matched pairs")


def test_a_structure_is_changed_by_drawing(chromium: Browser, address: str) -> None:
    """The editor of the Draw tab opens beside the box, with the structure in it."""
    watched = watch(chromium, address)
    watched.page.goto(address)
    watched.predict("Cc1ccccc1 toluene")
    watched.page.get_by_role("button", name="What if? Change toluene").click()
    watched.page.get_by_role("button", name="Draw it").click()
    expect(watched.page.locator(".what-if-editor canvas").first).to_be_visible()
    watched.page.get_by_role("button", name="Original").click()
    assert watched.faults == []
    watched.page.context.close()


@pytest.mark.parametrize(
    "scheme", ["light", pytest.param("dark", marks=pytest.mark.slow(sibling="test_no_tool_has_a_violation"))]
)
def test_no_tool_has_a_violation(chromium: Browser, address: str, scheme: str) -> None:
    """Everything opened and in use: axe-core finds nothing."""
    watched = watch(chromium, address, color_scheme=scheme)
    page = watched.page
    page.goto(address)
    watched.predict(*MOLECULES)
    for title in ("Project score", "Series", "Plot"):
        open_tool(watched, title)
    page.get_by_label("Add a property").select_option("solubility_logs")
    page.get_by_role("button", name="By the names").click()
    page.get_by_role("link", name="A-1").click()
    page.get_by_role("button", name="What if? Change A-1").click()
    page.get_by_label("Structure as SMILES").fill("Oc1ccccc1")
    page.get_by_label("Suggestions for").select_option("solubility_logs")
    page.get_by_role("button", name="Suggest changes").click()
    expect(page.locator(".suggestions li")).not_to_have_count(0)
    expect(page.locator(".plot-svg")).to_be_visible(timeout=60_000)
    page.locator("summary", has_text="as a list").click()
    assert violations(page, "tools") == []
    page.context.close()
