"""The commands `aidrug deploy` and `aidrug host`.

Belongs here: their arguments and what they print. Does not belong here: the work (see `aws/deploy.py`, `aws/hosts.py`,
`aws/cost.py`). It imports neither Dagster nor a model library: a workflow installs click and boto3 for it.
"""

from __future__ import annotations

import json
import re
import time
from typing import TextIO

import click
from model_zoo.errors import ConfigError

from ai_drug_assets.aws.hosts import Host, Target
from ai_drug_assets.revision import checkout_sha
from ai_drug_assets.settings import ROOT, TIMEOUT_MINUTES


@click.command()
@click.option("--sha", help="The revision; by default the checkout's. Its images must be in the registry.")
@click.option(
    "--timeout-minutes",
    type=click.IntRange(1, 2880),
    default=TIMEOUT_MINUTES,
    envvar="AIDRUG_TIMEOUT_MINUTES",
    show_default=True,
    show_envvar=True,
)
def deploy(sha: str | None, timeout_minutes: int) -> None:
    """Train what a revision makes stale on its host and swap it in; go back if it is not healthy."""
    from ai_drug_assets.aws.deploy import deploy as work

    revision = sha or checkout_sha(ROOT)
    work(Target.from_env(), revision, click.echo, timeout_seconds=timeout_minutes * 60)
    click.echo(f"{revision} is deployed")


@click.group()
def host() -> None:
    """Inspect, start and stop the host in AWS."""


_training = click.option("--training", is_flag=True, help="The host that only trains.")


def _host(*, training: bool, quiet: bool = False) -> Host:
    target = Target.from_env()
    if training and not target.training_instance_id:
        raise ConfigError("AIDRUG_TRAINING_INSTANCE_ID not set: this deployment has no host that only trains")
    return Host(
        target, target.training_instance_id if training else target.instance_id, _silent if quiet else click.echo
    )


@host.command()
@_training
def status(*, training: bool) -> None:
    """Show the host, what runs on it, and how to reach the UIs."""
    from ai_drug_assets.aws.deploy import require_success

    one = _host(training=training)
    described = one.describe()
    state, managed = described["State"]["Name"], one.managed()
    click.echo(f"{one.instance_id}  {described['InstanceType']}  {state}, {'' if managed else 'not '}managed by SSM")
    if state != "running":
        click.echo(f"Bring it up: aidrug host start{' --training' if training else ''}")
        return
    if not managed:
        click.echo("SSM does not see it. A host that has just started takes two minutes; then: aidrug host logs")
        return
    require_success(one.run("status", timeout_seconds=900), "the status check", one.instance_id)
    if training:
        return
    for name, port in (("Dagster", 3000), ("MLflow", 5000)):
        click.echo(
            f"{name}: aws ssm start-session --target {one.instance_id} --document-name AWS-StartPortForwardingSession "
            f"--parameters portNumber={port},localPortNumber={port}   then http://127.0.0.1:{port}"
        )


@host.command()
@_training
def start(*, training: bool) -> None:
    """Start the host and wait until SSM manages it."""
    one = _host(training=training)
    click.echo(f"{one.instance_id} {'was started' if one.start() else 'was running'}")


@host.command()
@_training
@click.option("--even-if-it-serves", is_flag=True, help="Required to stop the host that serves.")
def stop(*, training: bool, even_if_it_serves: bool) -> None:
    """Stop the host. Its disks stay, and so does all its state."""
    _host(training=training).stop(even_if_it_serves=even_if_it_serves)


@host.command()
def plan() -> None:
    """List what the deployed revision would train on the host, and why."""
    from ai_drug_assets.aws.deploy import require_success

    one = _host(training=False)
    require_success(one.run("plan", timeout_seconds=600), "the plan", one.instance_id)


@host.command()
def rollback() -> None:
    """Put the previous revision back on the host. Champions stay; `aidrug rollback` is for those."""
    from ai_drug_assets.aws.deploy import require_success

    one = _host(training=False)
    require_success(one.run("rollback", timeout_seconds=1800), "the rollback", one.instance_id)


@host.command()
@click.option("--sha", help="The revision for a new host, on which none is deployed yet.")
def restore(sha: str | None) -> None:
    """Restore the newest backup to the host's data disk, new or not, and start what is deployed."""
    from ai_drug_assets.aws.deploy import require_sha, require_success

    if sha is not None:
        require_sha(sha)
    one = _host(training=False)
    one.start()
    require_success(one.run("restore", sha=sha or "none"), "the restore", one.instance_id)


@host.command()
def certificate() -> None:
    """Print the certificate of the host's own authority, for `curl --cacert`, if Let's Encrypt does not sign."""
    from ai_drug_assets.aws.deploy import require_success

    one = _host(training=False, quiet=True)
    ended = one.run("certificate", timeout_seconds=900)
    require_success(ended, "reading the certificate", one.instance_id)
    found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", ended.output, re.DOTALL)
    if found is None:
        raise ConfigError("the host printed no certificate. See aidrug host logs")
    click.echo(found.group())


@host.command()
@click.option(
    "--group", type=click.Choice(["host", "commands", "containers", "probe"]), default="host", show_default=True
)
@click.option("--since", default="24h", show_default=True, help="How far back: 30m, 24h, 7d.")
def logs(group: str, since: str) -> None:
    """Print the deployment's logs, oldest first, even while the host is stopped."""
    for at, text in _host(training=False).log(group, _seconds(since)):
        line = _container_line(text) if group == "containers" else text
        click.echo(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(at))}  {line}")


@host.command()
@click.argument("plan_file", type=click.File("r"))
@click.option("--training-hours", type=click.FloatRange(0), default=1.0, show_default=True, help="Hours of a training.")
def cost(plan_file: TextIO, training_hours: float) -> None:
    """Estimate the cost of a month from PLAN_FILE, the output of `terraform show -json PLAN` (`-`: stdin)."""
    from ai_drug_assets.aws.cost import estimate

    try:
        content = json.load(plan_file)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{plan_file.name}: expected the output of `terraform show -json PLAN`: {error}") from error
    click.echo(estimate(content, training_hours=training_hours).as_text())


@host.command()
@click.argument("region")
@click.argument("instance_types", nargs=-1)
def prices(region: str, instance_types: tuple[str, ...]) -> None:
    """Put a region's list prices of today, from AWS, into infra/prices.json (needs the right `pricing:GetProducts`)."""
    from ai_drug_assets.aws.faults import explained
    from ai_drug_assets.aws.price_list import update

    with explained(region=region):
        found = update(region, instance_types)
    click.echo(
        f"infra/prices.json has the list prices of {region} of {found['as_of']}. Look: git diff infra/prices.json"
    )


def _silent(line: str) -> None:
    """Say nothing: what is printed goes to a file."""


def _container_line(text: str) -> str:
    r"""Return which container said what, from a line as Docker writes it to a file.

    Examples
    --------
    >>> _container_line('{"log": "ready\\n", "stream": "stdout", "attrs": {"com.docker.compose.service": "code"}}')
    'code  ready'
    >>> _container_line("not Docker's")
    "not Docker's"
    """
    try:
        line = json.loads(text)
        return f"{line['attrs']['com.docker.compose.service']}  {line['log'].rstrip()}"
    except (ValueError, LookupError, TypeError):
        return text


def _seconds(text: str) -> float:
    """Read a span of time.

    Examples
    --------
    >>> _seconds("30m")
    1800.0
    """
    found = re.fullmatch(r"(\d+)([mhd])", text)
    if found is None:
        raise ConfigError(f"--since: expected minutes, hours or days such as 30m, 24h or 7d, got {text!r}")
    return float(found.group(1)) * {"m": 60, "h": 3600, "d": 86400}[found.group(2)]
