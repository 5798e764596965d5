"""The sensor on the Git SHA, on real repositories."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ai_drug_assets import sensors
from ai_drug_assets.definitions import build_defs
from ai_drug_assets.revision import checkout_sha
from tests.project_factory import Project

Tick = Callable[[], dg.SensorResult]


def git(root: Path, *arguments: str) -> str:
    """Run Git in a folder, with an identity of its own and no configuration of the machine."""
    settings = ("-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *settings, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(project: Project, message: str) -> str:
    """Commit everything; give the SHA."""
    git(project.root, "add", "--all", ".")
    git(project.root, "commit", "--quiet", "--message", message)
    return git(project.root, "rev-parse", "HEAD")


@pytest.fixture
def repository(project: Project) -> Project:
    """A project in a Git repository with one commit."""
    git(project.root, "init", "--quiet", "--initial-branch", "main")
    (project.root / ".gitignore").write_text("home/\n", encoding="utf-8")
    commit(project, "first")
    return project


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes reloads that are asked for, instead of asking a webserver."""
    asked: list[int] = []
    monkeypatch.setattr(sensors, "reload_location", lambda settings: asked.append(settings.ui_port))
    return asked


def load(project: Project) -> Tick:
    """Load the code location as it is now; return what evaluates its sensor, cursor carried over."""
    sensor = build_defs(project.settings).resolve_sensor_def("git_sha")
    cursor: list[str | None] = [None]

    def tick() -> dg.SensorResult:
        with dg.build_sensor_context(instance=project.instance, cursor=cursor[0]) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        cursor[0] = result.cursor
        return result

    return tick


def test_the_loaded_revision_is_skipped(repository: Project, reloads: list[int]) -> None:
    """While the checkout is at the revision that is loaded, the sensor skips and says so."""
    tick = load(repository)
    for _ in range(3):
        result = tick()
        assert "is loaded" in str(result.skip_reason)
    assert reloads == []


def test_a_new_revision_is_loaded_and_launches_nothing(repository: Project, reloads: list[int]) -> None:
    """A new commit reloads the code location; the sensor itself launches no run."""
    tick = load(repository)
    repository.change_code("model_zoo/models/rf.py")
    sha = commit(repository, "second")
    result = tick()
    assert reloads == [repository.settings.ui_port]
    assert sha[:12] in str(result.skip_reason)
    assert not result.run_requests
    reloaded = load(repository)
    assert "is loaded" in str(reloaded().skip_reason)
    assert len(reloads) == 1


def test_a_reload_that_did_not_happen_is_asked_for_again(repository: Project, reloads: list[int]) -> None:
    """As long as the old code is loaded, each tick asks for the reload."""
    tick = load(repository)
    commit_empty(repository)
    tick()
    tick()
    assert len(reloads) == 2


def test_edits_without_a_commit_are_not_a_revision(repository: Project, reloads: list[int]) -> None:
    """Files edited but not committed are no new revision."""
    tick = load(repository)
    repository.change_code("model_zoo/models/rf.py")
    tick()
    assert reloads == []


def test_a_revert_is_a_change_like_any_other(repository: Project, reloads: list[int]) -> None:
    """Going back to an older SHA is noticed as well, and so is going forth again."""
    first = git(repository.root, "rev-parse", "HEAD")
    second = commit_empty(repository)
    tick = load(repository)
    git(repository.root, "reset", "--quiet", "--hard", first)
    assert first[:12] in str(tick().skip_reason)
    tick = load(repository)
    git(repository.root, "reset", "--quiet", "--hard", second)
    assert second[:12] in str(tick().skip_reason)
    assert len(reloads) == 2


def test_a_remote_that_is_ahead_is_reported(repository: Project, reloads: list[int], tmp_path: Path) -> None:
    """With a remote to poll, a newer revision there is reported; once it is here, the code location reloads."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository.root), str(remote))
    repository.settings = replace(repository.settings, remote=str(remote))
    tick = load(repository)
    assert "is loaded" in str(tick().skip_reason)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(remote), str(other))
    git(other, "commit", "--quiet", "--allow-empty", "--message", "elsewhere")
    git(other, "push", "--quiet", "origin", "HEAD:main")
    assert "pull or deploy it" in str(tick().skip_reason)
    assert reloads == []
    git(repository.root, "pull", "--quiet", "--ff-only", str(remote), "main")
    tick()
    assert len(reloads) == 1


def test_a_remote_out_of_reach_is_no_error(repository: Project, reloads: list[int], tmp_path: Path) -> None:
    """A remote that does not answer fails no tick, and the checkout is watched all the same."""
    repository.settings = replace(repository.settings, remote=str(tmp_path / "nowhere.git"))
    tick = load(repository)
    for _ in range(3):
        assert "is loaded" in str(tick().skip_reason)
    commit_empty(repository)
    tick()
    assert len(reloads) == 1


def test_the_sha_of_the_build_wins(repository: Project, reloads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """In an image, the revision is the one it was built from."""
    monkeypatch.setenv("AIDRUG_GIT_SHA", "c0ffee" * 6)
    tick = load(repository)
    commit_empty(repository)
    assert "c0ffeec0ffee is loaded" in str(tick().skip_reason)
    assert reloads == []


def commit_empty(project: Project) -> str:
    """Commit nothing; give the SHA."""
    git(project.root, "commit", "--quiet", "--allow-empty", "--message", "nothing")
    return git(project.root, "rev-parse", "HEAD")


def test_an_archive_inside_another_repository_has_no_revision(project: Project, tmp_path: Path) -> None:
    """A source archive that is unpacked inside somebody else's repository does not take that one's SHA."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "theirs")
    assert checkout_sha(project.root) == "unknown"
    git(tmp_path, "add", "--all", "project/dagster.yaml")
    git(tmp_path, "commit", "--quiet", "--message", "ours, in theirs")
    assert checkout_sha(project.root) == git(tmp_path, "rev-parse", "HEAD")
