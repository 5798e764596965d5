"""The first minutes: what `aidrug up` shows after how many seconds, from an empty AIDRUG_HOME.

Prints, by the clock and in processor time of all its processes, when the service answers, the Dagster UI answers, the
first prediction comes, every endpoint predicts, and every model was judged; and each as a share of the whole.

`--against CHECKOUT` runs another checkout of the project in the same sitting, with this environment's packages, and
prints the ratio of the two. `--write` puts the figures into `tests/benchmarks/results/first_run.json`, from which
`performance_report` writes the document.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from tests.server_process import answers, free_port

ROOT = Path(__file__).parents[2]
RESULT = Path(__file__).parent / "results" / "first_run.json"
MOLECULE = "CC(=O)Oc1ccccc1C(=O)O"
EVENTS = ("service answers", "Dagster UI answers", "first prediction", "all endpoints predict", "all models judged")
PATIENCE_S = 3600.0

Figures = dict[str, tuple[float, float]]
"""By event: seconds by the clock and of processor time."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    waiting = round(os.getloadavg()[0], 1)
    checkouts = {"before": arguments.against.resolve()} if arguments.against else {}
    measured = {name: measure(path) for name, path in {**checkouts, "now": ROOT}.items()}
    for name, figures in measured.items():
        show(name, figures)
    if "before" in measured:
        print("ratio of now to before, by the clock and in processor time:")
        for event in EVENTS:
            (clock, work), (old_clock, old_work) = measured["now"][event], measured["before"][event]
            print(f"  {event:<24} {clock / old_clock:6.2f} {work / old_work:6.2f}")
    if arguments.write:
        content = {"cores": len(os.sched_getaffinity(0)), "waiting": waiting, **measured}
        RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def show(name: str, figures: Figures) -> None:
    """Print one run."""
    whole = figures[EVENTS[-1]][0]
    print(f"{name}: seconds by the clock, of processor time, share of the whole")
    for event in EVENTS:
        clock, work = figures[event]
        print(f"  {event:<24} {clock:6.0f} {work:6.0f} {clock / whole:7.1%}")


def measure(checkout: Path) -> Figures:
    """Run `aidrug up` of a checkout once, and note when each event is first seen."""
    with tempfile.TemporaryDirectory() as home:
        ui, service = free_port(), free_port()
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("AIDRUG", "DAGSTER", "MLFLOW"))}
        environment = {
            **kept,
            "PYTHONPATH": str(checkout),
            "AIDRUG_HOME": home,
            "AIDRUG_UI_PORT": str(ui),
            "AIDRUG_SERVICE_PORT": str(service),
        }
        log = Path(home) / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "ai_drug_assets", "up"],
                cwd=checkout, env=environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            return _watch(process, log, f"http://127.0.0.1:{ui}", f"http://127.0.0.1:{service}", checkout)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _watch(process: subprocess.Popen[bytes], log: Path, ui: str, service: str, checkout: Path) -> Figures:
    wanted = len(list((checkout / "configs" / "endpoints").glob("*.yaml")))
    figures: Figures = {}
    began = time.monotonic()
    clock = _ProcessorTime(process.pid)
    while len(figures) < len(EVENTS):
        seconds, work = time.monotonic() - began, clock.seconds()
        if process.poll() is not None or seconds > PATIENCE_S:
            raise RuntimeError(f"`aidrug up` did not get there:\n{log.read_text()[-2000:]}")
        predicted = _predicted(service)
        seen = {
            "service answers": answers(f"{service}/health/live"),
            "Dagster UI answers": answers(f"{ui}/server_info"),
            "first prediction": predicted > 0,
            "all endpoints predict": predicted == wanted,
            "all models judged": "Ctrl-C stops everything" in log.read_text(),
        }
        for event, true in seen.items():
            if true:
                figures.setdefault(event, (round(seconds, 1), round(work, 1)))
        time.sleep(0.5)
    return {event: figures[event] for event in EVENTS}


class _ProcessorTime:
    """Adds up the processor time of a process and of all that it ever started, those that ended included."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._known: dict[tuple[int, float], float] = {}

    def seconds(self) -> float:
        for process in [self._root, *self._root.children(recursive=True)]:
            try:
                times = process.cpu_times()
                self._known[process.pid, process.create_time()] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
        return sum(self._known.values())


def _predicted(service: str) -> int:
    """Count the endpoints that predict."""
    body = json.dumps({"smiles": [MOLECULE]}).encode()
    request = urllib.request.Request(f"{service}/v1/predict", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            content: dict[str, Any] = json.load(answer)
    except (OSError, urllib.error.HTTPError, ValueError):
        return 0
    endpoints = content["predictions"][0].get("endpoints", {})
    return sum("value" in entry for entry in endpoints.values())


if __name__ == "__main__":
    main()
