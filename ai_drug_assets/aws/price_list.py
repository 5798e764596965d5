"""List prices of a region from AWS's Price List, into the repository's dated prices.

Belongs here: which product of the list is meant by which price. Does not belong here: what a deployment takes of it
(see `cost.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_zoo.errors import ConfigError
from model_zoo.type_aliases import Json

from ai_drug_assets.aws.cost import PRICES

INSTANCE = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
PRODUCTS = {
    "gp3_gib_month": ("AmazonEC2", {"productFamily": "Storage"}, "EBS:VolumeUsage.gp3", 1),
    "snapshot_gib_month": ("AmazonEC2", {"productFamily": "Storage Snapshot"}, "EBS:SnapshotUsage", 1),
    "s3_gib_month": ("AmazonS3", {"productFamily": "Storage"}, "TimedStorage-ByteHrs", 1),
    "s3_thousand_reads": ("AmazonS3", {"productFamily": "API Request"}, "Requests-Tier2", 1000),
    "logs_gib": ("AmazonCloudWatch", {"productFamily": "Data Payload"}, "DataProcessing-Bytes", 1),
}
"""Of each price: service, attributes, usage type less what names the region, and how many units it is for."""


def update(region: str, instance_types: tuple[str, ...] = (), *, prices: Path = PRICES) -> Json:
    """Ask AWS for every price of a region and write them into the repository's file; return them.

    Raises
    ------
    ConfigError
        When the list has none, or several, for something; the file is as it was.
    """
    import boto3

    client = boto3.client("pricing", region_name="us-east-1")  # the list of all regions
    table = json.loads(prices.read_bytes())
    regions = table["regions"]
    kinds = tuple(dict.fromkeys((*regions.get(region, {}).get("instance_hour", ()), *instance_types)))
    if not kinds:
        raise ConfigError(f"{prices.name} does not know {region}: name an instance type whose price is wanted, too")
    dates: list[str] = []

    def ask(service: str, wanted: dict[str, str], usage: str = ".*") -> float:
        found = list(_products(client, service, {"regionCode": region, **wanted}, usage))
        costs = {_first_price(one) for one in found} - {0.0}
        if len(costs) != 1:
            raise ConfigError(
                f"AWS's price list has {len(costs)} prices for {' '.join(wanted.values())} {usage} in {region}, "
                f"expected one. Note it by hand in {prices.name}."
            )
        dates.extend(one["publicationDate"] for one in found)
        return costs.pop()

    hours = {kind: ask("AmazonEC2", {"instanceType": kind, **INSTANCE}) for kind in kinds}
    rest = {
        name: float(f"{ask(service, wanted, usage) * units:.9g}")
        for name, (service, wanted, usage, units) in PRODUCTS.items()
    }
    regions[region] = {"as_of": min(dates)[:7], "instance_hour": hours, **rest}
    prices.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    return regions[region]


def _products(client: Any, service: str, wanted: dict[str, str], usage: str) -> Iterator[dict[str, Json]]:
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
    for page in client.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters):
        for line in page["PriceList"]:
            product = json.loads(line)
            if re.fullmatch(rf"([A-Z0-9]+-)?({usage})", product["product"]["attributes"]["usagetype"]):
                yield product


def _first_price(product: dict[str, Json]) -> float:
    """Return the price of the first unit, on demand, in US dollars."""
    (term,) = product["terms"]["OnDemand"].values()
    (price,) = (
        float(one["pricePerUnit"]["USD"]) for one in term["priceDimensions"].values() if one["beginRange"] == "0"
    )
    return price
