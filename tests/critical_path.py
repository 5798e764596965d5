"""How long a delivery takes, and through which jobs: `make critical-path` prints it.

The graph is that of the workflows: jobs, what each needs, and the copies that a matrix makes of one. What a step takes
is in `critical_path.yaml`, with its source; `make critical-path MEASURE='make lint'` takes the time of a step on
this machine and writes it there. A runner begins with nothing, so there is no warm delivery: what is installed and
built is installed and built each time.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from model_zoo.type_aliases import Json

ROOT = Path(__file__).parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"
MINUTES = Path(__file__).parent / "critical_path.yaml"
BUILDS, TESTS = r"images\.sh build|docker (?:buildx )?build\b", r"\bmake test\b|\bpytest\b"
MATRIX = "${{ matrix.run }}"


@dataclass(frozen=True)
class Job:
    """A job of a delivery.

    Attributes
    ----------
    name
        Where a called workflow or a matrix made it, with both.
    steps
        What it does, by the name of each step: its own, what it runs, or the action that it uses.
    commands
        What its steps run, in full.
    needs
        The jobs that must have ended before it begins.
    """

    name: str
    steps: tuple[str, ...]
    commands: str
    needs: tuple[str, ...]

    def count(self, pattern: str) -> int:
        """Count its commands of a kind."""
        return len(re.findall(pattern, self.commands, re.MULTILINE))


def jobs_of_a_delivery(path: Path = WORKFLOWS / "deliver.yml") -> dict[str, Job]:
    """Read the jobs that a push to main starts, in an order in which none comes before what it needs."""
    found: dict[str, Job] = {}
    ends: dict[str, tuple[str, ...]] = {}
    waiting = dict(_load(path))
    while waiting:
        ready = [name for name, job in waiting.items() if set(_many(job.get("needs", []))) <= ends.keys()]
        if not ready:
            raise ValueError(
                f"{path.name}: the jobs {sorted(waiting)} wait for each other or for one that is not there"
            )
        for name in ready:
            job = waiting.pop(name)
            needs = tuple(end for one in _many(job.get("needs", [])) for end in ends[one])
            made = list(_made(name, job, needs))
            found |= {one.name: one for one in made}
            needed = {name for one in made for name in one.needs}
            ends[name] = tuple(one.name for one in made if one.name not in needed)
    return found


def _load(path: Path) -> dict[str, dict[str, Json]]:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return {name: job for name, job in jobs.items() if "'schedule'" not in str(job.get("if", ""))}


def _made(name: str, job: dict[str, Json], needs: tuple[str, ...]) -> Iterator[Job]:
    """Yield the jobs of one entry: those of the workflow that it calls, or a copy for each word of its matrix."""
    if "uses" in job:
        called = jobs_of_a_delivery(ROOT / str(job["uses"]))
        for one in called.values():
            inside = tuple(f"{name} / {need}" for need in one.needs)
            yield Job(f"{name} / {one.name}", one.steps, one.commands, inside or needs)
        return
    words = job.get("strategy", {}).get("matrix", {}).get("run", [""])
    for word in words:
        steps = [step for step in job["steps"] if _takes_part(step, word)]
        commands = "\n".join(str(step.get("run", "")) for step in steps).replace(MATRIX, word)
        names = tuple(_name(step).replace(MATRIX, word) for step in steps)
        yield Job(f"{name} ({word})" if word else name, names, commands, needs)


def _takes_part(step: dict[str, Json], word: str) -> bool:
    condition = str(step.get("if", ""))
    wanted = re.search(r"matrix\.run == '([^']*)'", condition)
    return (wanted is None or wanted.group(1) == word) and not condition.startswith("github.event.pull_request")


def _name(step: dict[str, Json]) -> str:
    return re.sub(r"@[0-9a-f]{40}$", "", str(step.get("name") or step.get("run") or step["uses"]))


def _many(value: Json) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def minutes() -> dict[str, dict[str, Json]]:
    """Read what each step takes, and where that is known from."""
    known: dict[str, dict[str, Json]] = yaml.safe_load(MINUTES.read_text(encoding="utf-8"))
    return known


def paths(jobs: dict[str, Job]) -> list[tuple[Job, ...]]:
    """List every way from a job that needs none to one that nobody needs."""
    needed = {name for job in jobs.values() for name in job.needs}

    def before(job: Job) -> list[tuple[Job, ...]]:
        return [(*way, job) for name in job.needs for way in before(jobs[name])] or [(job,)]

    return [way for job in jobs.values() if job.name not in needed for way in before(job)]


def duration(way: tuple[Job, ...], known: dict[str, dict[str, Json]]) -> float:
    """Sum up a way, in minutes."""
    return sum(float(known[step]["minutes"]) for job in way for step in job.steps)


def as_text() -> str:
    """Print the longest way, step by step, and how much shorter the others are."""
    known = minutes()
    ways = sorted(paths(jobs_of_a_delivery()), key=lambda way: -duration(way, known))
    lines = [f"The critical path of a delivery: {duration(ways[0], known):.0f} minutes"]
    for job in ways[0]:
        lines.append(f"  {job.name}")
        lines += [f"    {known[step]['minutes']:>5} {step}  [{known[step]['source']}]" for step in job.steps]
    lines.append("Beside it:")
    lines += [f"  {duration(way, known):>3.0f} minutes  {' -> '.join(job.name for job in way)}" for way in ways[1:]]
    builds, tests = (max(sum(job.count(kind) for job in way) for way in ways) for kind in (BUILDS, TESTS))
    return "\n".join([*lines, f"On any way at most {builds} image build and {tests} test run."])


def measure(step: str) -> None:
    """Run a step here and write down what it took."""
    known = minutes()
    if step not in known:
        raise SystemExit(f"expected one of the steps of {MINUTES.name}, got {step!r}: {', '.join(known)}")
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["sh", "-c", step], cwd=ROOT, check=True)
    taken, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    source = f"measured: {taken:.0f} s by the clock, {work:.0f} s of processor time"
    known[step] = {"minutes": round(taken / 60, 1), "source": source}
    MINUTES.write_text(HEAD + yaml.safe_dump(known, sort_keys=False, width=200), encoding="utf-8")


HEAD = "# What each step of a delivery takes, in minutes: see critical_path.py. `assumed` was measured by nobody.\n"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", metavar="STEP", help="run this step here, and write down what it took")
    if wanted := parser.parse_args().measure:
        measure(wanted)
    print(as_text())
