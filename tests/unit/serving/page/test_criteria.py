"""What a project score starts from, and its column in files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from openpyxl import load_workbook

from model_zoo.bundles.store import FolderStore
from model_zoo.config.desirability import Desirable
from model_zoo.data.pasted.drug_names import every_drug
from serving.app import create_app
from serving.champions.champion_registry import Champion
from serving.page.criteria import Wanted, wanted_values
from serving.settings import Settings
from tests.browser.workbench_store import fill_workbench
from tests.bundle_factory import TRAINING, write


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """Yield a service with three endpoints."""
    folder = tmp_path_factory.mktemp("criteria")
    store = FolderStore(folder / "store")
    fill_workbench(store, folder)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        yield client


def worth(value: float, wanted: Wanted) -> float:
    """Return the desirability of a value by the four numbers, with exponent 1."""
    low, full_low, full_high, high, _ = wanted
    sides = [1.0]
    if low is not None and full_low is not None:
        sides.append((value - low) / (full_low - low))
    if high is not None and full_high is not None:
        sides.append((high - value) / (high - full_high))
    return max(0.0, min(sides))


@pytest.mark.parametrize(
    "desirable", [{"low": -4, "margin": 2}, {"high": -4, "margin": 0.5}, {"low": -5, "high": -4, "margin": 1}]
)
def test_the_default_is_the_range_that_the_project_wants(tmp_path: Path, desirable: dict[str, float]) -> None:
    """Where the endpoint's configuration says what is wanted, the score starts from the very same desirability."""
    wanted = wanted_values(Champion(write(tmp_path / "a", desirable=desirable)))

    for value in (-9.0, -6.0, -5.5, -5.0, -4.5, -4.25, -4.0, -3.5, 0.0):
        assert worth(value, wanted) == pytest.approx(Desirable(**desirable).score(value))


@pytest.mark.parametrize(
    ("fields", "basis"),
    [
        ({"direction": "none"}, "nobody said what is wanted"),
        ({"measured": [1.0, 2.0, 3.0], "trained_on": TRAINING[:3]}, "fewer than 20 values were measured"),
        ({"measured": [1.0] * 23 + [2.0]}, "nearly all measured values are the same"),
        ({"unit": "log10 X", "display_unit": "X", "desirable": {"low": 400, "margin": 1}}, "beyond all numbers in X"),
    ],
    ids=["none", "few", "same", "large"],
)
def test_why_nothing_is_proposed_is_told(tmp_path: Path, fields: dict[str, Any], basis: str) -> None:
    """An endpoint with a direction is not said to have none."""
    wanted = wanted_values(Champion(write(tmp_path / "a", **fields)))

    assert wanted[:4] == (None,) * 4
    assert basis in wanted.basis


def test_a_unit_in_which_larger_is_smaller_changes_the_sides(tmp_path: Path) -> None:
    """A pIC50 of 8 and better, shown in nM, is 10 nM and less."""
    fields: dict[str, Any] = {"unit": "pIC50", "display_unit": "nM", "desirable": {"low": 8, "margin": 3}}
    wanted = wanted_values(Champion(write(tmp_path / "a", **fields)))

    assert wanted[:2] == (None, None)
    assert wanted[2:4] == pytest.approx((10.0, 10_000.0))


def test_without_a_range_the_direction_decides_and_without_a_direction_nobody(tmp_path: Path) -> None:
    """Higher and lower are mirror images between the tenths of the measured values; no direction, no default."""
    cases: dict[str, dict[str, Any]] = {
        "up": {"direction": "higher"},
        "down": {"direction": "lower"},
        "none": {"direction": "none"},
        "few": {"relations": ["<"] * 24},
    }
    up, down, none, few = (wanted_values(Champion(write(tmp_path / name, **fields))) for name, fields in cases.items())

    assert up[:2] == pytest.approx((-7.1, 0.1))
    assert up[:2] == down[2:4]
    assert (up[2:4], down[:2]) == ((None, None), (None, None))
    assert none[:4] == few[:4] == (None,) * 4


def test_every_property_is_offered_with_its_unit(client: TestClient[Any]) -> None:
    """Endpoints in the unit that is shown, calculated ones with the limit of their rule; an amount goes by decades."""
    given = {each["name"]: each for each in client.get("/page/criteria").json()}

    assert (given["potency"]["unit"], given["potency"]["logarithmic"]) == ("nM", True)
    assert (given["herg"]["full_to"], given["herg"]["zero_above"]) == (0.0, 0.8)  # half at the threshold, 0.4
    assert (given["mw"]["full_to"], given["mw"]["basis"]) == (500, "Lipinski")
    assert given["solubility_logs"]["wished"]


def test_calculated_values_are_those_of_the_card(client: TestClient[Any]) -> None:
    """Of the structure that models see, salts aside, as they are rounded there; none for what is refused."""
    sent = ["CC(=O)[O-].[Na+]", "C1CC", "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21"]
    answer = client.post("/page/calculated", json={"smiles": sent}).json()
    row = next(csv.DictReader(io.StringIO(client.post("/page/csv", data={"smiles": sent[0]}).text.lstrip("\ufeff"))))
    found = [None if each is None else dict(zip(answer["names"], each, strict=True)) for each in answer["values"]]

    assert found[1] is None
    assert found[0] is not None
    for name in ("mw", "clogp", "tpsa", "qed", "sa_score", "fsp3"):
        assert found[0][name] == float(row[name])
    assert found[2] is not None
    assert found[2]["egg"] == 3  # diazepam is absorbed, and in the brain
    assert client.post("/page/calculated", json={"smiles": ["C"] * 201}).status_code == 422


def test_drugs_come_once_each_by_a_name(client: TestClient[Any]) -> None:
    """Two properties of each drug; a property that there is not is refused by its name."""
    answer = client.get("/page/drugs?x=mw&y=tpsa_sp").json()
    drugs = {name: (x, y) for name, x, y in answer["points"]}

    assert len(drugs) + answer["left_out"] == len(every_drug())
    assert drugs["caffeine"] == (194.2, 61.8)
    plot = client.get("/page/drugs?x=clogp&y=tpsa_sp").json()["points"]
    some = every_drug()[::20]
    calculated = client.post("/page/calculated", json={"smiles": [each.smiles for each in some]}).json()
    places = [calculated["names"].index(name) for name in ("clogp", "tpsa_sp")]
    for drug, values in zip(some, calculated["values"], strict=True):
        assert [drug.name, *(values[place] for place in places)] in plot
    assert client.get("/page/drugs?x=mw&y=gone").status_code == 404


def test_a_score_stands_in_every_kind_of_file(client: TestClient[Any]) -> None:
    """As the page sends it, beside the right molecule; no column where none was sent; nonsense is refused."""
    fields: dict[str, Any] = {"smiles": "CCO a\nCCN b\nnonsense\nCCC c", "pick": ["3", "0"], "score": "0_0.5*-1_1-3_"}
    rows = list(csv.DictReader(io.StringIO(client.post("/page/csv", data=fields).text.lstrip("\ufeff"))))
    sheet = load_workbook(io.BytesIO(client.post("/page/csv", data=fields | {"format": "xlsx"}).content)).active
    sdf = client.post("/page/csv", data=fields | {"format": "sdf"}).text
    plain = client.post("/page/csv", data={"smiles": "CCO a"}).text

    assert [(row["name"], row["project_score"], row["pareto_front"]) for row in rows] == [
        ("a", "0.5", "yes"),
        ("c", "", ""),
    ]
    assert sheet is not None
    assert [cell.value for cell in sheet[2]][-2:] == [0.5, "yes"]
    assert ">  <project_score>\n0.5\n" in sdf
    assert "project_score" not in plain
    for text in ("0_1.5", "0_-1", "a_1", "0_0.5**", "=1+1"):
        refused = client.post("/page/csv", data=fields | {"score": text})
        assert refused.status_code == 422
        assert "expected a place and a score from 0 to 1" in refused.json()["detail"]
