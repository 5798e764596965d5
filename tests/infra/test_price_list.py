"""List prices of a region come from AWS's Price List, as its own model describes requests and answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.stub import Stubber

from ai_drug_assets.aws.cost import PRICES
from ai_drug_assets.aws.price_list import update
from model_zoo.errors import ConfigError

# Usage types and prices of the others that the list has beside what is wanted.
ANSWERS = {
    "AmazonEC2": {
        "Storage": [("EUN1-EBS:VolumeUsage.gp3", "0.0900"), ("EUN1-EBS:VolumeUsage.gp2", "0.1045")],
        "Storage Snapshot": [("EUN1-EBS:SnapshotUsage", "0.0510"), ("EUN1-EBS:SnapshotUsageUnderBilling", "0.0")],
    },
    "AmazonS3": {
        "Storage": [("EUN1-TimedStorage-ByteHrs", "0.0240"), ("EUN1-TimedStorage-SIA-ByteHrs", "0.0125")],
        "API Request": [("EUN1-Requests-Tier2", "0.0000004300"), ("EUN1-Requests-Tier1", "0.0000050000")],
    },
    "AmazonCloudWatch": {"Data Payload": [("EUN1-DataProcessing-Bytes", "0.5400")]},
}


def product(usage: str, usd: str) -> str:
    """Return a product as the list has it: a text of JSON, with a cheaper price for much of it."""
    prices = {
        "R.1": {"unit": "GB-Mo", "beginRange": "0", "endRange": "51200", "pricePerUnit": {"USD": usd}},
        "R.2": {"unit": "GB-Mo", "beginRange": "51200", "endRange": "Inf", "pricePerUnit": {"USD": "0.0010000000"}},
    }
    return json.dumps(
        {
            "product": {"productFamily": "x", "attributes": {"usagetype": usage}, "sku": "S"},
            "terms": {"OnDemand": {"S.O": {"priceDimensions": prices, "sku": "S"}}},
            "publicationDate": "2026-11-20T19:00:00Z",
        }
    )


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """Yield what answers instead of AWS."""
    client = boto3.client("pricing", region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    with Stubber(client) as made:
        yield made


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Return a copy of the repository's prices."""
    return Path(shutil.copy(PRICES, tmp_path))


def answer(stub: Stubber, kinds: dict[str, list[tuple[str, str]]], **changed: list[tuple[str, str]]) -> None:
    """Answer for each instance type, then for the rest, in the order of the command."""

    def add(service: str, fields: dict[str, str], found: list[tuple[str, str]]) -> None:
        filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
        body = {"FormatVersion": "aws_v1", "PriceList": [product(*one) for one in found]}
        stub.add_response("get_products", body, {"ServiceCode": service, "Filters": filters})

    for kind, found in kinds.items():
        linux = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
        add("AmazonEC2", {"regionCode": "eu-north-1", "instanceType": kind, **linux}, found)
    for service, families in ANSWERS.items():
        for family, found in families.items():
            add(service, {"regionCode": "eu-north-1", "productFamily": family}, changed.get(family, found))


def types(prices: Path) -> list[str]:
    """Return the instance types of eu-north-1."""
    return list(json.loads(prices.read_bytes())["regions"]["eu-north-1"]["instance_hour"])


def test_the_prices_of_a_region_are_those_of_the_list(stub: Stubber, prices: Path) -> None:
    """The first unit's, on demand; a type that is named is added; other regions stay, and the date is the list's."""
    before = json.loads(prices.read_bytes())
    wanted = [*types(prices), "m8g.large"]
    hours = {kind: f"0.{number + 11}" for number, kind in enumerate(wanted)}
    answer(stub, {kind: [(f"EUN1-BoxUsage:{kind}", usd)] for kind, usd in hours.items()})

    update("eu-north-1", ("m8g.large",), prices=prices)

    stub.assert_no_pending_responses()

    after = json.loads(prices.read_bytes())
    made = after["regions"].pop("eu-north-1")
    assert made["instance_hour"] == {kind: float(usd) for kind, usd in hours.items()}
    assert {name: value for name, value in made.items() if name != "instance_hour"} == {
        "as_of": "2026-11",
        "gp3_gib_month": 0.09,
        "snapshot_gib_month": 0.051,
        "s3_gib_month": 0.024,
        "s3_thousand_reads": 0.00043,
        "logs_gib": 0.54,
    }
    before["regions"].pop("eu-north-1")
    assert after == before


@pytest.mark.parametrize("found", [[], [("EUN1-EBS:SnapshotUsage", "0.05"), ("EBS:SnapshotUsage", "0.06")]])
def test_a_price_that_is_not_one_changes_nothing(stub: Stubber, prices: Path, found: list[tuple[str, str]]) -> None:
    """None, or two that differ: neither is taken."""
    before = prices.read_bytes()
    hours = {kind: [(f"EUN1-BoxUsage:{kind}", "0.1")] for kind in types(prices)}
    answer(stub, hours, **{"Storage Snapshot": found})

    with pytest.raises(ConfigError, match=f"has {len(found)} prices for Storage Snapshot EBS:SnapshotUsage"):
        update("eu-north-1", prices=prices)

    assert prices.read_bytes() == before


def test_an_unknown_region_wants_an_instance_type(stub: Stubber, prices: Path) -> None:
    """Before AWS is asked."""
    with pytest.raises(ConfigError, match="does not know eu-south-2: name an instance type"):
        update("eu-south-2", prices=prices)
