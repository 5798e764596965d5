"""A host in AWS, seen from outside: its state, starting and stopping it, running the SSM document, reading its logs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from model_zoo.errors import ConfigError
from model_zoo.type_aliases import Json

from ai_drug_assets.aws.faults import HostError, explained
from ai_drug_assets.settings import TIMEOUT_MINUTES

Say = Callable[[str], None]
ENDED = {"Success", "Failed", "TimedOut", "Cancelled", "Undeliverable", "Terminated"}


@dataclass(frozen=True)
class Target:
    """Which deployment is meant."""

    region: str
    """AWS region: `AWS_REGION`."""
    instance_id: str
    """The host that serves: `AIDRUG_INSTANCE_ID`."""
    document: str
    """Name of the SSM document: `AIDRUG_DOCUMENT`."""
    training_instance_id: str = ""
    """The host that only trains: `AIDRUG_TRAINING_INSTANCE_ID`; empty or `none` when there is none."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Target:
        """Read the environment."""
        env = os.environ if env is None else env
        found = {
            "AWS_REGION": env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "",
            "AIDRUG_INSTANCE_ID": env.get("AIDRUG_INSTANCE_ID", ""),
            "AIDRUG_DOCUMENT": env.get("AIDRUG_DOCUMENT", ""),
        }
        if missing := [name for name, value in found.items() if not value]:
            raise ConfigError(
                f"{', '.join(missing)} not set. `terraform -chdir=infra/terraform output -raw next_steps` prints the "
                "line that sets them."
            )
        training = env.get("AIDRUG_TRAINING_INSTANCE_ID", "")
        training = "" if training == "none" else training
        for name, value in (
            ("AIDRUG_INSTANCE_ID", found["AIDRUG_INSTANCE_ID"]),
            ("AIDRUG_TRAINING_INSTANCE_ID", training),
        ):
            if value and not re.fullmatch(r"i-[0-9a-f]{8,17}", value):
                raise ConfigError(f"{name}: expected an instance id such as i-0123456789abcdef0, got {value!r}")
        return cls(found["AWS_REGION"], found["AIDRUG_INSTANCE_ID"], found["AIDRUG_DOCUMENT"], training)

    @property
    def log_groups(self) -> dict[str, str]:
        """Names of the deployment's log groups, as Terraform makes them."""
        name = self.document.removesuffix("-host")
        return {group: f"/{name}/{group}" for group in ("host", "commands", "containers", "probe")}


@dataclass(frozen=True)
class Pace:
    """How often AWS is asked, and for how long, in seconds."""

    poll: float = 3.0
    change: float = 600.0
    """For an instance to start or stop, and for SSM to manage it."""
    renew: float = 300.0
    """How often the host that serves is reminded of a training elsewhere; it waits for half an hour each time."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: str
    code: int
    output: str


@cache
def clients(region: str) -> tuple[Any, Any, Any]:
    """Return the clients of EC2, SSM and CloudWatch Logs; making them takes a second, so once per process."""
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=10, read_timeout=60)
    session = boto3.session.Session(region_name=region)
    return (
        session.client("ec2", config=config),
        session.client("ssm", config=config),
        session.client("logs", config=config),
    )


class Host:
    """One instance of a deployment."""

    def __init__(self, target: Target, instance_id: str, say: Say, pace: Pace | None = None) -> None:
        self._ec2, self._ssm, self._logs = clients(target.region)
        self._target, self.instance_id, self._say, self._pace = target, instance_id, say, pace or Pace()

    def _explained(self, **names: str) -> Any:
        return explained(instance=self.instance_id, region=self._target.region, document=self._target.document, **names)

    def describe(self) -> dict[str, Json]:
        """Return what EC2 says of the instance."""
        with self._explained():
            answer = self._ec2.describe_instances(InstanceIds=[self.instance_id])
        instance: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
        return instance

    def state(self) -> str:
        """Return its state: pending, running, stopping, stopped, shutting-down or terminated."""
        return str(self.describe()["State"]["Name"])

    def tags(self) -> dict[str, str]:
        """Return its tags."""
        return {tag["Key"]: tag["Value"] for tag in self.describe().get("Tags", [])}

    def managed(self) -> bool:
        """Return whether SSM is in contact with its agent."""
        wanted = [{"Key": "InstanceIds", "Values": [self.instance_id]}]
        with self._explained():
            found = self._ssm.describe_instance_information(Filters=wanted)["InstanceInformationList"]
        return any(one["PingStatus"] == "Online" for one in found)

    def start(self) -> bool:
        """Bring it up until SSM manages it; give whether it had to be started."""
        state = self.state()
        if state in ("terminated", "shutting-down"):
            raise HostError(
                f"{self.instance_id} is {state}: it will not start again. Make a new host with `terraform apply`, then "
                "set what `terraform output settings` prints, its AIDRUG_INSTANCE_ID among it; its data disk is kept."
            )
        if state == "stopping":
            self._say(f"{self.instance_id} is stopping; waiting until it has stopped")
            self._until(lambda: self.state() == "stopped", "it did not stop")
            state = "stopped"
        started = state == "stopped"
        if started:
            self._say(f"starting {self.instance_id}")
            with self._explained():
                self._ec2.start_instances(InstanceIds=[self.instance_id])
        self._until(lambda: self.state() == "running", "it did not start")
        if not self.managed():
            self._say(f"{self.instance_id} runs; waiting until SSM manages it")
        self._until(
            self.managed,
            "SSM does not manage it. Does the agent run, has the instance its profile, does it reach the internet? "
            "`aws ssm describe-instance-information` lists what SSM sees",
        )
        return started

    def stop(self, *, even_if_it_serves: bool = False) -> None:
        """Stop it and wait until it has stopped.

        Raises
        ------
        HostError
            When it is the host that serves and that was not said.
        """
        if self.tags().get("role", "serve") == "serve" and not even_if_it_serves:
            raise HostError(
                f"{self.instance_id} serves: stopping it takes the service down. If that is meant: "
                "aidrug host stop --even-if-it-serves"
            )
        if self.state() in ("stopped", "terminated"):
            self._say(f"{self.instance_id} is stopped")
            return
        with self._explained():
            self._ec2.stop_instances(InstanceIds=[self.instance_id])
        self._until(lambda: self.state() == "stopped", "it did not stop")
        self._say(f"{self.instance_id} is stopped")

    def run(
        self,
        action: str,
        *,
        sha: str = "none",
        timeout_seconds: int = TIMEOUT_MINUTES * 60,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Ended:
        """Run the document on the host, pass on what it prints while it runs, and give how it ended.

        Ctrl-C, or any fault here, cancels the command. While it runs, `meanwhile` is called every few seconds.
        """
        command_id = self.send(action, sha=sha, timeout_seconds=timeout_seconds)
        try:
            return self._follow(command_id, timeout_seconds, meanwhile)
        except BaseException:
            self._say(f"cancelling the command {command_id}")
            with self._explained():
                self._ssm.cancel_command(CommandId=command_id, InstanceIds=[self.instance_id])
            raise

    def send(self, action: str, *, sha: str = "none", timeout_seconds: int = TIMEOUT_MINUTES * 60) -> str:
        """Hand the document to the host without waiting for its end; give the command's id."""
        parameters = {"Action": [action], "ImageTag": [sha], "executionTimeout": [str(timeout_seconds)]}
        group = self._target.log_groups["commands"]
        with self._explained():
            sent = self._ssm.send_command(
                InstanceIds=[self.instance_id],
                DocumentName=self._target.document,
                Parameters=parameters,
                TimeoutSeconds=300,  # to be delivered; how long it may take is executionTimeout
                CloudWatchOutputConfig={"CloudWatchOutputEnabled": True, "CloudWatchLogGroupName": group},
            )
        return str(sent["Command"]["CommandId"])

    def log(self, group: str, since_s: float) -> Iterator[tuple[float, str]]:
        """Yield lines of one of the deployment's log groups: time in seconds, text; oldest first."""
        name = self._target.log_groups[group]
        pages = self._logs.get_paginator("filter_log_events")
        with self._explained(group=name):
            for page in pages.paginate(logGroupName=name, startTime=int((time.time() - since_s) * 1000)):
                for event in page["events"]:
                    yield event["timestamp"] / 1000, event["message"].rstrip("\n")

    def _follow(self, command_id: str, timeout_seconds: int, meanwhile: Callable[[], None]) -> Ended:
        stream = f"{command_id}/{self.instance_id}/host/stdout"
        log = _CommandLog(self._logs, self._target.log_groups["commands"], stream, self._say)
        deadline = time.monotonic() + timeout_seconds + self._pace.change
        while True:
            invocation = self._invocation(command_id)
            log.more()
            if invocation is not None and invocation["Status"] in ENDED:
                break
            if time.monotonic() > deadline:
                status = (invocation or {}).get("Status", "unknown")
                raise HostError(
                    f"the command {command_id} is still {status} long after its limit of time: the agent has lost "
                    "contact. See aidrug host status"
                )
            meanwhile()
            time.sleep(self._pace.poll)
        output = str(invocation["StandardOutputContent"])
        if not log.lines:  # nothing in CloudWatch: it may not be read, or comes too late
            for line in output.splitlines():
                self._say(line)
        else:
            log.rest(self._pace)
        errors = str(invocation["StandardErrorContent"]).strip()
        # SSM itself keeps the first 24,000 characters, and the reason is the last line.
        printed = "\n".join(filter(None, (output, errors, *log.reasons)))
        undelivered = str(invocation.get("StatusDetails", "")).startswith("Delivery")
        return Ended(
            "Undelivered" if undelivered else str(invocation["Status"]), int(invocation["ResponseCode"]), printed
        )

    def _invocation(self, command_id: str) -> dict[str, Json] | None:
        """Return the invocation; none while SSM does not know it yet."""
        try:
            with self._explained():
                found: dict[str, Any] = self._ssm.get_command_invocation(
                    CommandId=command_id, InstanceId=self.instance_id
                )
        except HostError as error:
            if "InvocationDoesNotExist" in str(error):
                return None
            raise
        return found

    def _until(self, reached: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + self._pace.change
        while not reached():
            if time.monotonic() > deadline:
                raise HostError(f"{self.instance_id}: {otherwise}, after {self._pace.change:.0f} s.")
            time.sleep(self._pace.poll)


class _CommandLog:
    """What a command has printed so far, from CloudWatch; silent when that may not be read."""

    def __init__(self, logs: Any, group: str, stream: str, say: Say) -> None:
        self._logs, self._where, self._say = logs, {"logGroupName": group, "logStreamName": stream}, say
        self._token: str | None = None
        self.lines = 0
        self._last = ""
        self.reasons: list[str] = []
        """Its lines that say what failed."""

    def more(self) -> int:
        """Pass on the lines that are new; give how many."""
        from botocore.exceptions import ClientError

        fresh = 0
        while True:
            asked = {**self._where, "startFromHead": True, **({"nextToken": self._token} if self._token else {})}
            try:
                answer = self._logs.get_log_events(**asked)
            except ClientError:
                return fresh
            for event in answer["events"]:
                for line in event["message"].splitlines():
                    self._say(line)
                    self._last = line
                    if " FAILED " in line:
                        self.reasons.append(line)
                    fresh += 1
            self.lines += len(answer["events"])
            if answer["nextForwardToken"] == self._token or not answer["events"]:
                return fresh
            self._token = answer["nextForwardToken"]

    def rest(self, pace: Pace) -> None:
        """Wait for the lines that come after the end, until the script's last one or two polls without any."""
        silent = 0
        while silent < 2 and not re.search(r"Z (FAILED|done: )", self._last):
            silent = 0 if self.more() else silent + 1
            time.sleep(pace.poll)
