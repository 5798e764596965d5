"""What everything that `aidrug up` runs costs while nothing happens, above an empty Dagster of the same processes.

Both run side by side for some minutes, so that both meet the same machine. Prints processor time by process, as a share
of one core, and by how much the disk grows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click
import psutil
import yaml

from ai_drug_assets.execution.instance import open_instance
from ai_drug_assets.planning.catalog import load_catalog
from tests.benchmarks.bench_quiet_look import ROOT, pretend_all_is_made, project
from tests.server_process import free_port

READY_S, SETTLE_S = 400.0, 60.0
NAMES = {"serving": "service", "code-server": "code server", "api": "code", "dagster_webserver": "webserver"}
EMPTY = "import dagster as dg\n\ndefs = dg.Definitions()\n"
QUIET = {"telemetry": {"enabled": False}}


@click.command()
@click.option("--endpoints", type=int, default=0, help="So many generated ones; those of this checkout when omitted.")
@click.option("--minutes", type=float, default=5.0, show_default=True)
def main(*, endpoints: int, minutes: float) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        assets = _pretend(folder / "ours", endpoints)
        ours = stack.enter_context(_ours(folder / "ours"))
        empty = stack.enter_context(_empty(folder / "empty"))
        time.sleep(SETTLE_S)
        began, before = time.monotonic(), (_spent(ours), _spent(empty))
        sizes = _size(folder / "ours" / "home"), _size(folder / "empty")
        time.sleep(60 * minutes)
        seconds, after = time.monotonic() - began, (_spent(ours), _spent(empty))
        grown = _size(folder / "ours" / "home") - sizes[0], _size(folder / "empty") - sizes[1]
        print(f"{assets} assets, {seconds / 60:.1f} minutes, load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores\n")
        print("| process | everything that `aidrug up` runs | an empty Dagster |\n| --- | --: | --: |")
        shares = [
            {name: (spent - early.get(name, 0.0)) / seconds for name, spent in late.items()}
            for early, late in zip(before, after, strict=True)
        ]
        for name in sorted({*shares[0], *shares[1]}):
            print(f"| {name} | {_share(shares[0].get(name))} | {_share(shares[1].get(name))} |")
        whole = [sum(each.values()) for each in shares]
        print(f"| **all** | **{_share(whole[0])}** | **{_share(whole[1])}** |")
        daily = [each / seconds * 86400 / 1e6 for each in grown]
        print(f"| disk, MB a day before what is purged | {daily[0]:.1f} | {daily[1]:.1f} |")


def _pretend(folder: Path, endpoints: int) -> int:
    """Write a project in which everything is made, as far as a quiet look can see; return the number of assets."""
    folder.mkdir()
    settings = project(folder, endpoints)
    catalog = load_catalog(settings)
    with open_instance(settings) as instance:
        pretend_all_is_made(catalog, instance)
    return len(catalog.nodes)


@contextmanager
def _ours(folder: Path) -> Iterator[list[psutil.Process]]:
    """Run `aidrug up`; give its process and those that it keeps."""
    environment = {
        "AIDRUG_HOME": str(folder / "home"),
        "AIDRUG_CONFIGS": str(folder / "configs"),
        "AIDRUG_UI_PORT": str(free_port()),
        "AIDRUG_SERVICE_PORT": str(free_port()),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    }
    output = folder / "up.log"
    with _running([sys.executable, "-m", "ai_drug_assets", "up"], environment, output) as process:
        _until(lambda: "Ctrl-C stops everything" in output.read_text(encoding="utf-8"), output)
        yield [psutil.Process(process.pid)]


@contextmanager
def _empty(folder: Path) -> Iterator[list[psutil.Process]]:
    """Run a code server, a webserver and a daemon of Dagster on nothing."""
    folder.mkdir()
    (folder / "nothing.py").write_text(EMPTY, encoding="utf-8")
    (folder / "dagster.yaml").write_text(yaml.safe_dump(QUIET), encoding="utf-8")
    port = free_port()
    server = {"host": "127.0.0.1", "port": port, "location_name": "nothing"}
    workspace = folder / "workspace.yaml"
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    environment = {"DAGSTER_HOME": str(folder)}
    commands = (
        ("dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(port), "-f", str(folder / "nothing.py")),
        ("dagster_webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(free_port())),
        ("dagster._daemon", "run", "-w", str(workspace)),
    )
    with ExitStack() as stack:
        processes = []
        for number, command in enumerate(commands):
            log = folder / f"{number}.log"
            process = stack.enter_context(_running([sys.executable, "-m", *command], environment, log))
            processes.append(psutil.Process(process.pid))
            time.sleep(20)  # one after the other, as `aidrug up` does: two that make the tables at once both fail
        yield processes


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("AIDRUG", "DAGSTER", "MLFLOW"))}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env={**kept, **environment}, stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


def _until(ready: object, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not ready():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise RuntimeError(f"it did not come up:\n{log.read_text(encoding='utf-8')[-3000:]}")
        time.sleep(1)


def _spent(roots: list[psutil.Process]) -> dict[str, float]:
    """Return the processor time in seconds by process, with that of children which ended."""
    spent: dict[str, float] = {}
    for process in (each for root in roots for each in (root, *root.children(recursive=True))):
        with suppress(psutil.Error):
            times = process.cpu_times()
            name = _name(process.cmdline())
            spent[name] = spent.get(name, 0.0) + sum(times[:4])
    return spent


def _name(command: list[str]) -> str:
    found = (name for word, name in NAMES.items() if word in command)
    daemon = "daemon" if any("daemon" in word for word in command) else "aidrug up"
    return next(found, daemon)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _share(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
