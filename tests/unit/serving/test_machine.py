"""What a process may use is what its container allows, in every form in which Linux says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_drug_assets.settings import Settings as PipelineSettings
from serving.machine import memory_bytes, processors
from serving.settings import Settings

MACHINE = 8 << 30
LIMIT = 1500 << 20
PROCESSORS = 16
HUGE = "9223372036854771712"
"""What the first version shows where there is no limit."""
Group = Callable[..., tuple[Path, Path]]


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    """Return what writes a process's groups, and limits by their places, on a machine of a known size."""
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": MACHINE // 4096}
    monkeypatch.setattr(os, "sysconf", lambda name: sizes[name])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(PROCESSORS)), raising=False)

    def make(own: str, /, **files: str) -> tuple[Path, Path]:
        (tmp_path / "own").write_text(own, encoding="utf-8")
        for place, content in files.items():
            path = tmp_path / "groups" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n", encoding="utf-8")
        return tmp_path / "own", tmp_path / "groups"

    return make


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"memory.max": str(LIMIT)}, LIMIT),
        ("0::/\n", {"memory.max": "max"}, MACHINE),
        ("0::/\n", {}, MACHINE),
        ("0::/\n", {"memory.max": "0"}, MACHINE),
        ("0::/\n", {"memory.max": "garbage"}, MACHINE),
        ("0::/\n", {"memory.max": str(64 << 30)}, MACHINE),
        ("0::/a/b\n", {"a/memory.max": str(LIMIT), "a/b/memory.max": "max"}, LIMIT),
        ("0::/a/b\n", {"a/memory.max": str(2 * LIMIT), "a/b/memory.max": str(LIMIT)}, LIMIT),
        ("0::/docker/1f\n", {"memory.max": str(LIMIT)}, LIMIT),
        ("0::/../beside\n", {"memory.max": str(LIMIT)}, LIMIT),
        ("5:cpu,cpuacct:/\n4:memory:/\n0::/\n", {"memory/memory.limit_in_bytes": str(LIMIT)}, LIMIT),
        ("4:memory:/docker/1f\n", {"memory/memory.limit_in_bytes": str(LIMIT)}, LIMIT),
        ("4:memory:/a/b\n", {"memory/a/memory.limit_in_bytes": str(LIMIT)}, LIMIT),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": HUGE}, MACHINE),
        ("9:name=systemd:/memory\n", {"memory/memory.limit_in_bytes": str(LIMIT)}, MACHINE),
    ],
)
def test_memory_is_the_lowest_limit(group: Group, own: str, files: dict[str, str], expected: int) -> None:
    """Of the machine and every group around the process; what is not a number counts for nothing."""
    assert memory_bytes(*group(own, **files)) == expected


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "max 100000"}, PROCESSORS),
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000"}, 1),
        ("0::/\n", {"cpu.max": "6400000 100000"}, PROCESSORS),
        ("0::/a\n", {"cpu.max": "200000 100000", "a/cpu.max": "300000 100000"}, 2),
        ("3:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("3:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, PROCESSORS),
        ("3:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "200000"}, PROCESSORS),
        ("3:cpuset:/\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, PROCESSORS),
    ],
)
def test_processors_are_the_lowest_quota(group: Group, own: str, files: dict[str, str], expected: int) -> None:
    """Part of a processor counts as one."""
    assert processors(*group(own, **files)) == expected


def test_where_there_are_no_groups_the_machine_counts(group: Group, tmp_path: Path) -> None:
    """As on macOS, or where the files may not be read."""
    group("")
    folder = tmp_path / "folder"
    folder.mkdir()

    for own in (tmp_path / "nothing", folder):
        assert (memory_bytes(own, folder), processors(own, folder)) == (MACHINE, PROCESSORS)


def test_without_affinity_all_processors_count(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)

    assert processors(*group("")) == 3


def test_defaults_keep_to_the_container(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models take a quarter of what the service may take; assets are made side by side as far as memory goes."""
    own, groups = group("0::/\n", **{"memory.max": str(LIMIT), "cpu.max": "max 100000"})
    for function in (memory_bytes, processors):
        monkeypatch.setattr(function, "__defaults__", (own, groups))

    assert Settings.from_environment({}).model_bytes == Settings().model_bytes == LIMIT // 4
    assert PipelineSettings.from_env({}).workers == 1
    (groups / "memory.max").write_text("max\n")
    assert Settings.from_environment({}).model_bytes == MACHINE // 4
    assert PipelineSettings.from_env({}).workers == 2
    (groups / "memory.max").write_text(f"{LIMIT}\n")
    assert Settings.from_environment({"AIDRUG_MODEL_BYTES": "7"}).model_bytes == 7
