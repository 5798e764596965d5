"""An endpoint that people read in another unit: beside every value is the shown one, and both say the same."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from ai_drug_assets.operations.predictions import as_text
from model_zoo.bundles.store import FolderStore
from model_zoo.data.targets import Target
from model_zoo.inference.answers import Estimate
from model_zoo.monitoring.prediction_log import PredictionLog
from serving.app import create_app
from serving.champions.champion_registry import Champion
from serving.client import answers
from serving.page import wording
from serving.settings import Settings
from tests.bundle_factory import TRAINING, publish, write

Client = TestClient[Any]
FRAGMENT = {"x-fragment": "part"}
POTENCY = {"endpoint": "herg", "value": 6.0, "unit": "pIC50", "display_unit": "nM"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Run the service with an endpoint in pIC50 that is shown in nM, and one that is shown as it is."""
    store = FolderStore(tmp_path / "store")
    measured = [5.0 + index / 10 for index in range(len(TRAINING))]
    signs = [">", *"=" * (len(TRAINING) - 1)]
    publish(store, tmp_path / "a", **POTENCY, measured=measured, relations=signs)
    publish(store, tmp_path / "b", endpoint="solubility_logs")
    settings = Settings(poll_seconds=0.02, record=tmp_path / "record", folder=tmp_path, record_structures=True)
    with TestClient(create_app(settings, store), base_url="http://127.0.0.1:8000") as client:
        yield client


def predicted(client: Client, **body: Any) -> dict[str, Any]:
    """Predict ethanol; give its endpoints."""
    answer = client.post("/v1/predict", json={"smiles": ["CCO"], **body})
    endpoints: dict[str, Any] = answer.json()["predictions"][0]["endpoints"]
    return endpoints


def test_the_api_keeps_its_fields_and_adds_the_shown_ones(client: Client) -> None:
    """1e-6 mol/L is a pIC50 of 6 and 1,000 nM; the interval's lower end is the lower number in both units."""
    both = predicted(client, include=["neighbours"])
    herg, other = both["herg"], both["solubility_logs"]

    assert (herg["value"], herg["unit"], herg["interval"]) == (6.0, "pIC50", [pytest.approx(5.2), pytest.approx(6.8)])
    assert (herg["display_value"], herg["display_unit"]) == (pytest.approx(1000.0), "nM")
    assert herg["display_interval"] == [pytest.approx(10**2.2), pytest.approx(10**3.8)]
    for near in herg["neighbours"]:
        assert near["display_value"] == pytest.approx(10 ** (9 - near["value"]))
    assert not [name for name in other if name.startswith("display")]
    assert client.get("/v1/endpoints/herg").json()["display_unit"] == "nM"


def test_the_page_its_file_and_the_client_say_the_same(client: Client) -> None:
    """Value, interval, heading, axis and file are in nM; no pIC50 is left beside a number of nM."""
    page = client.post("/", data={"smiles": "CCO"}, headers=FRAGMENT).text
    (row,) = csv.DictReader(io.StringIO(client.post("/page/csv", data={"smiles": "CCO"}).text.lstrip("\N{BOM}")))
    read = answers.read(answers.EndpointPrediction, predicted(client)["herg"])
    text = as_text([answers.Prediction(0, "CCO", {"herg": read})])

    assert '>1,000</span> <span class="unit">nM</span>' in page
    assert "158 to 6,310" in page
    assert "pIC50" not in page
    assert (row["herg_value"], row["herg_unit"], row["herg_display_value"], row["herg_display_unit"]) == (
        "6", "pIC50", "1000", "nM",
    )  # fmt: skip
    assert float(row["herg_display_lower"]) < float(row["herg_display_value"]) < float(row["herg_display_upper"])
    assert "solubility_logs_display_value" not in row
    assert "1000.00 nM" in text
    assert "158.49 to 6309.57" in text


def test_a_file_has_measured_values_in_the_unit_beside_them(client: Client) -> None:
    """A bound of 10,000 nM is one of pIC50 5: each is beside the values in its own unit, and its sign turns."""
    for form in ("csv", "sdf"):
        text = client.post("/page/csv", data={"smiles": f"{TRAINING[0]}\n{TRAINING[1]}", "format": form}).text
        if form == "sdf":
            parts = [re.findall(r">  <(\w+)>\n(.*)\n", part) for part in text.split("$$$$\n")[:2]]
            rows = [dict(part) for part in parts]
        else:
            rows = list(csv.DictReader(io.StringIO(text.lstrip("\N{BOM}"))))

        assert [row["herg_measured"] for row in rows] == ["> 5.00", "5.10"]
        assert [row["herg_display_measured"] for row in rows] == ["< 10,000.00", "7,943.28"]
        assert rows[0]["herg_unit"] == "pIC50"
        assert "solubility_logs_display_measured" not in rows[0]


def test_the_direction_and_the_place_turn_with_the_scale(tmp_path: Path) -> None:
    """A high pIC50 is a low IC50: lower is better, and the value is below most others."""
    store = FolderStore(tmp_path / "store")
    measured = [4.0 + index / 10 for index in range(30)]
    trained_on = ["C" * (index + 1) for index in range(30)]
    options: dict[str, Any] = {"value": 6.45, "unit": "pIC50", "measured": measured, "trained_on": trained_on}
    publish(store, tmp_path / "a", endpoint="shown", display_unit="nM", **options)
    publish(store, tmp_path / "b", endpoint="plain", **options)
    with TestClient(create_app(Settings(poll_seconds=0.02), store), base_url="http://127.0.0.1:8000") as client:
        said = {}
        for name in ("shown", "plain"):
            form = {"smiles": "CCO", "endpoints": name}
            page = client.post("/", data=form, headers=FRAGMENT).text
            part = page[page.index(f'data-endpoint="{name}"') :].split("</tr>")[0]
            said[name] = [text for text in ("Higher", "Lower", "above 83 %", "above 17 %") if text in part]
            assert f"{said[name][0]} is better" in client.get(f"/models/{name}").text
    assert said == {"shown": ["Lower", "above 17 %"], "plain": ["Higher", "above 83 %"]}


@pytest.mark.parametrize(
    ("value", "direction", "plain", "shown", "band"),
    [
        (5.0, "higher", "below 40 % of measured", "above 40 % of measured", "poor"),
        (5.0, "lower", "below 40 % of measured", "above 40 % of measured", "fair"),
        (4.0, "higher", "below 99 % of measured", "above 99 % of measured", "poor"),
        (6.0, "lower", "above 67 % of measured", "above 30 % of measured", "poor"),
    ],
    ids=str,
)
def test_values_at_a_limit_are_below_no_value_that_equals_them(
    tmp_path: Path, value: float, direction: str, plain: str, shown: str, band: str
) -> None:
    """Of 30 values 18 are 5, the limit of the assay: a molecule that is predicted there is not below 99 % of them.

    In the other unit its place is the same from the other side. For the desirability equal values count half, as among
    drugs.
    """
    measured = [5.0] * 18 + [5.5, 5.8, 6.0, *(6.5 + index / 10 for index in range(9))]
    trained_on = ["C" * (index + 1) for index in range(30)]
    options: dict[str, Any] = {"value": value, "unit": "pIC50", "measured": measured, "trained_on": trained_on}
    for display_unit, said in ((None, plain), ("nM", shown)):
        bundle = write(tmp_path / str(display_unit), display_unit=display_unit, direction=direction, **options)
        champion, estimate = Champion(bundle), Estimate("CCO", value, None, None, 1.0)
        assert wording.standing(champion, estimate) == said
        assert wording.band(wording.desirability(champion, estimate)) == band


def test_a_job_has_columns_for_it(client: Client) -> None:
    """Only for the endpoint that is shown in another unit."""
    job = client.post("/v1/jobs", json={"smiles": ["CCO", "CCC"]}).json()["id"]
    until = time.monotonic() + 20
    while client.get(f"/v1/jobs/{job}").json()["status"] != "done":
        assert time.monotonic() < until
        time.sleep(0.05)
    rows = list(csv.DictReader(io.StringIO(client.get(f"/v1/jobs/{job}/result", params={"format": "csv"}).text)))

    assert [float(row["herg_display_value"]) for row in rows] == [pytest.approx(1000.0)] * 2
    assert float(rows[0]["herg_display_lower"]) == pytest.approx(10**2.2)
    assert [name for name in rows[0] if name.startswith("solubility_logs_display")] == []


def test_a_bound_is_measured_in_the_shown_unit_and_kept_in_the_endpoints(client: Client, tmp_path: Path) -> None:
    """An IC50 above 10,000 nM is a pIC50 below 5, by the form and by the API; the answer names the model's side."""
    fields = {"smiles": "CCO", "endpoint": "herg", "source": "lab"}
    page = client.post("/page/measured", data={**fields, "value": ">10000"}, headers=FRAGMENT).text
    exact = client.post("/page/measured", data={**fields, "value": "100"}, headers=FRAGMENT).text
    small = client.post("/page/measured", data={**fields, "value": "0.004"}, headers=FRAGMENT).text
    bad = client.post("/page/measured", data={**fields, "value": "-3"}, headers=FRAGMENT)
    sent = {"smiles": "CCO", "endpoint": "herg", "value": 5.0, "relation": "<"}
    api = client.post("/v1/feedback", json={"measurements": [sent]})

    assert "You measured &gt; 10,000.00; the model says 1,000.00, which is on the other side" in page
    assert "You measured 100.00; the model says 1,000.00, and your value is outside" in exact
    assert "You measured 0.0040; the model says 1,000.00" in small, "which is no 0.00"
    assert (bad.status_code, "expected a value above zero in nM" in bad.text) == (422, True)
    assert api.json()["stored"] == 1
    with closing(PredictionLog(tmp_path / "record")) as record:
        rows = [(row.relation, round(row.value, 6)) for row in record.measurements("herg")]
    assert rows == [("<", 5.0), ("=", 7.0), ("=", 11.39794), ("<", 5.0)]


def test_an_explanation_says_what_raises_the_other_number(tmp_path: Path) -> None:
    """It explains a pIC50: what raises that lowers the number on the card. In kJ/mol both rise."""
    store = FolderStore(tmp_path / "store")
    options: dict[str, Any] = {"onnx_bias": 6.0, "explained": True}
    publish(store, tmp_path / "a", endpoint="herg", unit="pIC50", display_unit="nM", **options)
    publish(store, tmp_path / "b", endpoint="energy", unit="kcal/mol", display_unit="kJ/mol", **options)
    with TestClient(create_app(Settings(poll_seconds=0.02), store), base_url="http://127.0.0.1:8000") as client:
        said = {
            name: client.post("/page/why", data={"smiles": "CCO", "endpoint": name}, headers=FRAGMENT).text
            for name in ("herg", "energy")
        }

    assert "What raises it in pIC50 lowers it in nM." in said["herg"]
    assert "What raises it" not in said["energy"]
    assert "which is" in said["energy"]


def test_a_bound_that_cuts_a_small_number_is_told(tmp_path: Path) -> None:
    """The terms add up to 1.5e-9 m/s, and the card says 5e-9, the least that there can be."""
    store, target = FolderStore(tmp_path / "store"), Target(task="regression", lower=5e-9)
    options: dict[str, Any] = {"onnx_bias": 1e-9, "onnx_weights": (1e-11, 0.0, 0.0), "explained": True}
    publish(store, tmp_path / "a", endpoint="rate", unit="m/s", target=target, interval_half_width=1e-9, **options)
    with TestClient(create_app(Settings(poll_seconds=0.02), store), base_url="http://127.0.0.1:8000") as client:
        text = client.post("/page/why", data={"smiles": "CCO", "endpoint": "rate"}, headers=FRAGMENT).text

    assert "<dt>which is</dt><dd>5e\N{MINUS SIGN}09 m/s</dd>" in text


def test_neighbours_and_models_are_told_in_it(client: Client) -> None:
    """A bound's sign turns with the scale."""
    text = client.post("/page/why", data={"smiles": TRAINING[0], "endpoint": "herg"}, headers=FRAGMENT).text

    assert "&lt; 10,000.00</strong> nM" in text
    assert "the same molecule" in text
    assert "nM" in client.get("/models/herg").text
