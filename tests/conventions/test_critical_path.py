"""What a delivery waits for: at most one image build and one test run, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.critical_path import BUILDS, TESTS, as_text, duration, jobs_of_a_delivery, minutes, paths

STEP = "    steps: [{run: make test}]\n"


def test_at_most_one_image_build_and_one_test_run_stand_on_any_way() -> None:
    """Whatever each step takes, so also on the longest."""
    ways = paths(jobs_of_a_delivery())

    assert len(ways) >= 6
    for way in ways:
        assert way[-1].name == "deploy"
        for kind in (BUILDS, TESTS):
            assert sum(job.count(kind) for job in way) <= 1, [job.name for job in way]
    every = [job for way in ways for job in way]
    assert sum(job.count(BUILDS) for job in set(every)) == 1
    assert sum(job.count(TESTS) for job in set(every)) == 2  # side by side


def test_every_step_has_a_duration_and_every_duration_a_step() -> None:
    """A step that nobody thought of would be left out of the sum; a figure is measured, or said to be assumed."""
    known, jobs = minutes(), jobs_of_a_delivery()

    assert {step for job in jobs.values() for step in job.steps} == known.keys()
    for step, says in known.items():
        assert says["source"].split(":")[0] in ("measured", "assumed"), step
    longest = max(duration(way, known) for way in paths(jobs))
    assert f"The critical path of a delivery: {longest:.0f} minutes" in as_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"jobs:\n  a:\n{STEP}  b:\n    needs: a\n{STEP}  c:\n    needs: [b]\n{STEP}", [3]),
        (f"jobs:\n  c:\n    needs: [a, b]\n{STEP}  a:\n{STEP}  b:\n{STEP}", [2, 2]),
        (f"jobs:\n  a:\n    if: github.event_name == 'schedule'\n{STEP}  b:\n{STEP}", [1]),
        ("jobs:\n  a:\n    steps: [{name: x, run: 'echo\n\n      make test-all'}]\n", [1]),
    ],
    ids=["a chain", "side by side", "on other days", "a step with a name"],
)
def test_the_graph_is_read_as_github_reads_it(tmp_path: Path, text: str, expected: list[int]) -> None:
    """Against counts by hand."""
    path = tmp_path / "workflow.yml"
    path.write_text(text, encoding="utf-8")

    assert [sum(job.count(TESTS) for job in way) for way in paths(jobs_of_a_delivery(path))] == expected


def test_jobs_that_wait_for_each_other_are_named(tmp_path: Path) -> None:
    """GitHub would refuse the workflow."""
    path = tmp_path / "workflow.yml"
    path.write_text(f"jobs:\n  a:\n    needs: b\n{STEP}  b:\n    needs: a\n{STEP}", encoding="utf-8")

    with pytest.raises(ValueError, match=r"the jobs \['a', 'b'\] wait for each other"):
        jobs_of_a_delivery(path)
