"""Measured values over HTTP: what is stored, once, in the endpoint's unit, and what is refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from model_zoo.bundles.store import FolderStore
from model_zoo.data.targets import Target
from model_zoo.monitoring.prediction_log import PredictionLog
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish

Client = TestClient[Any]
LOG10, LOGIT = (
    Target(task="regression", transform="log10"),
    Target(task="regression", transform="logit", lower=0, upper=100),
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Run a service with an endpoint of each kind of unit."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="solubility_logs")
    publish(store, tmp_path / "b", endpoint="potency", value=6.0, unit="pIC50")
    publish(store, tmp_path / "c", endpoint="clearance", value=1.0, unit="mL/min/kg", target=LOG10)
    publish(store, tmp_path / "d", endpoint="bound", value=0.5, unit="%", target=LOGIT)
    publish(store, tmp_path / "e", endpoint="bbb", value=0.8, binary=True)
    with TestClient(create_app(Settings(poll_seconds=0.02, record=tmp_path / "record"), store)) as client:
        yield client


def sent(endpoint: str, value: float, smiles: str = "CCO", **fields: Any) -> dict[str, Any]:
    """Return a measurement as it is sent."""
    return {"smiles": smiles, "endpoint": endpoint, "value": value, **fields}


def report(client: Client, *measurements: dict[str, Any], key: str | None = None) -> Any:
    """Report measured values, under an idempotency key if there is one."""
    headers = {"idempotency-key": key} if key else {}
    return client.post("/v1/feedback", json={"measurements": list(measurements)}, headers=headers)


def codes(client: Client, *measurements: dict[str, Any]) -> list[str | None]:
    """Report measured values; give the code of each, none of what was stored."""
    return [each.get("error", {}).get("code") for each in report(client, *measurements).json()["measurements"]]


def stored(tmp_path: Path, endpoint: str = "solubility_logs") -> list[tuple[str | None, float]]:
    """Return the names and values that are in the record."""
    with closing(PredictionLog(tmp_path / "record")) as record:
        return [(row.name, row.value) for row in record.measurements(endpoint)]


@pytest.mark.parametrize(
    ("endpoint", "value"),
    [
        ("potency", 120.0), ("solubility_logs", 250.0), ("solubility_logs", 1e308), ("solubility_logs", -1e308),
        ("clearance", 0.0), ("clearance", -3.0), ("bound", 150.0), ("bound", -1.0),
    ],
)  # fmt: skip
def test_a_value_that_the_endpoint_cannot_have_is_refused(client: Client, endpoint: str, value: float) -> None:
    """A concentration sent as its logarithm, a share over 100 %, nothing that a logarithm has: none would count."""
    assert codes(client, sent(endpoint, value), sent(endpoint, value, relation="<")) == ["invalid-value"] * 2


def test_a_unit_may_be_written_in_any_way_that_means_the_same(client: Client) -> None:
    """So in files; what is shown of training molecules may be sent, and another unit is not converted."""
    same = [
        sent("bound", 95.0, unit="percent"),
        sent("solubility_logs", -1.0, unit="log10 mol/L "),
        sent("bbb", 1, unit="class"),
        sent("bbb", 1, unit="probability"),
    ]
    other = [sent("bound", 0.95, unit="fraction"), sent("potency", 7.0, unit="class"), sent("potency", 7.0, unit="")]
    assert codes(client, *same, *other) == [None] * 4 + ["wrong-unit"] * 3


def test_replicates_of_one_name_do_not_replace_each_other(client: Client, tmp_path: Path) -> None:
    """Only the last would be kept, and all be called stored: none is. What says the same twice is one measurement."""
    first, second, other = (sent("solubility_logs", value, name="A-17") for value in (-1.0, -2.0, -3.0))
    same = [sent("solubility_logs", -1.5, smiles, name="A-18") for smiles in ("CCN", "NCC")]
    elsewhere = sent("potency", 7.0, name="A-17")

    assert codes(client, first, *same, second, elsewhere, other) == [
        "ambiguous-name", None, None, "ambiguous-name", None, "ambiguous-name",
    ]  # fmt: skip
    assert stored(tmp_path) == [("A-18", -1.5)]


def test_an_idempotency_key_of_other_measurements_replaces_nothing(client: Client, tmp_path: Path) -> None:
    """The same request under it is stored once; another one is refused as a whole."""
    again = [report(client, sent("solubility_logs", -1.0), key="k").status_code for _ in range(2)]
    other = report(client, sent("solubility_logs", -2.0), sent("solubility_logs", -3.0), key="k")

    assert again == [200, 200]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")
    assert stored(tmp_path) == [("k 0", -1.0)]
