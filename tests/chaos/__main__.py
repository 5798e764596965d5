"""`make test-chaos`: draw faults, do them to everything running, and print how long each took to heal.

Each kind is drawn once before any comes twice. The time to heal counts from the moment when the fault is over (the fix
committed, the lock given back) until nothing is wrong: every process runs, no run is left open, the plan is empty, and
the service answers with who was elected. With `--together 3`, three faults follow each other without a pause, and the
time counts from the end of the last one.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from tests.chaos.faults import ALL, OF_A_SERVER, possible
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
@click.option(
    "--together", type=click.IntRange(1), default=1, show_default=True, help="How many before healing is waited for."
)
@click.option("--keep-going", is_flag=True, help="Begin with a new installation after a fault that does not heal.")
@click.option("--out", type=click.Path(path_type=Path), help="Add the results to this file, for `tests.chaos.report`.")
def chaos(
    *,
    seed: int,
    number: int,
    only: tuple[str, ...],
    minutes: float,
    patience: float,
    together: int,
    keep_going: bool,
    out: Path | None,
) -> None:
    """Draw faults until something does not heal; exit 1 then."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)  # also in the background: what it started is ended
    deck, record = Deck(random.Random(seed), only or tuple(ALL)), Record(seed)
    limits = Limits(number, time.monotonic() + 60 * minutes, patience, together, out)
    while not limits.reached(record):
        with tempfile.TemporaryDirectory(prefix="aidrug-chaos-") as folder:
            stack = Stack(Path(folder) / "checkout", with_server=deck.needs_a_server())
            well = _on_one_installation(stack, deck, record, limits)
        if not well and not keep_going:
            break
    click.echo(record.as_markdown())
    for trouble in record.troubles:
        click.echo(trouble, err=True)
    sys.exit(1 if record.troubles else 0)


class Deck:
    """The kinds of faults in an order that is drawn: each once before any comes twice.

    Parameters
    ----------
    draw
        The generator.
    kinds
        Which there are.
    """

    def __init__(self, draw: random.Random, kinds: Sequence[str]) -> None:
        self.draw, self._kinds = draw, kinds
        self._left: list[str] = []

    def needs_a_server(self) -> bool:
        """Return whether what is left happens only to an MLflow that is a server."""
        self._left = self._left or self.draw.sample(self._kinds, len(self._kinds))
        return self._left[-1] in OF_A_SERVER

    def next(self, possible: Collection[str]) -> str | None:
        """Return the next kind that is possible; none where what is left needs another installation."""
        self._left = self._left or self.draw.sample(self._kinds, len(self._kinds))
        kind = next((each for each in reversed(self._left) if each in possible), None)
        if kind is not None:
            self._left.remove(kind)
        return kind


@dataclass(frozen=True)
class Limits:
    """How many faults, until when, how long each may take to heal, how many come together, and where results go."""

    number: int
    until: float
    patience: float
    together: int
    out: Path | None

    def reached(self, record: Record) -> bool:
        """Return whether it was enough."""
        return record.number >= self.number or time.monotonic() >= self.until


def _on_one_installation(stack: Stack, deck: Deck, record: Record, limits: Limits) -> bool:
    """Do faults to one installation until one does not heal, or there are enough; give whether all healed."""
    faults = possible(stack)
    well, done = True, list[str]()
    try:
        stack.start()
        while well and not limits.reached(record) and (kind := deck.next(faults)):
            before, done = stack.champion(), []
            while kind:
                done.append(kind)
                faults[kind](stack, deck.draw)
                kind = deck.next(faults) if len(done) < limits.together else None
            healed = _heal(stack, done, before, limits.patience)
            record.healed += healed
            names, wrong = ", ".join(done), healed[-1].wrong
            click.echo(f"{record.number:4} {names:28} {healed[-1].seconds:6.0f} s  {'; '.join(wrong) or 'healed'}")
            if wrong:
                well = False
                record.troubles.append(f"{record.number} {names}: {'; '.join(wrong)}\n{stack.printed()}")
            if limits.out:
                record.add_to(limits.out)
    except Exception as error:  # noqa: BLE001  it goes into the record, with what was said before
        well, wrong = False, [f"{type(error).__name__}: {error}"]
        record.healed += [replace(each, wrong=wrong) for each in _all_healed(done, 0.0, None, wrong)]
        record.troubles.append(f"{', '.join(done)}: {wrong[0]}\n{stack.printed()}")
    finally:
        left = stack.stop()
    record.troubles += [f"an orphan: {line}" for line in left]
    if limits.out:
        record.add_to(limits.out)
    return well and not left


def _heal(stack: Stack, kinds: Sequence[str], before: str, patience: float) -> list[Healed]:
    """Wait until nothing is wrong for a while; say for each fault how long, of the last what is still wrong."""
    began = time.monotonic()
    well_at, swapped_at = None, None
    while True:
        try:
            wrong = stack.wrong()
            if swapped_at is None and stack.champion() != before:
                swapped_at = time.monotonic()
            if well_at is not None and not wrong and time.monotonic() - well_at > REST_S:
                wrong = stack.plan_wrong()
                if not wrong:
                    break
        except Exception as error:  # noqa: BLE001  a database that is being replaced, say
            wrong = [f"{type(error).__name__}: {error}"]
        now = time.monotonic()
        well_at = None if wrong else well_at or now
        if now - began > patience:
            return _all_healed(kinds, now - began, None, wrong or ["it does not come to rest"])
        time.sleep(1)
    corrupt, mislabelled, orphans = stack.corrupt(), stack.mislabelled(), stack.orphans()
    while orphans and time.monotonic() - well_at < ORPHANS_S:
        time.sleep(1)
        orphans = stack.orphans()
    found = [*(f"{path} is damaged" for path in corrupt), *mislabelled, *(f"an orphan: {line}" for line in orphans)]
    return _all_healed(kinds, well_at - began, swapped_at - began if swapped_at else None, found)


def _all_healed(kinds: Sequence[str], seconds: float, swapped: float | None, wrong: list[str]) -> list[Healed]:
    others = {kind: [each for each in kinds if each != kind] for kind in kinds}
    healed = [Healed(kind, seconds, swapped, [], others[kind]) for kind in kinds]
    return [*healed[:-1], replace(healed[-1], wrong=wrong)]


if __name__ == "__main__":
    chaos()
