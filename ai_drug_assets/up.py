"""`aidrug up`: everything running on this machine, until Ctrl-C.

Belongs here: starting, watching and stopping the processes: service, code server, webserver, daemon.
Does not belong here: what they do.

One code server is shared by webserver and daemon, so that a reload (by the SHA sensor, or in the UI) reaches both. The
daemon starts last, when everything is up to date: it would otherwise request the same work as `aidrug run`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from model_zoo.errors import AidrugError
from model_zoo.progress import Progress

from ai_drug_assets import client
from ai_drug_assets.catalog import INFERENCE_SERVICE
from ai_drug_assets.instance import open_instance, prepare_instance
from ai_drug_assets.interrupts import interruptible
from ai_drug_assets.progress import Display, Say, display_for
from ai_drug_assets.runner import run_stale
from ai_drug_assets.selection import Selection
from ai_drug_assets.settings import LOOPBACK as HOST
from ai_drug_assets.settings import Settings
from ai_drug_assets.start import code_server_arguments, write_workspace

START_S, STOP_S = 90.0, 15.0
EXAMPLES = ("CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O")
"""Aspirin and caffeine."""


class StartError(AidrugError):
    """A process did not start, or its port is taken."""


class Processes:
    """The processes that belong to this command; all end with it."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Start `python -m ...` in a session of its own, so that Ctrl-C reaches this command alone."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait_until(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until a process is ready.

        Raises
        ------
        StartError
            When it ends, or is not ready in time; with the last lines of its log.
        """
        deadline = time.monotonic() + START_S
        while not ready():
            if name in self.ended() or time.monotonic() > deadline:
                raise StartError(f"the {name} did not start:\n{self.tail(name)}")
            time.sleep(0.3)

    def ended(self) -> list[str]:
        """List the processes that ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def stop(self) -> None:
        """End all: ask each, wait, then kill what is left of its group (code servers may linger)."""
        for process in reversed(self._running.values()):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def tail(self, name: str) -> str:
        """Give the last lines of a process's log."""
        lines = (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-12:])


def bring_up(settings: Settings, say: Say, selection: Selection | None = None) -> int:
    """Materialise what is stale with the service and the UI already up, then watch until Ctrl-C; give the exit code.

    Raises
    ------
    AidrugError
        When a port is taken, a process does not start, or configuration is at fault.
    """
    _require_free(settings.service_port, "the service", "AIDRUG_SERVICE_PORT")
    _require_free(settings.ui_port, "the Dagster UI", "AIDRUG_UI_PORT")
    prepare_instance(settings)
    os.environ["AIDRUG_SERVICE_PORT"] = str(settings.service_port)
    os.environ["AIDRUG_UI_PORT"] = str(settings.ui_port)
    logs = settings.folder("logs")
    processes = Processes(logs)
    with interruptible():
        try:
            return _serve(settings, processes, say, selection or Selection())
        except KeyboardInterrupt:
            say("\nstopping")
            return 0
        finally:
            processes.stop()


def _serve(settings: Settings, processes: Processes, say: Say, selection: Selection) -> int:
    ui, service = f"http://{HOST}:{settings.ui_port}", f"http://{HOST}:{settings.service_port}"
    say(f"starting; logs are in {settings.home / 'logs'}")
    processes.start("service", "serving")
    open_instance(settings).dispose()  # makes the tables, for which the next two and the run would ask at once
    workspace = _start_ui(settings, processes)
    processes.wait_until("service", lambda: _get(f"{service}/health/live") is not None)
    say(f"inference service  {service}\nDagster UI         {ui} (in a few seconds)")
    with display_for(say) as display:
        report = run_stale(settings, WhileUp(display, processes, service, say), selection, say)
    if report.made:
        say(f"made {len(report.made)} assets in {report.seconds:.0f} s")
    elif not report.failed:
        say(f"nothing is stale, nothing trained ({report.seconds:.1f} s)")
    for key, error in report.failed.items():
        say(f"FAILED {key}: {error}")
    processes.wait_until("webserver", lambda: _get(f"{ui}/server_info") is not None)
    if selection.is_whole:
        processes.start("daemon", "dagster._daemon", "run", "-w", str(workspace))
    else:
        say("only a part was asked for, so the automation, which would make the rest, stays off: `aidrug up` starts it")
    with contextlib.suppress(StartError):
        processes.wait_until("service", lambda: _ready(service))
    say(f"\nDagster UI         {ui}\ninference service  {service}\n")
    try:
        say(client.as_text(client.predict_smiles(service, EXAMPLES)))
    except AidrugError as error:
        say(f"no prediction yet: {error}")
    say("\nrunning; Ctrl-C stops everything")
    while not (ended := processes.ended()):
        time.sleep(1)
    say(f"the {ended[0]} ended by itself; its log is {settings.home / 'logs' / ended[0]}.log")
    return 1


class WhileUp:
    """Shows what another display shows, the first prediction as soon as an endpoint serves, and who ended meanwhile.

    Parameters
    ----------
    display
        The other one.
    processes
        Those that should be running.
    service
        Address of the service.
    say
        Receives the prediction, and who ended.
    """

    def __init__(self, display: Display, processes: Processes, service: str, say: Say) -> None:
        self._display, self._processes, self._service, self._say = display, processes, service, say
        self._said = False
        self._missed: set[str] = set()
        self.begun = display.begun

    def done(self, news: Progress, key: str, error: str | None, seconds: float) -> None:
        """Show it, and look for a prediction once something was published."""
        self._display.done(news, key, error, seconds)
        if key == INFERENCE_SERVICE and error is None and not self._said and _get(f"{self._service}/health/ready"):
            with contextlib.suppress(AidrugError):
                self._say(f"\n{client.as_text(client.predict_smiles(self._service, EXAMPLES[:1]))}\n")
                self._said = True

    def goes_on(self, news: Progress, running: Sequence[str]) -> None:
        """Show it, and tell of a process that ended: at the end of the run would be minutes late."""
        self._display.goes_on(news, running)
        for name in set(self._processes.ended()) - self._missed:
            self._missed.add(name)
            self._say(f"the {name} ended by itself:\n{self._processes.tail(name)}")


def _start_ui(settings: Settings, processes: Processes) -> Path:
    """Start the code server and the webserver, which waits for it; give the workspace that names it."""
    port = _free_port()
    processes.start("code_server", *code_server_arguments(HOST, port))
    workspace = write_workspace(settings, HOST, port)
    processes.start("webserver", "dagster_webserver", "-w", str(workspace), "-h", HOST, "-p", str(settings.ui_port))
    return workspace


def _require_free(port: int, what: str, setting: str) -> None:
    if _listens(port):
        raise StartError(
            f"port {port} is taken, so {what} cannot start. Stop what uses it, or choose another: {setting}={port + 1}"
        )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _get(address: str) -> dict[str, object] | None:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            content: dict[str, object] = json.load(answer)
            return content
    except (OSError, ValueError):
        return None


def _ready(service: str) -> bool:
    return _get(f"{service}/health/ready") is not None
