"""Edit one model: only it retrains, and the service serves the new champion without a failed request.

Runs on a copy of this checkout in a temporary folder, with a state folder of its own, so nothing of yours is touched.
Two endpoints, three models; about a minute. `make demo` runs it; it exits 1 when any of its claims fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent
PARTS = ("ai_drug_assets", "model_zoo", "serving", "configs", "dagster.yaml", "workspace.yaml")
ENDPOINTS = ("hydration_free_energy", "brain_blood_ratio")
MODELS = ("naive", "rf", "xgb")
CLIENTS = 4


class Load(threading.Thread):
    """A client that predicts without pause until it is stopped, counting answers by champion version."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address, self.stop = address, threading.Event()
        self.failures: list[str] = []
        self.versions: Counter[str] = Counter()

    def run(self) -> None:
        """Send one request after the other."""
        while not self.stop.is_set():
            try:
                answer = ask(self._address)
                self.versions[answer["endpoints"][ENDPOINTS[0]]["champion"]] += 1
            except Exception as error:  # noqa: BLE001 - every failure counts, whatever it is
                self.failures.append(repr(error))


def ask(address: str) -> dict[str, Any]:
    """Predict for one molecule and give its entry."""
    body = json.dumps({"smiles": ["CC(=O)Oc1ccccc1C(=O)O"]}).encode()
    request = urllib.request.Request(f"{address}/v1/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        entry: dict[str, Any] = json.load(answer)["predictions"][0]
    return entry


def main() -> int:
    """Run the demo; give the exit code."""
    with tempfile.TemporaryDirectory(prefix="aidrug-demo-") as folder:
        project = Path(folder)
        aidrug = copy_project(project)
        environment = {**environment_of(project), "AIDRUG_SERVICE_PORT": str(free_port())}
        aidrug("run")
        service = subprocess.Popen([sys.executable, "-m", "serving"], cwd=project, env=environment)
        try:
            return edit_under_load(project, aidrug, f"http://127.0.0.1:{environment['AIDRUG_SERVICE_PORT']}")
        finally:
            service.terminate()
            service.wait(20)


def edit_under_load(project: Path, aidrug: Callable[..., str], address: str) -> int:
    """Edit a model while clients predict, retrain, and check what was claimed."""
    wait_for(lambda: ask(address), "the service")
    clients = [Load(address) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    before = ask(address)["endpoints"][ENDPOINTS[0]]["champion"]

    model = project / "model_zoo" / "models" / "xgb.py"
    print("# a comment in the code of xgb: nothing is stale")
    model.write_text("# A comment changes no number.\n" + model.read_text())
    comment_is_free = "0 stale" in aidrug("plan")

    print("# a real edit: columns sampled per tree, 0.3 -> 0.35")
    model.write_text(re.sub(r"(colsample_bytree: float = Field\(default=)0\.3\b", r"\g<1>0.35", model.read_text()))
    aidrug("plan")
    retrained = re.findall(r"trained_model/\S+", aidrug("run"))
    wait_for(lambda: before != ask(address)["endpoints"][ENDPOINTS[0]]["champion"] or None, "the new champion")
    time.sleep(1)
    for client in clients:
        client.stop.set()
    for client in clients:
        client.join(30)
    versions = sum((client.versions for client in clients), Counter[str]())
    failures = [failure for client in clients for failure in client.failures]
    print(f"{versions.total()} requests during the edit, {len(failures)} failed; champions seen: {dict(versions)}")
    only_xgb = sorted(retrained) == sorted(f"trained_model/{endpoint}/xgb" for endpoint in ENDPOINTS)
    claims = {
        "a comment retrains nothing": comment_is_free,
        "only the edited model retrains": only_xgb,
        "the service changed to the new champion": len(versions) == 2,
        "no request failed": not failures,
    }
    for claim, holds in claims.items():
        print(f"{'yes' if holds else 'NO '}  {claim}")
    return 0 if all(claims.values()) else 1


def environment_of(project: Path) -> dict[str, str]:
    """Return the environment in which a copy runs its own code and keeps its own state."""
    named = ("DAGSTER_HOME", "AIDRUG_STORE", "AIDRUG_CONFIGS", "MLFLOW_TRACKING_URI")
    kept = {name: value for name, value in os.environ.items() if name not in named}
    return {**kept, "PYTHONPATH": str(project), "AIDRUG_HOME": str(project / ".aidrug")}


def copy_project(
    target: Path, endpoints: Sequence[str] = ENDPOINTS, models: Sequence[str] = MODELS
) -> Callable[..., str]:
    """Copy the packages and the configuration of some endpoints and models; return what runs `aidrug` in the copy."""
    for part in PARTS:
        source = CHECKOUT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / part)
    for kind, kept in (("endpoints", endpoints), ("models", models)):
        for path in (target / "configs" / kind).glob("*.yaml"):
            if path.stem not in kept:
                path.unlink()
    for path in (target / "configs" / "models").glob("*.yaml"):
        model = yaml.safe_load(path.read_text())
        others = {name: what for name, what in model.get("overrides", {}).items() if name in endpoints}
        path.write_text(yaml.safe_dump({**model, "overrides": others}, sort_keys=False))

    def aidrug(*arguments: str) -> str:
        print(f"$ aidrug {' '.join(arguments)}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "ai_drug_assets", *arguments],
            cwd=target, env=environment_of(target), text=True, capture_output=True, check=False,
        )  # fmt: skip
        print(done.stdout + done.stderr, flush=True)
        return done.stdout

    return aidrug


def wait_for(attempt: Any, what: str, patience_s: float = 60) -> None:
    """Repeat an attempt until it gives something."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            if attempt() is not None:
                return
        except OSError:
            pass
        time.sleep(0.3)
    raise SystemExit(f"{what} did not come within {patience_s:.0f} s")


def free_port() -> int:
    """Find a free port on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
