"""`make test-chaos`: draw faults, do them to everything running, and print how long each took to heal.

The time to heal counts from the moment when the fault is over (the fix committed, the lock given back) until nothing is
wrong: every process runs, no run is left open, the plan is empty, and the service answers with who was elected.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

from tests.chaos.faults import ALL, possible
from tests.chaos.record import Healed, Record
from tests.chaos.stack import Stack

REST_S = 6.0
"""So long nothing may be wrong before it counts as healed."""
ORPHANS_S = 60.0


@click.command()
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--number", type=click.IntRange(1), default=200, show_default=True, help="How many faults.")
@click.option("--only", multiple=True, type=click.Choice(list(ALL)), help="Draw only from these.")
@click.option("--minutes", type=float, default=600.0, show_default=True, help="Draw no further fault after so long.")
@click.option(
    "--patience", type=float, default=600.0, show_default=True, help="Seconds until a fault counts as not healed."
)
@click.option("--server", is_flag=True, help="MLflow is a server, and can be away.")
@click.option("--keep-going", is_flag=True, help="Begin with a new installation after a fault that does not heal.")
@click.option("--out", type=click.Path(path_type=Path), help="Add the results to this file, for `tests.chaos.report`.")
def chaos(
    *,
    seed: int,
    number: int,
    only: tuple[str, ...],
    minutes: float,
    patience: float,
    server: bool,
    keep_going: bool,
    out: Path | None,
) -> None:
    """Draw faults until something does not heal; exit 1 then."""
    draw, record = random.Random(seed), Record(seed=seed, server=server)
    limits = Limits(only, number, time.monotonic() + 60 * minutes, patience, out)
    while not limits.reached(record):
        with tempfile.TemporaryDirectory(prefix="aidrug-chaos-") as folder:
            well = _on_one_installation(Path(folder), draw, record, limits)
        if not well and not keep_going:
            break
    click.echo(record.as_markdown())
    for trouble in record.troubles:
        click.echo(trouble, err=True)
    sys.exit(1 if record.troubles else 0)


@dataclass(frozen=True)
class Limits:
    """Which faults, how many, until when, how long each may take to heal, and where results go."""

    only: tuple[str, ...]
    number: int
    until: float
    patience: float
    out: Path | None

    def reached(self, record: Record) -> bool:
        """Say whether it was enough."""
        return record.number >= self.number or time.monotonic() >= self.until


def _on_one_installation(folder: Path, draw: random.Random, record: Record, limits: Limits) -> bool:
    """Do faults to one installation until one does not heal, or there are enough; give whether all healed."""
    stack = Stack(folder / "checkout", with_server=record.server)
    faults = {kind: fault for kind, fault in possible(stack).items() if not limits.only or kind in limits.only}
    turns: list[str] = []
    well = True
    try:
        stack.start()
        while well and not limits.reached(record):
            turns = turns or draw.sample(list(faults), len(faults))  # each kind once before any comes twice
            kind = turns.pop()
            before = stack.champion()
            faults[kind](stack, draw)
            healed = _heal(stack, kind, before, limits.patience)
            record.healed.append(healed)
            click.echo(f"{record.number:4} {kind:28} {healed.seconds:6.0f} s  {'; '.join(healed.wrong) or 'healed'}")
            if healed.wrong:
                well = False
                record.troubles.append(f"{record.number} {kind}: {'; '.join(healed.wrong)}\n{stack.said()}")
            if limits.out:
                record.add_to(limits.out)
    except Exception as error:  # noqa: BLE001  it goes into the record, with what was said before
        well = False
        record.troubles.append(f"{type(error).__name__}: {error}\n{stack.said()}")
    finally:
        left = stack.stop()
    record.troubles += [f"an orphan: {line}" for line in left]
    return well and not left


def _heal(stack: Stack, kind: str, before: str, patience: float) -> Healed:
    """Wait until nothing is wrong for a while; say how long it took, and what is still wrong."""
    began = time.monotonic()
    well_at, swapped_at = None, None
    while True:
        try:
            wrong = stack.wrong()
            if swapped_at is None and stack.champion() != before:
                swapped_at = time.monotonic()
        except Exception as error:  # noqa: BLE001  a database that is being replaced, say
            wrong = [f"{type(error).__name__}: {error}"]
        now = time.monotonic()
        if wrong:
            well_at = None
        elif well_at is None:
            well_at = now
        elif now - well_at > REST_S:
            break
        if now - began > patience:
            return Healed(kind, now - began, wrong=wrong or ["it does not come to rest"])
        time.sleep(1)
    corrupt, mislabelled, orphans = stack.corrupt(), stack.mislabelled(), stack.orphans()
    while orphans and time.monotonic() - well_at < ORPHANS_S:
        time.sleep(1)
        orphans = stack.orphans()
    found = [*(f"{path} is damaged" for path in corrupt), *mislabelled, *(f"an orphan: {line}" for line in orphans)]
    return Healed(kind, well_at - began, swapped_at - began if swapped_at else None, found)


if __name__ == "__main__":
    chaos()
