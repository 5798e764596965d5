"""What is reported of reliability: over HTTP, on the page and to agents, and nothing where a bundle has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from litestar.testing import TestClient

from model_zoo.bundles.manifest import Manifest
from model_zoo.bundles.store import FolderStore
from model_zoo.config.screen import Screen
from model_zoo.data.targets import Target
from model_zoo.inference.screening import find_shards, predict_shard
from model_zoo.uncertainty.conformal import IntervalRule
from model_zoo.uncertainty.fit import Uncertainty
from model_zoo.uncertainty.reliability import Levels
from serving.agents.wording import summarise
from serving.app import create_app
from serving.page.wording import usual_error
from serving.settings import Settings
from tests.bundle_factory import TRAINING, publish, write

KNOWN, POLYMER = "CCO", "C" * 150
RULE = IntervalRule(center=(0.0,) * 3, spread=(1.0,) * 3, weights=(-1.0, 3.0, 0.0, 1.0), low=-2.0, high=2.0, factor=2.0)
LEVELS = Levels(high_below=0.5, low_from=3.0, usual=(0.3, 0.9, 4.0), farthest=(0.9, 5.0))


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Ask for a training molecule and a polymer: a champion with levels, and one without."""
    folder = tmp_path_factory.mktemp("told")
    store = FolderStore(folder / "store")
    errors = np.full(len(TRAINING), 0.4).tolist()
    trust = Uncertainty(interval=RULE, levels=LEVELS)
    publish(store, folder / "a", endpoint="logs", onnx_bias=0.0, trust=trust, errors=errors)
    publish(store, folder / "b", endpoint="plain", onnx_bias=0.0)
    with TestClient(create_app(Settings(poll_seconds=0.02, record=folder / "record"), store)) as client:
        found = client.post("/v1/predict", json={"smiles": [KNOWN, POLYMER]}).json()["predictions"]
        page = client.post("/", data={"smiles": f"{KNOWN}\n{POLYMER}"}).text
        sent = [{"smiles": smiles, "endpoint": "logs", "value": 0.5} for smiles in (KNOWN, POLYMER)]
        reported = [
            client.post("/page/measured", data=each | {"value": "0.5"}, headers={"x-fragment": "part"}).text
            for each in sent
        ]
        answers = client.post("/v1/feedback", json={"measurements": sent}).json()["measurements"]
        tensor = {"name": "smiles", "shape": [3], "datatype": "BYTES", "data": [KNOWN, POLYMER, "no molecule"]}
        responses = {
            name: client.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]}) for name in ("logs", "plain")
        }
    shown = {"page": page, "reported": reported, "compared": [each["prediction"] for each in answers]}
    return [*found, shown, {name: answer.json()["outputs"] for name, answer in responses.items()}]


def test_the_answer_tells_level_and_usual_error(entries: list[dict[str, Any]]) -> None:
    """A training molecule is of high reliability; of a polymer no error is known, and `domain` says so too."""
    known, polymer = (each["endpoints"]["logs"] for each in entries[:2])
    names = ("reliability", "usual_error", "usual_error_unit", "domain")

    assert [known[name] for name in names] == ["high", 0.3, "log10 mol/L", "inside"]
    assert [polymer[name] for name in names] == ["low", None, "log10 mol/L", "outside"]
    widths = [each["interval"][1] - each["interval"][0] for each in (known, polymer)]
    assert widths[1] == pytest.approx(2 * RULE.factor * np.exp(RULE.high))
    assert widths[0] < widths[1] / 10


def test_the_open_inference_protocol_tells_it_too(entries: list[dict[str, Any]]) -> None:
    """Levels and usual errors are at the molecules' places; null where there is no prediction or no level."""
    logs, plain = ({tensor["name"]: tensor for tensor in entries[3][name]} for name in ("logs", "plain"))

    assert logs["reliability"]["data"] == ["high", "low", None]
    assert logs["reliability"]["datatype"] == "BYTES"
    assert logs["usual_error"]["data"] == [0.3, None, None]
    assert plain["reliability"]["data"] == plain["usual_error"]["data"] == [None, None, None]


def test_a_screen_tells_it_too(tmp_path: Path) -> None:
    """Levels and usual errors are columns of a screen's result."""
    trust, errors = Uncertainty(interval=RULE, levels=LEVELS), np.full(len(TRAINING), 0.4).tolist()
    bundle = write(tmp_path / "bundle", endpoint="logs", onnx_bias=0.0, trust=trust, errors=errors)
    pq.write_table(pa.table({"smiles": [KNOWN, "no molecule", POLYMER]}), tmp_path / "lib.parquet")
    screen = Screen(name="s", description="", library=str(tmp_path / "lib.parquet"), endpoints=("logs",))
    (shard,) = find_shards(screen)[0]
    table = predict_shard(screen, shard, {"logs": bundle})

    assert table.column("logs_reliability").to_pylist() == ["high", None, "low"]
    assert table.column("logs_usual_error").to_pylist() == [pytest.approx(0.3), None, None]


def test_the_page_promises_no_share_where_no_error_is_known(entries: list[dict[str, Any]]) -> None:
    """The training molecule's card states level and error; the polymer's interval is not called one of 90 %."""
    first, second = (card.split("</article>")[0] for card in entries[2]["page"].split("<article")[1:3])

    assert "High reliability" in first
    assert "usual error here: 0.3 log units" in first
    assert "Low reliability" in second
    assert "perhaps: " in second
    assert second.count("90&nbsp;%: ") == 1, "that of the champion without levels"


def test_a_measured_value_is_compared_with_what_is_known(entries: list[dict[str, Any]]) -> None:
    """The sentence after a report promises no share where no error is known, and the answer over HTTP says as much."""
    near, far = entries[2]["reported"]
    known, polymer = entries[2]["compared"]

    assert "its interval of about 90 %" in near
    assert "90 %" not in far
    assert "no error is known for molecules like this one" in far
    assert (known["reliability"], known["usual_error"], known["usual_error_unit"]) == ("high", 0.3, "log10 mol/L")
    assert (polymer["reliability"], polymer["usual_error"]) == ("low", None)


def test_an_older_champion_tells_none(entries: list[dict[str, Any]]) -> None:
    """Without levels there is no reliability, and the domain is decided by similarity as before."""
    known, polymer = (each["endpoints"]["plain"] for each in entries[:2])

    assert {known["reliability"], polymer["usual_error"], polymer["usual_error_unit"]} == {None}
    assert (known["domain"], polymer["domain"]) == ("inside", "outside")


def test_agents_are_told_to_guess_where_no_error_is_known(entries: list[dict[str, Any]]) -> None:
    """A caution for the polymer, by what is known of it; none for the training molecule."""
    known, polymer = (summarise(each)["predictions"] for each in entries[:2])

    assert known["logs"]["cautions"] == []
    assert "the error is not known" in polymer["logs"]["cautions"][0]
    assert "low reliability" in polymer["plain"]["cautions"][0]
    assert (known["logs"]["usual_error"], "usual_error" in polymer["logs"]) == (0.3, False)


@pytest.mark.parametrize(
    ("fields", "error", "expected"),
    [
        ({"unit": "kcal/mol"}, 0.58, "usual error here: 0.58 kcal/mol"),
        ({"unit": "log10 mol/L"}, 0.61, "usual error here: 0.61 log units"),
        ({"unit": "mL/min", "target": Target(task="regression", transform="log10")}, 0.3, "a factor of 2"),
        (
            {"unit": "%", "target": Target(task="regression", transform="logit", lower=0, upper=100)},
            0.5,
            "12 % in the middle of the range, less near its ends",
        ),
        ({"unit": "mg/L", "target": Target(task="regression", transform="log1p")}, 0.5, "a factor of 1.6 in the value"),
        ({"unit": "pIC50"}, 0.55, "usual error here: 0.55 pIC50"),
        ({"unit": "pIC50", "display_unit": "nM"}, 0.55, "usual error here: a factor of 3.5"),
        ({"unit": "pIC50", "display_unit": "log10 nM"}, 0.55, "usual error here: 0.55 log units"),
        ({"unit": "kcal/mol", "display_unit": "kJ/mol"}, 0.5, "usual error here: 2.1 kJ/mol"),
        (
            {"unit": "nM", "display_unit": "uM", "target": Target(task="regression", transform="log1p")},
            0.5,
            "a factor of 1.6 in the value in nM plus one",
        ),
        (
            {"unit": "pIC50", "display_unit": "nM", "target": Target(task="regression", transform="log1p")},
            0.05,
            "a factor of 1.1 in the value in pIC50 plus one",
        ),
        (
            {"unit": "pIC50", "display_unit": "nM", "target": Target(task="regression", transform="log10")},
            0.05,
            "a factor of 1.1 in the value in pIC50",
        ),
        ({"binary": True}, 0.125, "share wrong here: 12 in 100"),
        ({"unit": "kcal/mol"}, None, "the error here is not known"),
    ],
)
def test_the_usual_error_in_words(tmp_path: Path, fields: dict[str, Any], error: float | None, expected: str) -> None:
    """On the scale of the endpoint, as a chemist reads it."""
    manifest: Manifest = write(tmp_path / "bundle", value=0.5, **fields).manifest

    assert expected in usual_error(manifest, error)
