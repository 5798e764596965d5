"""`kill -9` of `aidrug run` at many moments: what is served stays whole, and the next run repairs the rest."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_drug_assets.settings import Settings
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import FolderStore, parse_pointer
from tests.command_factory import Command, Installation, make_installation
from tests.project_factory import Project

Moment = Callable[[Settings, str, str], bool]
"""Given the settings, what the command has printed, and the version that was served before it began."""


def printed(text: str) -> Moment:
    """The moment when the command has printed a text."""
    return lambda settings, log, old: text in log


def exists(pattern: str) -> Moment:
    """The moment when a file is there."""
    return lambda settings, log, old: any(settings.home.glob(pattern))


def replaced(settings: Settings, log: str, old: str) -> bool:
    """The moment when the pointer names another version, and nothing is on record of it yet."""
    content = FolderStore(Path(settings.store)).read_pointer_bytes()
    return parse_pointer(content).endpoints["logp"].version != old


MOMENTS: dict[str, tuple[Moment, float]] = {
    "before anything": (printed("are stale"), 0.3),
    "training": (exists("scratch/trained_model-*"), 0.5),
    "writing the bundle": (exists("scratch/champion_model-*"), 0.2),
    "publishing the bundle": (exists("store/bundles/logp/.*"), 0.0),
    "before the pointer": (printed("champion_model/logp"), 0.2),
    "after the pointer": (replaced, 0.0),
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Installation:
    """An installation in which everything was made once."""
    here = make_installation(tmp_path_factory.mktemp("killed"))
    shutil.copy(empty_mlflow, here.settings.folder("mlflow") / "mlflow.db")
    command = here.start("run")
    assert command.wait() == 0, command.printed
    return here


@pytest.mark.slow(sibling="test_cut_off::test_killed_while_it_publishes_the_state_is_the_old_one_and_is_repaired")
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_the_state_is_old_or_new_and_repaired(installation: Installation, moment: str) -> None:
    """After `kill -9` the store serves the old bundle or the new one, and the next run repairs all."""
    number = list(MOMENTS).index(moment)
    old = served(installation.settings)
    installation.set_trees(6 + number)
    reached, delay = MOMENTS[moment]
    command = installation.start("run")
    wait_for(reached, installation.settings, command, old)
    time.sleep(random.Random(number).uniform(0, delay))
    command.process.kill()
    assert command.wait() != 0, f"it ended before {moment}"
    between = served(installation.settings)

    repair = installation.start("run")
    assert repair.wait() == 0, repair.printed
    new = served(installation.settings)
    assert new != old, "the change of this test did not reach the service"
    assert between in (old, new)
    with installation.instance() as instance:
        project = Project(installation.settings, instance)
        assert project.plan() == {}
        assert project.unsynced() == set()
        assert project.all_runs("RUNNING") == []
    assert installation.unfinished() == []
    leftovers = list((installation.settings.home / "store").rglob(".*"))
    assert [path.name for path in leftovers] == [".lock"]


def wait_for(reached: Moment, settings: Settings, command: Command, old: str) -> None:
    """Wait for a moment, as closely as a busy machine allows."""
    deadline = time.monotonic() + 200
    while not reached(settings, command.printed, old):
        if not command.process.is_alive() or time.monotonic() > deadline:
            pytest.fail(f"the moment never came:\n{command.printed}")


def served(settings: Settings) -> str:
    """Return the version that is served, after verifying and loading it."""
    store = FolderStore(Path(settings.store))
    now = parse_pointer(store.read_pointer_bytes()).endpoints["logp"]
    assert load_bundle(store.fetch_bundle("logp", now.version)).manifest.version == now.version
    return now.version
