"""`make test-chaos`: draw faults, do them to everything running, and print how long each took to heal.

The time to heal counts from the moment when the fault is over (the fix committed, the lock given back) until nothing is
wrong: every process runs, no run is left open, the plan is empty, and the service answers with who was elected.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import click

from tests.chaos.faults import FAULTS
from tests.chaos.stack import Stack

PATIENCE_S = 600.0


@click.command()
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--number", type=click.IntRange(1), default=200, show_default=True, help="How many faults.")
@click.option("--only", multiple=True, type=click.Choice(list(FAULTS)), help="Draw only from these.")
@click.option("--minutes", type=float, default=600.0, show_default=True, help="Draw no further fault after so long.")
def chaos(*, seed: int, number: int, only: tuple[str, ...], minutes: float) -> None:
    """Draw faults until something does not heal; exit 1 then."""
    draw = random.Random(seed)
    kinds = list(only or FAULTS)
    drawn = [kind for _ in range(-(-number // len(kinds))) for kind in draw.sample(kinds, len(kinds))][:number]
    times: dict[str, list[float]] = defaultdict(list)
    troubles: list[str] = []
    until = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="aidrug-chaos-") as folder:
        stack = Stack(Path(folder) / "checkout")
        try:
            stack.start()
            for place, kind in enumerate(drawn, 1):
                if time.monotonic() > until:
                    break
                FAULTS[kind](stack, draw)
                seconds, wrong = _heal(stack)
                wrong += [] if wrong else [*stack.mislabelled(), *stack.corrupt()]
                times[kind].append(seconds)
                click.echo(f"{place:4} {kind:28} {seconds:6.0f} s  {'; '.join(wrong) or 'healed'}")
                if wrong:
                    troubles.append(f"{place} {kind}: {'; '.join(wrong)}\n{stack.said()}")
                    break
        finally:
            left = stack.stop()
        troubles += [f"an orphan: {line}" for line in left]
    _table(times)
    for trouble in troubles:
        click.echo(trouble, err=True)
    sys.exit(1 if troubles else 0)


def _heal(stack: Stack) -> tuple[float, list[str]]:
    """Wait until nothing is wrong, twice in a row; give how long it took, and what is still wrong."""
    began = time.monotonic()
    well_at: float | None = None
    while True:
        try:
            wrong = stack.wrong()
        except Exception as error:  # noqa: BLE001  a database that is being replaced, say
            wrong = [f"{type(error).__name__}: {error}"]
        now = time.monotonic()
        if wrong:
            well_at = None
        elif well_at is None:
            well_at = now
        elif now - well_at > 6:
            return well_at - began, []
        if now - began > PATIENCE_S:
            return now - began, wrong or ["it does not come to rest"]
        time.sleep(1)


def _table(times: dict[str, list[float]]) -> None:
    click.echo(f"\n{sum(map(len, times.values()))} faults\n")
    click.echo("| fault | times | median to heal | worst |\n| --- | --: | --: | --: |")
    for kind, taken in sorted(times.items()):
        click.echo(f"| {kind} | {len(taken)} | {median(taken):.0f} s | {max(taken):.0f} s |")


if __name__ == "__main__":
    chaos()
