"""A run that is killed or stopped in this process: what is served stays whole, and the next run makes what is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import dagster as dg
import pytest

from ai_drug_assets.execution.runner import StoppedError
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import FolderStore, parse_pointer
from model_zoo.models import rf
from tests.project_factory import Project


def served(project: Project) -> str:
    """Return the version that serves logp, after verifying and loading it."""
    store = FolderStore(project.settings.home / "store")
    now = parse_pointer(store.read_pointer_bytes()).endpoints["logp"]
    return load_bundle(store.fetch_bundle("logp", now.version)).manifest.version


def killed_while_publishing(project: Project) -> int:
    """Run what is stale in a child that is killed when a whole bundle is about to get its name; give how it ended."""
    child = os.fork()
    if child == 0:
        rename = Path.rename

        def last(self: Path, target: Path) -> Path:
            if "bundles" in target.parts:
                os.kill(os.getpid(), signal.SIGKILL)
            return rename(self, target)

        Path.rename = last  # type: ignore[method-assign,assignment]
        try:
            project.run()
        finally:
            os._exit(0)
    deadline = time.monotonic() + 60
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGTERM)
        time.sleep(0.02)
    return ended[1]


def test_killed_while_it_publishes_the_state_is_the_old_one_and_is_repaired(made: Project) -> None:
    """After `kill -9` the store serves the old bundle, and the next run publishes the new one and leaves no rest."""
    old = served(made)
    made.edit("configs/endpoints/logp.yaml", "description: logp", "description: octanol and water")
    assert os.WTERMSIG(killed_while_publishing(made)) == signal.SIGKILL
    assert served(made) == old
    folders = made.settings.home / "store" / "bundles" / "logp"
    assert list(folders.glob(".*")), "the child was killed before it had written anything: the test tests nothing"

    assert made.run().failed == {}
    assert served(made) != old
    assert made.plan() == {}
    assert made.unsynced() == set()
    assert made.all_runs("RUNNING") == []
    assert [path.name for path in (made.settings.home / "store").rglob(".*")] == [".lock"]


def test_one_ctrl_c_judges_nothing_and_leaves_no_run_open(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a training ends the run: it reports what is left, judges nothing without the model that was cut, and
    leaves no run open; the next run makes the rest.
    """
    pointer = (made.settings.home / "store" / "current.json").read_bytes()
    made.change_code("model_zoo/models/rf.py")
    with monkeypatch.context() as patch:
        patch.setattr(rf, "train", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(StoppedError) as stopped:
            made.run()

    assert stopped.value.left == 7
    assert set(made.plan()) == {
        *(f"{kind}/{name}" for kind in ("leaderboard", "champion_model") for name in ("greasy", "logp")),
        "trained_model/greasy/rf",
        "trained_model/logp/rf",
        "inference_service",
    }
    assert (made.settings.home / "store" / "current.json").read_bytes() == pointer
    open_runs = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
    assert made.instance.get_runs(dg.RunsFilter(statuses=open_runs)) == []
    assert made.all_runs("RUNNING") == []
