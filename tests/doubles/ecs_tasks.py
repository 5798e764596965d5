"""A stand-in for what ECS does beyond moto: tasks really run, as processes of this machine, and know who they are.

Belongs here: the metadata address that ECS gives each task, starting a task's command with its environment, its end.
Does not belong here: images (the command runs in this environment, whatever image its task definition names), memory
and processor limits, networks, file systems.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from unittest import mock

from moto.ecs.models import EC2ContainerServiceBackend, Task

METADATA = "ECS_CONTAINER_METADATA_URI_V4"


class Tasks:
    """The tasks that were started, and what answers for them.

    Attributes
    ----------
    environment
        Added to every task's own, in place of what its network and role would give it.
    runs
        Whether commands are run. A task that was given none stays RUNNING for ever.
    started
        All tasks, in order.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], *, runs: bool) -> None:
        self.folder, self.environment, self.runs = folder, dict(environment), runs
        self.started: list[Task] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._arns: dict[str, tuple[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def metadata(self, task_arn: str, cluster_arn: str) -> str:
        """Return the metadata address of a task."""
        name = task_arn.rsplit("/", 1)[-1]
        self._arns[name] = (task_arn, cluster_arn)
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def logs(self) -> str:
        """Return what all tasks printed."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def _start(self, task: Task) -> None:
        self.started.append(task)
        if not self.runs or not task.overrides:
            return
        definition = task._backend.describe_task_definition(task.task_definition_arn)
        override: dict[str, Any] = task.overrides["containerOverrides"][0]
        containers: list[dict[str, Any]] = definition.container_definitions
        container = next(one for one in containers if one["name"] == override["name"])
        given: list[dict[str, str]] = [*container["environment"], *override.get("environment", [])]
        own = {one["name"]: one["value"] for one in given}
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **own,
            **self.environment,
            METADATA: self.metadata(task.task_arn, task.cluster_arn),
        }
        with (self.folder / f"{len(self.started):03}.log").open("wb") as log:
            process = subprocess.Popen(override["command"], env=environment, stdout=log, stderr=subprocess.STDOUT)
        self._processes[task.task_arn] = process
        Thread(target=self._wait, args=(task, process), daemon=True).start()

    def _wait(self, task: Task, process: subprocess.Popen[bytes]) -> None:
        task.containers[0].exitCode = process.wait()
        task.last_status = task.desired_status = "STOPPED"

    def _stop(self, task: Task) -> None:
        if process := self._processes.get(task.task_arn):
            process.terminate()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        arns = self._arns

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                task, cluster = arns[self.path.split("/")[1]]
                body = json.dumps({"Name": "run", "TaskARN": task, "Cluster": cluster}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def ecs_tasks(folder: Path, environment: Mapping[str, str], *, runs: bool = False) -> Iterator[Tasks]:
    """Yield a stand-in whose tasks print to a folder, for as long as moto is asked."""
    run: Callable[..., list[Task]] = EC2ContainerServiceBackend.run_task
    stop: Callable[..., Task] = EC2ContainerServiceBackend.stop_task

    def run_task(self: Any, *arguments: Any, **named: Any) -> list[Task]:
        made = run(self, *arguments, **named)
        for task in made:
            tasks._start(task)
        return made

    def stop_task(self: Any, *arguments: Any, **named: Any) -> Task:
        task = stop(self, *arguments, **named)
        tasks._stop(task)
        return task

    with (
        Tasks(folder, environment, runs=runs) as tasks,
        mock.patch.object(EC2ContainerServiceBackend, "run_task", run_task),
        mock.patch.object(EC2ContainerServiceBackend, "stop_task", stop_task),
        mock.patch.object(Task, "advance"),  # moto's own tasks end by being asked about
    ):
        yield tasks
