"""`aidrug up`: everything running on this machine, until Ctrl-C.

Belongs here: which processes there are (service, code server, webserver, daemon), in which order they start, and what
is said meanwhile.
Does not belong here: keeping them running (see `supervisor.py`), loading new revisions (see `revision_watch.py`), what
they do.

One code server is shared by webserver and daemon, so that a reload reaches both. The inference service starts first and
ends last: no other process takes it along. The daemon starts last, when everything is up to date.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from model_zoo.bundles.progress import Progress
from model_zoo.errors import AidrugError

from ai_drug_assets.execution import lanes
from ai_drug_assets.execution.container_entry import DAEMON, code_server_arguments, daemon_arguments, write_workspace
from ai_drug_assets.execution.instance import open_instance, prepare_instance
from ai_drug_assets.execution.look_watch import LookWatch
from ai_drug_assets.execution.progress import Display, Say, display_for
from ai_drug_assets.execution.revision_watch import RevisionWatch, reload_through
from ai_drug_assets.execution.runner import run_stale
from ai_drug_assets.execution.supervisor import Supervisor, end_leftovers, read_report
from ai_drug_assets.interrupts import interruptible
from ai_drug_assets.operations import predictions
from ai_drug_assets.planning.catalog import INFERENCE_SERVICE
from ai_drug_assets.planning.selection import Selection
from ai_drug_assets.processes import is_held, one_at_a_time
from ai_drug_assets.settings import LOOPBACK as HOST
from ai_drug_assets.settings import SUPERVISED, Settings

START_S = 90.0
QUIET = ("--log-level", "warning")
"""A daemon says three lines of each look: a megabyte an hour of what the Dagster UI shows as ticks."""
EXAMPLES = ("CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O")
"""Aspirin and caffeine."""


class StartError(AidrugError):
    """A process did not start, or its port is taken."""


def bring_up(settings: Settings, say: Say, selection: Selection | None = None) -> int:
    """Materialise what is stale with the service and the UI already up, then watch until Ctrl-C; give the exit code.

    Raises
    ------
    AidrugError
        When a port is taken or named twice, a process does not start, or configuration is at fault.
    """
    if settings.ui_port == settings.service_port:
        raise StartError(
            f"AIDRUG_UI_PORT and AIDRUG_SERVICE_PORT: expected two ports, got {settings.ui_port} for both: choose "
            "another for one of them"
        )
    prepare_instance(settings)
    with ExitStack() as stack:
        _alone(settings, stack, say)
        _require_free(settings.service_port, "the service", "AIDRUG_SERVICE_PORT")
        _require_free(settings.ui_port, "the Dagster UI", "AIDRUG_UI_PORT")
        os.environ["AIDRUG_SERVICE_PORT"] = str(settings.service_port)
        os.environ["AIDRUG_UI_PORT"] = str(settings.ui_port)
        os.environ[SUPERVISED] = "true"
        settings.folder("logs")
        supervisor = Supervisor(settings.home, say)
        with interruptible(supervisor.kill):
            try:
                return _serve(settings, supervisor, say, selection or Selection())
            except KeyboardInterrupt:
                say("\nstopping")
                return 0
            finally:
                supervisor.stop()


def _alone(settings: Settings, stack: ExitStack, say: Say) -> None:
    """Make sure that nobody else keeps this home running: a second one is refused, what a killed one left is ended."""
    lock = settings.folder("locks") / "up"
    if is_held(lock):
        other = read_report(settings.home).get("up", "")
        number = f" (process {other.rsplit(':', 2)[1]})" if other else ""
        raise StartError(
            f"`aidrug up` runs on {settings.home} already{number}. Stop it first, or use another AIDRUG_HOME."
        )
    stack.enter_context(one_at_a_time(lock))
    left = end_leftovers(settings.home)
    if left:
        say(f"ended what an earlier `aidrug up`, which was killed, had left running: {', '.join(left)}")
    if is_held(settings.folder("locks") / DAEMON):
        raise StartError(
            f"a daemon that `aidrug up` did not start works on {settings.home}: stop it, or use another AIDRUG_HOME. "
            "Two of them would both launch every run."
        )


def _serve(settings: Settings, supervisor: Supervisor, say: Say, selection: Selection) -> int:
    ui, service = f"http://{HOST}:{settings.ui_port}", f"http://{HOST}:{settings.service_port}"
    say(f"starting; logs are in {settings.home / 'logs'}")
    supervisor.start("service", "serving")
    open_instance(settings).dispose()  # makes the tables, for which the next two and the run would ask at once
    workspace = _start_ui(settings, supervisor, ui, say)
    supervisor.begin()
    wait_until(supervisor, "service", lambda: _get(f"{service}/health/live") is not None)
    say(f"inference service  {service}\nDagster UI         {ui} (in a few seconds)")
    try:
        with display_for(say) as display:
            report = run_stale(settings, WhileUp(display, service, say), selection, say, stays=True)
    except OSError as error:
        say(f"nothing was made: {error.strerror or error}. What is served stays, and it is tried again")
    else:
        if report.made:
            say(f"made {len(report.made)} assets in {report.seconds:.0f} s")
        elif not report.failed:
            say(f"nothing is stale, nothing trained ({report.seconds:.1f} s)")
        for key, why in report.failed.items():
            say(f"FAILED {key}: {why}")
    finally:
        lanes.give_back()
    with _start_errors_reported(say):
        wait_until(supervisor, "webserver", lambda: _get(f"{ui}/server_info") is not None)
    if selection.is_whole:
        supervisor.start("daemon", *daemon_arguments(workspace), *QUIET, lock=settings.folder("locks") / DAEMON)
    else:
        say("only a part was asked for, so the automation, which would make the rest, stays off: `aidrug up` starts it")
    with contextlib.suppress(StartError):
        wait_until(supervisor, "service", lambda: _ready(service))
    say(f"\nDagster UI         {ui}\ninference service  {service}\n")
    try:
        say(predictions.as_text(predictions.predict_smiles(service, EXAMPLES)))
    except AidrugError as error:
        say(f"no prediction yet: {error}")
    say("\nrunning; Ctrl-C stops everything")
    while True:
        time.sleep(3600)


def wait_until(supervisor: Supervisor, name: str, ready: Callable[[], bool]) -> None:
    """Wait until a process is ready.

    Raises
    ------
    StartError
        When it is not in time; with the last lines of its log.
    """
    deadline = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline:
            raise StartError(f"the {name} did not start:\n{supervisor.tail(name)}")
        time.sleep(0.3)


@contextlib.contextmanager
def _start_errors_reported(say: Say) -> Iterator[None]:
    """Report a process that does not start, and continue: the service does not depend on it."""
    try:
        yield
    except StartError as error:
        say(str(error))


class WhileUp:
    """Shows what another display shows, and the first prediction as soon as an endpoint serves."""

    def __init__(self, display: Display, service: str, say: Say) -> None:
        self._display, self._service, self._say = display, service, say
        self._shown = False
        self.goes_on = display.goes_on
        self.begun = display.begun

    def done(self, news: Progress, key: str, error: str | None, seconds: float) -> None:
        """Show it, and look for a prediction once something was published."""
        self._display.done(news, key, error, seconds)
        if key == INFERENCE_SERVICE and error is None and not self._shown and _get(f"{self._service}/health/ready"):
            with contextlib.suppress(AidrugError):
                self._say(f"\n{predictions.as_text(predictions.predict_smiles(self._service, EXAMPLES[:1]))}\n")
                self._shown = True


def _start_ui(settings: Settings, supervisor: Supervisor, ui: str, say: Say) -> Path:
    """Start the code server and the webserver, which waits for it; give the workspace that names it."""
    from ai_drug_assets.keys import LOCATION

    port = _free_port()
    watch = RevisionWatch(
        settings,
        lambda: reload_through(ui, LOCATION),
        lambda: supervisor.pid("code_server"),
        say,
        supervisor.tell,
    )
    supervisor.start("code_server", *code_server_arguments(HOST, port))
    workspace = write_workspace(settings, HOST, port)
    supervisor.start("webserver", "dagster_webserver", "-w", str(workspace), "-h", HOST, "-p", str(settings.ui_port))
    supervisor.also(watch)
    supervisor.also(LookWatch(settings, lambda: watch.loads))
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
