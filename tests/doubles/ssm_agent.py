"""A stand-in for the SSM agent: it really runs the commands of a document, each host in a folder of its own.

Belongs here: what moto's Run Command leaves out: a host that is not managed, states of a command, its exit code, its
output (also to CloudWatch while it runs), time limits, cancelling.
Does not belong here: what a command does.

The environment of a command is what a host has: no credentials (the metadata service gives them), a PATH with the
host's own programs first, and the folders that represent the host's root.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.logs.models import logs_backends
from moto.ssm.responses import SimpleSystemManagerResponse

STDOUT_LIMIT, STDERR_LIMIT = 24_000, 8_000
_OPEN = ("Pending", "InProgress")
BIN = Path(__file__).parent / "bin"


def _error(code: str, message: str) -> ServiceException:
    return type(code, (ServiceException,), {"code": code})(message)  # type: ignore[no-any-return]


@dataclass
class Invocation:
    """One command on one host."""

    command_id: str
    instance_id: str
    document: str
    sent: float = field(default_factory=time.monotonic)
    status: str = "Pending"
    details: str = "Pending"
    code: int = -1
    stdout: str = ""
    stderr: str = ""
    process: subprocess.Popen[bytes] | None = None
    cancelled: bool = False

    def as_response(self) -> dict[str, Any]:
        """Return it as the API does."""
        return {
            "CommandId": self.command_id,
            "InstanceId": self.instance_id,
            "DocumentName": self.document,
            "Status": self.status,
            "StatusDetails": self.details,
            "ResponseCode": self.code,
            "StandardOutputContent": self.stdout[:STDOUT_LIMIT],
            "StandardErrorContent": self.stderr[:STDERR_LIMIT],
        }


class Agent:
    """The agents of all hosts.

    Attributes
    ----------
    folder
        Holds a folder per instance: `opt`, `state`, `log`, and `double` (what fake programs are to do and did).
    registers_after
        Seconds from an instance's running until SSM manages it.
    unmanaged
        Instances whose agent never registers.
    silent
        Instances whose agent is online and takes no command: SSM gives up after a time, here at once.
    rebooted
        Instances that the agent restarted, since a command ended with 194; it would then run the command again.
    visible_after
        Seconds from sending until the invocation can be asked for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self.registers_after = 0.1
        self.visible_after = 0.05
        self.unmanaged: set[str] = set()
        self.silent: set[str] = set()
        self.rebooted: set[str] = set()
        self.extra: dict[str, str] = {}
        self._running_since: dict[str, float] = {}
        self._invocations: dict[tuple[str, str], Invocation] = {}
        self._lock = Lock()

    def close(self) -> None:
        """End what still runs."""
        for invocation in self._invocations.values():
            self._kill(invocation)

    def reset(self) -> None:
        """Forget what a test set, and everything its hosts hold; the hosts stay."""
        self.close()
        self.ended()
        self.unmanaged.clear()
        self.silent.clear()
        self.rebooted.clear()
        self.extra.clear()
        for place in self.folder.iterdir():
            shutil.rmtree(place, ignore_errors=True)

    def ended(self, patience_s: float = 30.0) -> list[Invocation]:
        """Wait until every command has ended; give them in the order they were sent."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and any(one.status in _OPEN for one in self._invocations.values()):
            time.sleep(0.02)
        return list(self._invocations.values())

    def host(self, instance_id: str) -> Path:
        """Return the folder that represents a host's file system."""
        place = self.folder / instance_id
        for name in ("opt", "state", "log", "double", "bin", "shm"):
            (place / name).mkdir(parents=True, exist_ok=True)
        for program in BIN.iterdir():
            if not (place / "bin" / program.name).exists():
                shutil.copy(program, place / "bin" / program.name)
        (place / "double" / "meminfo").write_text("MemTotal:        8012345 kB\nMemFree: 1 kB\n", encoding="utf-8")
        return place

    def minute(self, instance_id: str) -> None:
        """Let a minute pass on a host, or a boot: its timer runs what the last delivery left there."""
        script = self.host(instance_id) / "opt" / "host.sh"
        environment = {**self.environment(instance_id), "AIDRUG_KEEP": "yes"}
        subprocess.run(["sh", script], env=environment, cwd=script.parent, check=True, start_new_session=True)

    def environment(self, instance_id: str) -> dict[str, str]:
        """Return the environment of a command on a host."""
        place = self.host(instance_id)
        return {
            "PATH": f"{place / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(place),
            "TMPDIR": str(place),
            "AWS_ENDPOINT_URL": self.address,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.address,
            "DOUBLE": str(place / "double"),
            "AIDRUG_ROOT": str(place / "opt"),
            "AIDRUG_STATE": str(place / "state"),
            "AIDRUG_LOG": str(place / "log" / "host.log"),
            "AIDRUG_PAUSE_SECONDS": "0",
            "AIDRUG_HEALTH_SECONDS": "2",
            "AIDRUG_MEMINFO": str(place / "double" / "meminfo"),
            "AIDRUG_MEMORY": str(place / "shm"),
            "AIDRUG_BOOT_LOG": str(place / "log" / "boot.log"),
            "AIDRUG_MIN_SYSTEM_GIB": "1",
            "AIDRUG_MIN_DATA_GIB": "1",
            **self.extra,
        }

    def methods(self) -> Iterator[tuple[type, str, Callable[..., Any]]]:
        """Yield what replaces moto's own."""
        for name in (
            "describe_instance_information",
            "send_command",
            "get_command_invocation",
            "list_command_invocations",
            "cancel_command",
        ):
            ours = getattr(self, f"_{name}")
            yield SimpleSystemManagerResponse, name, lambda response, ours=ours: ActionResult(ours(response))

    def _managed(self, response: Any, instance_id: str) -> bool:
        backend = ec2_backends[response.current_account][response.region]
        instance = next((one for one in backend.all_instances() if one.id == instance_id), None)
        if instance is None or instance.state != "running":
            self._running_since.pop(instance_id, None)
            return False
        since = self._running_since.setdefault(instance_id, time.monotonic())
        return instance_id not in self.unmanaged and time.monotonic() - since >= self.registers_after

    def _describe_instance_information(self, response: Any) -> dict[str, Any]:
        wanted = {
            value
            for one in response._get_param("Filters", [])
            if one["Key"] == "InstanceIds"
            for value in one["Values"]
        }
        return {
            "InstanceInformationList": [
                {"InstanceId": one, "PingStatus": "Online", "AgentVersion": "3.3.0.0", "PlatformType": "Linux"}
                for one in sorted(wanted)
                if self._managed(response, one)
            ]
        }

    def _send_command(self, response: Any) -> dict[str, Any]:
        name = response._get_param("DocumentName")
        documents = response.ssm_backend._documents
        if name not in documents:
            raise _error("InvalidDocument", f"Document with name {name} does not exist.")
        instance_ids = response._get_param("InstanceIds", [])
        if not all(self._managed(response, one) for one in instance_ids):
            raise _error("InvalidInstanceId", "Instances not in a valid state for account")
        content = json.loads(documents[name].get_default_version().content)
        values = _parameters(content, response._get_param("Parameters", {}))
        cloudwatch = response._get_param("CloudWatchOutputConfig", {}) or {}
        group = cloudwatch.get("CloudWatchLogGroupName") if cloudwatch.get("CloudWatchOutputEnabled") else None
        command_id = str(uuid.uuid4())
        for instance_id in instance_ids:
            invocation = Invocation(command_id, instance_id, name)
            self._invocations[command_id, instance_id] = invocation
            logs = logs_backends[response.current_account][response.region]
            Thread(target=self._run, args=(invocation, content, values, logs, group), daemon=True).start()
        return {"Command": {"CommandId": command_id, "DocumentName": name, "Status": "Pending"}}

    def _run(
        self, invocation: Invocation, content: dict[str, Any], values: dict[str, str], logs: Any, group: str | None
    ) -> None:
        time.sleep(self.visible_after)
        if invocation.instance_id in self.silent:
            invocation.details, invocation.status = "Delivery Timed Out", "TimedOut"
            return
        step = content["mainSteps"][0]
        lines = [_fill(line, values) for line in step["inputs"]["runCommand"]]
        limit = float(_fill(step["inputs"].get("timeoutSeconds", "3600"), values))
        place = self.host(invocation.instance_id)
        script = place / f"{invocation.command_id}.sh"
        script.write_text("\n".join(lines) + "\n", encoding="utf-8")
        errors = place / f"{invocation.command_id}.err"
        with errors.open("wb") as stderr:
            invocation.process = process = subprocess.Popen(
                # As under the agent: Dagster gives SIGTERM the fate of SIGINT, which a shell's background job ignores.
                ["env", "--default-signal", "sh", str(script)],
                cwd=place,
                env=self.environment(invocation.instance_id),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        invocation.status = invocation.details = "InProgress"
        stream = f"{invocation.command_id}/{invocation.instance_id}/{step['name']}/stdout"
        reader = Thread(target=self._read, args=(invocation, process, logs, group, stream), daemon=True)
        reader.start()
        try:
            invocation.code = process.wait(limit)
        except subprocess.TimeoutExpired:
            self._kill(invocation)
            process.wait()
            reader.join(2)
            invocation.code, invocation.details, invocation.status = 137, "Execution Timed Out", "TimedOut"
            return
        reader.join(5)
        if invocation.code == 194:
            self.rebooted.add(invocation.instance_id)
        invocation.stderr = errors.read_text(encoding="utf-8")
        if invocation.cancelled:
            invocation.details, invocation.status = "Cancelled", "Cancelled"
        else:
            invocation.details = invocation.status = "Success" if invocation.code == 0 else "Failed"

    def _read(
        self, invocation: Invocation, process: subprocess.Popen[bytes], logs: Any, group: str | None, stream: str
    ) -> None:
        assert process.stdout is not None
        if group:
            logs.ensure_log_stream(group, stream)
        for line in process.stdout:
            text = line.decode(errors="replace")
            invocation.stdout += text
            if group:
                event = {"timestamp": int(time.time() * 1000), "message": text.rstrip("\n")}
                logs.put_log_events(group, stream, [event])

    def _get_command_invocation(self, response: Any) -> dict[str, Any]:
        key = response._get_param("CommandId"), response._get_param("InstanceId")
        invocation = self._invocations.get(key)
        if invocation is None or time.monotonic() - invocation.sent < self.visible_after:
            raise _error("InvocationDoesNotExist", "")
        return invocation.as_response()

    def _list_command_invocations(self, response: Any) -> dict[str, Any]:
        wanted = response._get_param("CommandId")
        found = [one.as_response() for one in self._invocations.values() if one.command_id == wanted]
        return {"CommandInvocations": found}

    def _cancel_command(self, response: Any) -> dict[str, Any]:
        for invocation in self._invocations.values():
            if invocation.command_id == response._get_param("CommandId"):
                invocation.cancelled = True
                self._kill(invocation)  # as the real agent does: SIGKILL for the group, so that no trap runs
        return {}

    def _kill(self, invocation: Invocation) -> None:
        process = invocation.process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _parameters(content: dict[str, Any], given: dict[str, list[str]]) -> dict[str, str]:
    declared = content.get("parameters", {})
    if unknown := set(given) - set(declared):
        raise _error("InvalidParameters", f"Parameters {sorted(unknown)} do not exist")
    values = {}
    for name, declaration in declared.items():
        value = given[name][0] if name in given else declaration.get("default")
        if value is None:
            raise _error("InvalidParameters", f"Parameter {name} is required")
        allowed, pattern = declaration.get("allowedValues"), declaration.get("allowedPattern")
        if (allowed and value not in allowed) or (pattern and not re.search(pattern, value)):
            raise _error("InvalidParameters", f"Parameter {name}: {value!r} is not allowed")
        values[name] = value
    return values


def _fill(line: str, values: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found.group(1) not in values:
            raise _error("InvalidDocumentContent", f"unknown parameter {found.group(1)!r}")
        return values[found.group(1)]

    return re.sub(r"\{\{\s*(.*?)\s*\}\}", value, line)
