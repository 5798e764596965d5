"""Everything running on a copy of the checkout, and whether it is well.

Belongs here: starting and ending `aidrug up` on a copy, finding its processes, and what "healed" means.
Does not belong here: which faults there are (see `faults.py`).
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

from ai_drug_assets.jobs import ALL_ASSETS
from ai_drug_assets.keys import LOCATION
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.planning.plan import make_plan
from ai_drug_assets.settings import Settings
from tests.chaos.host import WELL, Host
from tests.checkout_copy import MODEL, CheckoutCopy
from tests.server_process import free_port

TREES = 300
"""So many that a training takes some seconds, and a process can be killed meanwhile."""
UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


class Stack:
    """`aidrug up` on a copy of the checkout.

    Parameters
    ----------
    folder
        Where the copy goes.
    with_server
        Whether MLflow is a server, as on a host, and not a database of the home.
    """

    def __init__(self, folder: Path, *, with_server: bool = False) -> None:
        self.copy = CheckoutCopy(folder)
        self.host = Host(folder.parent, self.copy.home)
        self.copy.environment |= self.host.environment
        self.with_server = with_server
        self._server: subprocess.Popen[bytes] | None = None
        self._server_port = free_port()
        if with_server:
            self.copy.environment["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{self._server_port}"
        self.trees = TREES
        self.set_trees(TREES)
        self.copy.commit("The beginning")
        self.output = folder.parent / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        """AIDRUG_HOME of the copy."""
        return self.copy.home

    @property
    def tracking(self) -> Path:
        """MLflow's database."""
        return (
            self.copy.folder.parent / "tracking" / "mlflow.db" if self.with_server else self.home / "mlflow/mlflow.db"
        )

    def start_server(self) -> None:
        """Start the MLflow server."""
        self.tracking.parent.mkdir(exist_ok=True)
        arguments = ("server", "--host", "127.0.0.1", "--port", str(self._server_port), "--workers", "1")
        stores = ("--backend-store-uri", f"sqlite:///{self.tracking}", "--artifacts-destination")
        with (self.copy.folder.parent / "mlflow.log").open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *arguments, *stores, str(self.tracking.parent / "artifacts")],
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end_server(self) -> None:
        """Kill the MLflow server."""
        if self._server is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()

    def freeze_server(self, seconds: float) -> None:
        """Let the MLflow server accept and not answer for a while, as a network does that loses packets."""
        assert self._server is not None
        os.killpg(self._server.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(self._server.pid, signal.SIGCONT)

    def set_trees(self, number: int) -> None:
        """Let the forest have so many trees, which makes it stale."""
        self.trees = number
        self.copy.write("configs/models/rf.yaml", MODEL.format(name="rf", config=f"{{n_estimators: {number}}}"))

    def start(self) -> None:
        """Start `aidrug up`, and wait until it says that it runs."""
        if self.with_server and self._server is None:
            self.start_server()
        before = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as log:
            self._process = subprocess.Popen(
                self.copy.command("up"),
                cwd=self.copy.folder,
                env=self.copy.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 400
        while b"Ctrl-C stops everything" not in self.output.read_bytes()[before:]:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"`aidrug up` did not come up:\n{self.printed()}")
            time.sleep(0.5)

    def kill(self) -> None:
        """Kill `aidrug up` itself, without any warning."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> list[str]:
        """End it by Ctrl-C; give the command lines of what still runs half a minute later, which is then killed."""
        self.host.set_disk(WELL)
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
        deadline = time.monotonic() + 35  # a code server that lost its keeper ends half a minute later
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.5)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        self.end_server()
        return [_line(process) for process in left]

    def printed(self) -> str:
        """Return what `aidrug up` has printed last."""
        return self.output.read_text(encoding="utf-8", errors="replace")[-3000:]

    def processes(self) -> list[psutil.Process]:
        """Find every process of this copy, by the AIDRUG_HOME in its environment."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get("AIDRUG_HOME") == str(self.home):
                    found.append(process)
        return found

    def named(self, *words: str) -> list[psutil.Process]:
        """Find the processes whose command line holds all these words."""
        return [each for each in self.processes() if all(word in _line(each) for word in words)]

    def workers(self) -> list[psutil.Process]:
        """Find the processes that execute runs: children of the one that holds the code."""
        servers = {each.pid for each in self.named("api", "grpc")}
        found = []
        for each in self.processes():
            with suppress(psutil.Error):
                if each.ppid() in servers and "resource_tracker" not in _line(each):
                    found.append(each)
        return found

    def materialise_all(self) -> None:
        """Ask for everything in one run, as the button of Dagster's UI does, once that answers."""
        deadline = time.monotonic() + 90
        while True:
            try:
                client = DagsterGraphQLClient("127.0.0.1", port_number=self.copy.ui_port)
                client.submit_job_execution(ALL_ASSETS, repository_location_name=LOCATION)
            except (DagsterGraphQLClientError, OSError):  # its process was just killed, say, or the code is loaded
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                return

    def steps(self) -> list[psutil.Process]:
        """Find the processes of steps: those that the helper of a run's process has started."""
        found = []
        for worker in self.workers():
            with suppress(psutil.Error):
                helpers = [each for each in worker.children() if "forkserver" in _line(each)]
                found += [step for helper in helpers for step in helper.children()]
        return found

    def orphans(self) -> list[str]:
        """Name the processes of this copy that nobody keeps: no `aidrug up` is among their parents."""
        assert self._process is not None
        found = []
        for each in self.processes():
            with suppress(psutil.Error):
                if self._process.pid not in (each.pid, *(parent.pid for parent in each.parents())):
                    found.append(_line(each))
        return found

    def wrong(self) -> list[str]:
        """Name what is not as it should be; nothing once all has healed."""
        return [*self._processes_wrong(), *self._runs_wrong(), *self._service_wrong()] or self._stale()

    def _processes_wrong(self) -> list[str]:
        needed = {
            "service": ("serving",),
            "code server": ("code-server", "start"),
            "code": ("api", "grpc"),
            "webserver": ("dagster_webserver",),
            "daemon": ("watched_daemon",),
        }
        lines = [_line(each) for each in self.processes()]
        wrong = []
        for name, words in needed.items():
            number = sum(all(word in line for word in words) for line in lines)
            if number == 0 or (number > 1 and name == "daemon"):
                wrong.append(f"{number} of {name}")
        return wrong

    def _runs_wrong(self) -> list[str]:
        marks = ", ".join("?" * len(UNFINISHED))
        with closing(_open(self.home / "dagster" / "history" / "runs.db")) as runs:
            rows = runs.execute(f"select status from runs where status in ({marks})", UNFINISHED).fetchall()  # noqa: S608
        with closing(_open(self.tracking)) as tracked:
            rows += tracked.execute("select status from runs where status = 'RUNNING'").fetchall()
            aliases = tracked.execute("select version from registered_model_aliases where alias = 'champion'")
            lost = [] if aliases.fetchall() else ["the champion has no alias in MLflow"]
        return [f"a run is {status}" for (status,) in rows] + lost

    def _service_wrong(self) -> list[str]:
        try:
            self.champion()
        except (OSError, LookupError) as error:
            return [f"the service: {error}"]
        return []

    def _stale(self) -> list[str]:
        """Ask for the plan within this process, which costs a tenth of what the command does."""
        folder = self.copy.folder
        settings = replace(
            Settings.from_env(self.copy.environment), root=folder, code_root=folder, configs=folder / "configs"
        )
        plan = make_plan(load_catalog(settings), Ledger(settings.home / "ledger"))
        return [f"{item.node.key} is stale" for item in plan.stale]

    def plan_wrong(self) -> list[str]:
        """Name what `aidrug plan` calls stale, as somebody asks who has no other way."""
        done = subprocess.run(
            self.copy.command("plan", "--json"),
            cwd=self.copy.folder,
            env=self.copy.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 2):
            return [f"the plan: {done.stderr[-300:]}"]
        return [f"{item['asset']} is stale" for item in json.loads(done.stdout)["stale"]]

    def mislabelled(self) -> list[str]:
        """Name what says that it is something else than it is: a champion that is not the one elected."""
        made = json.loads((self.home / "ledger" / "champion_model" / "toy.json").read_bytes())["made"]
        elected = made["data_version"].split(",")[0]
        served = self.champion()
        return [] if served == elected else [f"{served} serves, {elected} was elected"]

    def champion(self) -> str:
        """Ask the running service which version answers."""
        address = f"http://127.0.0.1:{self.copy.service_port}/v1/predict"
        request = urllib.request.Request(address, b'{"smiles": ["CCCO"]}', {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: dict[str, Any] = json.load(answer)
        return str(content["predictions"][0]["endpoints"]["toy"]["champion"])

    def corrupt(self) -> list[str]:
        """Name every database that is damaged."""
        damaged = []
        for path in self.home.rglob("*.db"):
            with closing(_open(path)) as database:
                if database.execute("pragma quick_check").fetchall() != [("ok",)]:
                    damaged.append(str(path))
        return damaged


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
