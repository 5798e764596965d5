"""One number per thing: what *Why?* adds up to is what the card shows; what a structure leaves open is reported."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from model_zoo.data.targets import Target
from model_zoo.uncertainty.calibration import ProbabilityRule
from model_zoo.uncertainty.fit import Uncertainty
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish

FRAGMENT = {"x-fragment": "results"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """Yield a service with a calibrated class, a value learnt as a logarithm, and one shown in another unit."""
    folder = tmp_path_factory.mktemp("numbers")
    store = FolderStore(folder / "store")
    rule = ProbabilityRule(slope=2.0, intercept=-0.5, threshold=0.4, margins=((0.3, 0.3),))
    publish(store, folder / "a", endpoint="herg", onnx_bias=0.1, onnx_weights=(0.002, 0.0, 0.0), binary=True,
            explained=True, trust=Uncertainty(probability=rule))  # fmt: skip
    publish(store, folder / "b", endpoint="clearance", onnx_bias=1.0, explained=True, unit="mL/min/kg",
            target=Target(task="regression", transform="log10"))  # fmt: skip
    publish(store, folder / "c", endpoint="potency", onnx_bias=9.0, explained=True, unit="pIC50", display_unit="nM")
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        yield client


@pytest.mark.parametrize("smiles", ["CC(=O)Oc1ccccc1C(=O)O", "CCO", "Clc1ccccc1"])
def test_what_why_adds_up_to_is_the_number_on_the_card(client: TestClient[Any], smiles: str) -> None:
    """Of a calibrated class the probability that is shown; of a logarithm, or another unit, the value in that unit."""
    card = client.post("/", data={"smiles": smiles}, headers=FRAGMENT).text
    for endpoint in ("herg", "clearance", "potency"):
        row = re.findall(rf'<tr data-endpoint="{endpoint}".*?</tr>', card, flags=re.DOTALL)[0]
        shown = re.findall(r'<span class="number">(.*?)</span> <span class="unit">(.*?)</span>', row)[0]
        why = client.post("/page/why", data={"smiles": smiles, "endpoint": endpoint}).text
        terms = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", html.unescape(why)))
        amounts = [float(each.split()[0].replace("\N{MINUS SIGN}", "-").replace(",", "")) for each in terms.values()][
            :4
        ]
        assert sum(amounts[:3]) == pytest.approx(amounts[3], abs=0.03)
        if endpoint == "herg":
            assert f"{100 * amounts[3]:.0f} %" == shown[0] or abs(100 * amounts[3] - float(shown[0][:-2])) < 1
        else:
            assert terms["which is"] == " ".join(shown)


def test_the_interface_explains_the_probability_that_it_gives(client: TestClient[Any]) -> None:
    """Over HTTP too: baseline, atoms and rest are the value of the same answer."""
    body = {"smiles": ["Clc1ccccc1", "OCCO"], "include": ["explanation"]}
    for entry in client.post("/v1/predict", json=body).json()["predictions"]:
        estimate = entry["endpoints"]["herg"]
        why = estimate["explanation"]
        assert why["scale"] == "probability"
        assert why["baseline"] + sum(why["atoms"]) + why["rest"] == pytest.approx(estimate["value"], abs=1e-6)


def test_configurations_that_are_open_or_not_told_apart_are_named(client: TestClient[Any], tmp_path: Path) -> None:
    """Centres and double bonds without one; mirror image, epimer and E/Z form in one sentence; else nothing."""
    opened, several, plain = (
        client.post("/", data={"smiles": smiles}, headers=FRAGMENT).text
        for smiles in ("CC(N)C(=O)OCC=CC", "C[C@H](N)[C@@H](O)/C=C/C", "CCO")
    )

    assert "Configuration left open: 1 centre and 1 double bond." in opened
    assert "Predicted alike for its mirror image, its epimer at one centre and its other E/Z form, which" in several
    assert "Predicted alike" not in plain
    assert "left open" not in plain
