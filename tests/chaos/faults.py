"""The faults, each a function that does it to a running stack and comes back when it is done.

Belongs here: what goes wrong, at a moment that the generator draws.
Does not belong here: whether it heals (see `stack.py`), how often which is drawn (see `__main__.py`).
"""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil

from tests.chaos.host import FULL, READ_ONLY, WELL
from tests.chaos.stack import Stack

EXPERIMENT = "aidrug"
Fault = Callable[[Stack, random.Random], None]
COMMIT_TO_RUN_S = 90.0


def kill_service(stack: Stack, draw: random.Random) -> None:
    """Kill the inference service."""
    _kill(stack.named("serving"))


def kill_daemon(stack: Stack, draw: random.Random) -> None:
    """Kill Dagster's daemon."""
    _kill(stack.named("watched_daemon"))


def kill_webserver(stack: Stack, draw: random.Random) -> None:
    """Kill Dagster's webserver."""
    _kill(stack.named("dagster_webserver"))


def kill_code_server(stack: Stack, draw: random.Random) -> None:
    """Kill the process that keeps the code server."""
    _kill(stack.named("code-server", "start"))


def kill_code(stack: Stack, draw: random.Random) -> None:
    """Kill the process that holds the code, as happens when memory runs out."""
    _kill(stack.named("api", "grpc"))


def kill_code_while_it_loads(stack: Stack, draw: random.Random) -> None:
    """Kill the process that holds the code just after a commit made it load."""
    known = {each.pid for each in stack.named("api", "grpc")}
    _commit(stack)
    _until(lambda: {each.pid for each in stack.named("api", "grpc")} - known)
    time.sleep(draw.uniform(0, 4))
    _kill([each for each in stack.named("api", "grpc") if each.pid not in known])


def kill_run(stack: Stack, draw: random.Random) -> None:
    """Kill a run while it trains what a commit changed."""
    _commit(stack)
    if _until(stack.workers):
        time.sleep(draw.uniform(0, 12))
        _kill(stack.workers())


def kill_step(stack: Stack, draw: random.Random) -> None:
    """Kill a step of a run of everything, which somebody asked for in Dagster's UI."""
    stack.materialise_all()
    if _until(stack.steps):
        time.sleep(draw.uniform(0, 6))
        _kill(stack.steps()[:1])


def kill_up(stack: Stack, draw: random.Random) -> None:
    """Kill `aidrug up` itself, and start it again: the one thing that needs a person (or systemd)."""
    if draw.random() < 0.5:
        _commit(stack)
        time.sleep(draw.uniform(0, 30))
    stack.kill()
    time.sleep(draw.uniform(0, 3))
    stack.start()


def commit(stack: Stack, draw: random.Random) -> None:
    """Nothing goes wrong: a commit changes a model. Its time is that from commit to champion."""
    _commit(stack)


def two_commits_at_once(stack: Stack, draw: random.Random) -> None:
    """Commit twice within seconds."""
    _commit(stack)
    time.sleep(draw.uniform(0, 15))
    _commit(stack)


def broken_commit_then_fix(stack: Stack, draw: random.Random) -> None:
    """Commit a syntax error in a model's file, and its fix some time later."""
    path = stack.copy.folder / "model_zoo/models/rf.py"
    content = path.read_text(encoding="utf-8")
    path.write_text(f"{content}\ndef broken(:\n", encoding="utf-8")
    stack.copy.commit("Broken")
    _wait(draw, 5, 45)
    path.write_text(content, encoding="utf-8")
    stack.set_trees(stack.trees + 1)
    stack.copy.commit("Mended")


def misspelt_key_then_fix(stack: Stack, draw: random.Random) -> None:
    """Commit a misspelt key in an endpoint's YAML, and its fix some time later."""
    path = stack.copy.folder / "configs/endpoints/toy.yaml"
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace("champion:", "champoin:"), encoding="utf-8")
    stack.copy.commit("Misspelt")
    _wait(draw, 5, 45)
    path.write_text(content, encoding="utf-8")
    stack.copy.commit("Spelt")


def force_push(stack: Stack, draw: random.Random) -> None:
    """Commit, and take the commit back by a reset while it is being loaded or trained."""
    before, trees = stack.copy.git("rev-parse", "HEAD"), stack.trees
    _commit(stack)
    time.sleep(draw.uniform(0, 40))
    stack.copy.git("reset", "--quiet", "--hard", before)
    stack.trees = trees


def detached_head(stack: Stack, draw: random.Random) -> None:
    """Check the commit before this one out, and come back."""
    _commit(stack)
    time.sleep(draw.uniform(0, 20))
    branch = stack.copy.git("symbolic-ref", "--short", "HEAD")
    stack.copy.git("checkout", "--quiet", "--detach", "HEAD~1")
    time.sleep(draw.uniform(0, 30))
    stack.copy.git("checkout", "--quiet", branch)


def edit_and_undo(stack: Stack, draw: random.Random) -> None:
    """Edit the file of the model that trains, and undo the edit."""
    _commit(stack)
    _until(stack.workers)
    path = stack.copy.folder / "model_zoo/models/rf.py"
    content = path.read_text(encoding="utf-8")
    time.sleep(draw.uniform(0, 5))
    path.write_text(f"{content}\nEDITED = 1\n", encoding="utf-8")
    time.sleep(draw.uniform(1, 20))
    path.write_text(content, encoding="utf-8")


def unrelated_edit(stack: Stack, draw: random.Random) -> None:
    """Leave a syntax error in the file of a model that does not train for a while."""
    _commit(stack)
    _until(stack.workers)
    path = stack.copy.folder / "model_zoo/models/svm.py"
    content = path.read_text(encoding="utf-8")
    path.write_text(f"{content}\ndef broken(:\n", encoding="utf-8")
    _wait(draw, 5, 30)
    path.write_text(content, encoding="utf-8")


def locked_runs(stack: Stack, draw: random.Random) -> None:
    """Hold the lock of Dagster's runs, as a backup would, while something trains."""
    _commit(stack)
    _until(stack.workers)
    _hold(stack.home / "dagster/history/runs.db", _seconds(draw, 10, 60))


def locked_mlflow(stack: Stack, draw: random.Random) -> None:
    """Hold the lock of MLflow's database, as a backup would, while something trains."""
    _commit(stack)
    _until(stack.workers)
    _hold(stack.tracking, _seconds(draw, 10, 90))


def lost_mlflow(stack: Stack, draw: random.Random) -> None:
    """Delete MLflow's database."""
    for path in stack.tracking.parent.glob("mlflow.db*"):
        path.unlink()


def deleted_experiment(stack: Stack, draw: random.Random) -> None:
    """Delete the experiment in MLflow, and sometimes commit a change that needs it."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{stack.tracking}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    if draw.random() < 0.5:
        _commit(stack)


def lost_alias(stack: Stack, draw: random.Random) -> None:
    """Delete the alias of the champion in MLflow's registry."""
    from mlflow.tracking import MlflowClient

    MlflowClient(f"sqlite:///{stack.tracking}").delete_registered_model_alias("toy", "champion")


def mlflow_is_killed(stack: Stack, draw: random.Random) -> None:
    """Kill the MLflow server while something trains, and start it again some time later."""
    _commit(stack)
    if _until(stack.workers):
        time.sleep(draw.uniform(0, 12))
    stack.end_server()
    _wait(draw, 10, 90)
    stack.start_server()


def mlflow_does_not_answer(stack: Stack, draw: random.Random) -> None:
    """Let the MLflow server take requests and not answer while something trains."""
    _commit(stack)
    if _until(stack.workers):
        time.sleep(draw.uniform(0, 12))
    stack.freeze_server(_seconds(draw, 10, 90))


def full_disk(stack: Stack, draw: random.Random) -> None:
    """Let nothing more fit on the disk of the home."""
    _spoil(stack, draw, FULL)


def read_only_disk(stack: Stack, draw: random.Random) -> None:
    """Let nothing be written to the home."""
    _spoil(stack, draw, READ_ONLY)


def clock_goes_forward(stack: Stack, draw: random.Random) -> None:
    """Set the clock forward by minutes or hours, at rest or while something trains."""
    if draw.random() < 0.7:
        _commit(stack)
        time.sleep(draw.uniform(0, 40))
    stack.host.set_clock(round(draw.uniform(60, 7200)))


def clock_goes_back(stack: Stack, draw: random.Random) -> None:
    """Set the clock back by minutes or hours, at rest or while something trains."""
    if draw.random() < 0.7:
        _commit(stack)
        time.sleep(draw.uniform(0, 40))
    stack.host.set_clock(-round(draw.uniform(60, 7200)))


def no_memory(stack: Stack, draw: random.Random) -> None:
    """Return the process that holds the code only as much memory than it has, for a while, as something changes."""
    held = stack.named("api", "grpc")
    for each in held:
        with suppress(psutil.Error):
            each.rlimit(psutil.RLIMIT_AS, (each.memory_info().vms + 4_000_000, resource.RLIM_INFINITY))
    _commit(stack)
    _wait(draw, 10, 60)
    for each in held:
        with suppress(psutil.Error):
            each.rlimit(psutil.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def changed_measurements(stack: Stack, draw: random.Random) -> None:
    """Add a measurement to the CSV."""
    path = stack.copy.folder / "toy.csv"
    rows = path.read_text(encoding="utf-8").splitlines()
    size = 25 + len(rows) % 10
    path.write_text("\n".join([*rows, f"{'C' * size}S,{size}"]) + "\n", encoding="utf-8")


def lost_files(stack: Stack, draw: random.Random) -> None:
    """Delete a file of what was made."""
    made = [
        path for path in stack.home.glob("trained_model/toy/*/*/scores.json") if _is_current(stack, path.parent.name)
    ]
    draw.choice(sorted(made)).unlink()


def _is_current(stack: Stack, name: str) -> bool:
    entries = (stack.home / "ledger" / "trained_model" / "toy").glob("*.json")
    return any(json.loads(each.read_bytes())["made"]["signature"].startswith(name) for each in entries)


def _seconds(draw: random.Random, low: float, high: float) -> float:
    """Draw how long something lasts: as often by its logarithm below as above, so that long ones are there and rare."""
    return float(low * (high / low) ** draw.random())


def _wait(draw: random.Random, low: float, high: float) -> None:
    time.sleep(_seconds(draw, low, high))


def _commit(stack: Stack) -> None:
    stack.set_trees(stack.trees + 1)
    stack.copy.commit(f"{stack.trees} trees")


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def _until(there: Callable[[], object], patience_s: float = COMMIT_TO_RUN_S) -> bool:
    """Wait until something is there; give whether it came."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if there():
            return True
        time.sleep(0.1)
    return False


def _spoil(stack: Stack, draw: random.Random, state: int) -> None:
    """Spoil the disk, at rest or while something trains, for up to two minutes."""
    if draw.random() < 0.7:
        _commit(stack)
        time.sleep(draw.uniform(0, 30))
    stack.host.set_disk(state)
    _wait(draw, 5, 120)
    stack.host.set_disk(WELL)


def _hold(path: Path, seconds: float) -> None:
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
        database.execute("begin immediate")
        time.sleep(seconds)
        database.execute("rollback")


def _named(*faults: Fault) -> dict[str, Fault]:
    return {fault.__name__.replace("_", " "): fault for fault in faults}


FAULTS = _named(
    commit,
    kill_service,
    kill_daemon,
    kill_webserver,
    kill_code_server,
    kill_code,
    kill_code_while_it_loads,
    no_memory,
    kill_run,
    kill_step,
    kill_up,
    two_commits_at_once,
    broken_commit_then_fix,
    misspelt_key_then_fix,
    force_push,
    detached_head,
    edit_and_undo,
    unrelated_edit,
    locked_runs,
    locked_mlflow,
    deleted_experiment,
    changed_measurements,
    lost_files,
)
OF_A_DATABASE = _named(lost_mlflow, lost_alias)
"""Of an MLflow that is a database of the home."""
OF_A_SERVER = _named(mlflow_is_killed, mlflow_does_not_answer)
"""Of an MLflow that is a server."""
OF_THE_HOST = _named(full_disk, read_only_disk, clock_goes_forward, clock_goes_back)
"""Where there is a C compiler."""
ALL = FAULTS | OF_A_DATABASE | OF_A_SERVER | OF_THE_HOST


def possible(stack: Stack) -> dict[str, Fault]:
    """Return the faults that can happen to a stack."""
    of_mlflow = OF_A_SERVER if stack.with_server else OF_A_DATABASE
    return FAULTS | of_mlflow | (OF_THE_HOST if stack.host.compiler else {})
