"""A new revision is noticed from outside the code that is loaded, and so is the fix of one that does not load."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_drug_assets.execution.revision_watch import RevisionWatch, UnreachableError, _first_line
from ai_drug_assets.settings import Settings
from tests.project_factory import make_project


class World:
    """A repository, a code location that loads when its files are valid Python, and a clock."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.root = settings, settings.root
        self.reachable = True
        self.messages: list[str] = []
        self.loads: list[str | None] = []
        self.at = 0.0
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit()
        self.watch = RevisionWatch(settings, self._reload, lambda: None, self.messages.append, lambda **_: None)

    def git(self, *arguments: str) -> None:
        """Run Git here."""
        identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "--all", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")

    def look(self, seconds: float = 5.0) -> int:
        """Let time pass, let it look, and wait for what it does; give how often it has loaded."""
        self.at += seconds
        self.watch(self.at)
        if self.watch._busy is not None:
            self.watch._busy.join()
        return len(self.loads)

    def _reload(self) -> str | None:
        if not self.reachable:
            raise UnreachableError("nobody answers")
        fault = None
        try:
            ast.parse((self.root / "model_zoo/models/rf.py").read_text(encoding="utf-8"))
        except SyntaxError as error:
            fault = f"SyntaxError: {error.msg}"
        self.loads.append(fault)
        return fault


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A small project in a repository."""
    return World(make_project(tmp_path / "project"))


@pytest.fixture
def rf(world: World) -> Path:
    """The file of a model."""
    return world.root / "model_zoo/models/rf.py"


def test_nothing_new_loads_nothing(world: World, rf: Path) -> None:
    """Neither time nor an edit without a commit reloads."""
    assert world.look() == 0
    rf.write_text(rf.read_text(encoding="utf-8") + "\nEDITED = 1\n", encoding="utf-8")
    assert [world.look(600) for _ in range(3)] == [0] * 3


def test_a_commit_that_does_not_load_and_its_fix(world: World, rf: Path) -> None:
    """The fault is reported once, with its reason; the fix is loaded at the next look, committed or not."""
    content = rf.read_text(encoding="utf-8")
    rf.write_text(f"{content}\ndef broken(:\n", encoding="utf-8")
    world.commit()
    assert world.look() == 1
    assert "DOES NOT LOAD: SyntaxError" in world.messages[-1]
    assert world.look() == 1  # nothing changed, and it was only just tried
    rf.write_text(content, encoding="utf-8")
    assert world.look() == 2
    assert world.loads[-1] is None
    assert world.messages[-1].endswith("the code is loaded")
    world.commit()
    assert world.look() == 3
    assert sum("DOES NOT LOAD" in line for line in world.messages) == 1


def test_a_revision_that_does_not_load_is_tried_now_and_then(world: World, rf: Path) -> None:
    """What kept it from loading may be outside the repository: it is tried again, and reported once."""
    rf.write_text("def broken(:\n", encoding="utf-8")
    world.commit()
    assert [world.look(seconds) for seconds in (5, 20, 20, 70, 200, 200)] == [1, 2, 2, 3, 3, 4]
    assert len(world.messages) == 1


def test_a_reload_that_nobody_answers_is_asked_for_again(world: World) -> None:
    """While the webserver is away the new revision stays new."""
    world.commit()
    world.reachable = False
    assert [world.look(), world.look()] == [0, 0]
    world.reachable = True
    assert world.look() == 1


@pytest.mark.parametrize("change", ["write", "delete and write", "touch"])
def test_measurements_that_change_are_loaded(world: World, change: str) -> None:
    """A file of measurements that is edited, replaced or touched is reason to load; no commit is needed."""
    path = world.root / "logp.csv"
    content = path.read_text(encoding="utf-8")
    changes: dict[str, Callable[[], object]] = {
        "write": lambda: path.write_text(content + "CCCCC,1\n", encoding="utf-8"),
        "delete and write": lambda: path.unlink() or path.write_text(content, encoding="utf-8"),  # type: ignore[func-returns-value]
        "touch": path.touch,
    }
    changes[change]()
    assert world.look() == 1
    assert world.look() == 1


def test_a_fault_in_an_endpoints_file_is_told(world: World) -> None:
    """It loads without that endpoint, and says which file and key is at fault."""
    path = world.settings.configs / "endpoints" / "greasy.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("champion:", "champoin:"), encoding="utf-8")
    world.commit()
    assert world.look() == 1
    assert any("greasy.yaml" in line and "champoin" in line for line in world.messages)


def test_of_a_long_message_the_line_that_says_most_is_told() -> None:
    """Dagster wraps an error of ours in its own."""
    message = "dagster._core.errors.DagsterUserCodeLoadError: failed\n  File x\nmodel_zoo.errors.ConfigError: a.yaml: b"
    assert _first_line(message) == "model_zoo.errors.ConfigError: a.yaml: b"
