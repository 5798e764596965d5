"""What a deployment costs: an idle month and one training, from Terraform's plan and the repository's dated prices."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_zoo.errors import ConfigError
from model_zoo.type_aliases import Json

from ai_drug_assets.settings import ROOT

PRICES = ROOT / "infra" / "prices.json"


@dataclass(frozen=True)
class Line:
    """One thing that costs: how much of it, at which price."""

    what: str
    amount: float
    unit: str
    price_usd: float

    @property
    def usd(self) -> float:
        """US dollars."""
        return self.amount * self.price_usd

    def as_text(self) -> str:
        """Return the line with its arithmetic."""
        return f"  {self.what:<44} {self.amount:>7g} {self.unit:<12} x {self.price_usd:<7g} = {self.usd:8.2f}"


@dataclass(frozen=True)
class Estimate:
    """An estimate in US dollars."""

    region: str
    as_of: str
    month: list[Line]
    """What a month costs in which nothing is trained."""
    training: list[Line]
    """What one training adds to it."""

    def as_text(self) -> str:
        """Return both with their arithmetic."""
        return "\n".join(
            [
                f"Estimate for {self.region}, list prices of {self.as_of} in US dollars, no free tier, no tax.",
                "Today's come from AWS with `aidrug host prices`; they are kept in infra/prices.json.",
                "An idle month:",
                *(line.as_text() for line in self.month),
                f"  {'together':<78} {sum(line.usd for line in self.month):8.2f}",
                "One training adds:",
                *(line.as_text() for line in self.training),
                f"  {'together':<78} {sum(line.usd for line in self.training):8.2f}",
            ]
        )


def estimate(plan: dict[str, Json], *, training_hours: float = 1.0, prices: Path = PRICES) -> Estimate:
    """Estimate from the output of `terraform show -json PLAN`.

    Raises
    ------
    ConfigError
        When this is no plan, or the list has no price for its region or an instance type.
    """
    if not isinstance(plan.get("planned_values"), dict):
        raise ConfigError("no 'planned_values' in this file: expected the output of `terraform show -json PLAN`")
    table = json.loads(prices.read_bytes())
    region = _variable(plan, "region")
    if region not in table["regions"]:
        raise ConfigError(
            f"no prices for the region {region!r}: {prices.name} has {', '.join(table['regions'])}. Add it: "
            f"aidrug host prices {region or 'REGION'} INSTANCE_TYPE"
        )
    here, everywhere, assumed = table["regions"][region], table["everywhere"], table["assumptions"]
    resources = list(_resources(plan["planned_values"]["root_module"]))
    hours = everywhere["hours_in_a_month"]
    address = everywhere["public_address_hour"]
    month: list[Line] = []
    training: list[Line] = []
    for kind, values in resources:
        if kind == "aws_ebs_volume":
            month.append(Line(f"disk, {values['tags']['Name']}", values["size"], "GiB-month", here["gp3_gib_month"]))
        if kind != "aws_instance":
            continue
        name, price = values["tags"]["Name"], _instance_price(values["instance_type"], region, here, prices)
        what = f"{values['instance_type']}, {name}"
        disk = values["root_block_device"][0]["volume_size"]
        month.append(Line(f"system disk, {name}", disk, "GiB-month", here["gp3_gib_month"]))
        always = values["tags"]["role"] == "serve" or values["tags"]["shutdown"] == "never"
        runs = hours if always else training_hours
        costs = [Line(what, runs, "h", price), Line(f"public address, {name}", runs, "h", address)]
        (month if always else training).extend(costs)
    month += [
        *_watching(resources, everywhere, assumed),
        Line("snapshots (assumed)", assumed["snapshot_gib"], "GiB-month", here["snapshot_gib_month"]),
        Line("S3 (assumed)", assumed["s3_gib"], "GiB-month", here["s3_gib_month"]),
        Line("S3, polling by the service", _looks(hours), "1000 reads", here["s3_thousand_reads"]),
        Line("logs taken in (assumed)", assumed["logs_gib"], "GiB", here["logs_gib"]),
    ]
    if not training:
        training = [_training_on(kind, training_hours, everywhere) for kind in _instance_types(resources)]
    dated = sorted({here["as_of"], everywhere["as_of"]})
    return Estimate(region, " to ".join(dated), month, training)


def _watching(
    resources: list[tuple[str, dict[str, Json]]], everywhere: dict[str, Json], assumed: dict[str, Json]
) -> list[Line]:
    """Return what alarms cost in a month, the numbers they look at, and the page that shows them."""
    count = Counter(kind for kind, _ in resources)
    of_a_host = assumed["agent_metrics_per_host"] + assumed["detailed_metrics_per_host"]
    metrics = count["aws_cloudwatch_log_metric_filter"] + count["aws_instance"] * of_a_host
    lines = [
        Line("alarms", count["aws_cloudwatch_metric_alarm"], "alarms", everywhere["alarm_month"]),
        Line("metrics", metrics, "metrics", everywhere["metric_month"]),
        Line("dashboard", count["aws_cloudwatch_dashboard"], "dashboards", everywhere["dashboard_month"]),
    ]
    return [line for line in lines if line.amount]


def _looks(hours: float) -> int:
    """Return how many thousand times the service reads its pointer and the pipeline's progress in as many hours."""
    from serving.champions.training_progress import OTHER_SECONDS
    from serving.settings import Settings

    return round(hours * 3.6 * (1 / Settings.poll_seconds + 1 / OTHER_SECONDS))


def _variable(plan: dict[str, Json], name: str) -> str:
    return str(plan.get("variables", {}).get(name, {}).get("value", ""))


def _resources(module: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    for resource in module.get("resources", []):
        if resource.get("mode") == "managed":
            yield resource["type"], resource.get("values", {})  # absent when nothing of it is known yet
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _instance_types(resources: list[tuple[str, dict[str, Json]]]) -> list[str]:
    return [str(values["instance_type"]) for kind, values in resources if kind == "aws_instance"]


def _training_on(instance_type: str, hours: float, everywhere: dict[str, Json]) -> Line:
    """Return what a training costs on a host that runs anyway: a burstable one pays for work above its baseline."""
    family, size = instance_type.split(".")
    if (price := everywhere["burst_vcpu_hour"].get(family)) is None:
        return Line("on the serving host, which runs anyway", hours, "h", 0.0)
    return Line("processor credits on the serving host, at most", hours * everywhere["vcpus"][size], "vCPU-h", price)


def _instance_price(instance_type: str, region: str, here: dict[str, Json], prices: Path) -> float:
    price = here["instance_hour"].get(instance_type)
    if price is None:
        raise ConfigError(
            f"no price for {instance_type} in {region}: add it to {prices.name} with "
            f"`aidrug host prices {region} {instance_type}`, then estimate again"
        )
    return float(price)
