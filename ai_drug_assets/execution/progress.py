"""What a run has made, is making and will make next: for a terminal, a log, a program, and the service.

Belongs here: keeping count, the estimate of the time left, and reporting it in these four ways.
Does not belong here: the file that the service reads (see `model_zoo.bundles.progress`), what an asset takes
(see `planning/estimates.py`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from model_zoo.bundles.progress import EndpointProgress, ModelProgress, Progress, State, as_bytes
from model_zoo.errors import StoreError

from ai_drug_assets.planning.catalog import Catalog, Node
from ai_drug_assets.planning.estimates import Estimates

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

Say = Callable[[str], None]
PUBLISH_S = 10.0
TOGETHER = 0.85
"""How much of a second lane's time is a gain: side by side, assets share memory, disk and what is not parallel."""


class Display(Protocol):
    """Shows what happens."""

    def begun(self, total: int, of: int) -> None:
        """A run set out to make so many assets, of so many that there are."""

    def done(self, news: Progress, key: str, error: str | None, seconds: float) -> None:
        """An asset is done."""

    def goes_on(self, news: Progress, running: Sequence[str]) -> None:
        """Time passes."""


class RunProgress:
    """Counts what a run makes, and estimates what is left.

    Parameters
    ----------
    catalog, estimates
        What there is to make, and how long it takes.
    stale
        What the run sets out to make.
    endpoints
        The order in which it turns to the endpoints.
    lanes
        How many assets are made side by side.
    display
        Where it is shown.
    publish
        Given the file for the service; none when the run is over.
    """

    def __init__(
        self,
        catalog: Catalog,
        estimates: Estimates,
        stale: Collection[Node],
        endpoints: Sequence[str],
        lanes: int,
        display: Display,
        publish: Callable[[bytes | None], None],
    ) -> None:
        self._catalog, self._estimates, self._lanes = catalog, estimates, lanes
        self._display, self._publish = display, publish
        self._left = {node.key: estimates.seconds(node) for node in stale}
        self._total = len(stale)
        self._models = self._models_by_endpoint(endpoints)
        self._states: dict[str, State] = {}
        self._running: dict[str, None] = {}  # in the order in which they were begun
        self._guessed = self._took = 0.0
        self._began, self._published = datetime.now(UTC), 0.0
        display.begun(self._total, len(catalog.nodes))

    def __enter__(self) -> Self:
        """Publish the state from the first moment."""
        self._tell(force=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Publish that the run is over."""
        with suppress(StoreError):
            self._publish(None)

    def started(self, keys: Iterable[str]) -> None:
        """Note that these are made next, one after the other."""
        self._running |= dict.fromkeys(keys)
        self._states |= dict.fromkeys(self._running, "making")
        self._tell(force=True)

    def done(self, key: str, error: str | None, seconds: float) -> None:
        """Note that an asset is done."""
        self._running.pop(key, None)
        guess = self._left.pop(key, None)
        if guess is not None and error is None:
            self._guessed += guess
            self._took += seconds
        if error is None:
            self._estimates.record(key, seconds)
            self._learn_from(self._catalog.nodes[key])
        self._states[key] = "failed" if error else "made"
        self._display.done(self.news(), key, error, seconds)
        self._tell(force=True)

    def ended(self, outcome: dict[str, str | None]) -> None:
        """Note what came of assets of which some were never begun."""
        for key, error in outcome.items():
            self._running.pop(key, None)
            self._left.pop(key, None)
            self._states[key] = "failed" if error else "made"

    def goes_on(self) -> None:
        """Show that time passes."""
        self._display.goes_on(self.news(), list(self._running))
        self._tell()

    def news(self) -> Progress:
        """Return what there is to say."""
        return Progress(
            began=self._began.isoformat(timespec="seconds"),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            done=self._total - len(self._left),
            total=self._total,
            remaining_s=self._remaining_s(),
            learnt=self._rests_on_measurements(),
            endpoints=tuple(self._endpoint(name, models) for name, models in self._models.items()),
        )

    def _remaining_s(self) -> float:
        """Estimate what is left: guesses, as much off as those before them were, spread over the lanes."""
        pace = self._took / self._guessed if self._guessed > 1 else 1.0
        work = pace * sum(self._left.values())
        longest = pace * max(self._left.values(), default=0.0)
        share = 1 + TOGETHER * (self._lanes - 1)
        return round(max(work / share, longest), 1)

    def _learn_from(self, measured: Node) -> None:
        """Estimate again what compares with an asset that was measured; of the others it says nothing."""
        like = self._estimates.likeness(measured)
        alike = (node for key in self._left if self._estimates.likeness(node := self._catalog.nodes[key]) == like)
        self._left |= {node.key: self._estimates.seconds(node) for node in alike}

    def _rests_on_measurements(self) -> bool:
        """Return whether at least half of the time left is that of assets whose like was measured."""
        learnt = sum(s for key, s in self._left.items() if self._estimates.learnt(self._catalog.nodes[key]))
        return 2 * learnt >= sum(self._left.values())

    def _models_by_endpoint(self, endpoints: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in endpoints}
        for key in self._left:
            node = self._catalog.nodes[key]
            if node.endpoint is not None:
                found[node.endpoint] += [key] if node.kind == "trained_model" else []
        touched = {self._catalog.nodes[key].endpoint for key in self._left}
        return {name: keys for name, keys in found.items() if name in touched}

    def _endpoint(self, name: str, models: Sequence[str]) -> EndpointProgress:
        states = [self._states.get(key, "waiting") for key in models]
        mine = {key: state for key, state in self._states.items() if self._catalog.nodes[key].endpoint == name}
        left = [key for key in self._left if self._catalog.nodes[key].endpoint == name]
        state: State = "making" if any(key in self._running for key in mine) else "waiting"
        if not left:
            champion = self._states.get(f"champion_model/{name}", "made")
            state = "failed" if champion == "failed" else "made"
        elif mine and state == "waiting":
            state = "making"
        return EndpointProgress(
            name=name,
            title=self._catalog.configs.endpoints[name].title,
            state=state,
            models=tuple(
                ModelProgress(name=str(self._catalog.nodes[key].name), state=state)
                for key, state in zip(models, states, strict=True)
            ),
        )

    def _tell(self, *, force: bool = False) -> None:
        """Write the file for the service, now and then; a store that does not answer stops no training."""
        now = time.monotonic()
        if force or now - self._published > PUBLISH_S:
            self._published = now
            with suppress(StoreError):
                self._publish(as_bytes(self.news()))


class Lines:
    """A line per asset, for a log."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def begun(self, total: int, of: int) -> None:
        """Say how much there is to do."""
        self._say(f"{total} of {of} assets are stale")

    def done(self, news: Progress, key: str, error: str | None, seconds: float) -> None:
        """Say what was made, how long that took, or why it failed, and what is left."""
        line = f"[{news.done:>{len(str(news.total))}}/{news.total}] {key:<55} {seconds:6.1f} s"
        if error:
            self._say(f"{line}  FAILED: {error.splitlines()[0]}")
        else:
            self._say(f"{line}  {time_left(news)}".rstrip())

    def goes_on(self, news: Progress, running: Sequence[str]) -> None:
        """Say nothing: a log is read afterwards."""


class JsonLines:
    """A JSON object per asset, for a program that watches."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def begun(self, total: int, of: int) -> None:
        """Say how much there is to do."""
        self._say(json.dumps({"stale": total, "assets": of}))

    def done(self, news: Progress, key: str, error: str | None, seconds: float) -> None:
        """Say what was made, or why it failed, and how all endpoints are."""
        record: dict[str, Any] = {"asset": key, "seconds": round(seconds, 3), "error": error}
        self._say(json.dumps(record | news.model_dump(mode="json")))

    def goes_on(self, news: Progress, running: Sequence[str]) -> None:
        """Say nothing: what is done is news."""


class Terminal(Lines):
    """The lines, and below them a bar with what is being made and the time left."""

    def __init__(self, bar: Bar) -> None:
        super().__init__(bar.console.print)
        self._bar, self._task = bar, bar.add_task("", total=None)

    def begun(self, total: int, of: int) -> None:
        """Set the bar's length."""
        super().begun(total, of)
        self._bar.update(self._task, total=total, description="beginning")

    def goes_on(self, news: Progress, running: Sequence[str]) -> None:
        """Move the bar."""
        doing = ", ".join(key.partition("/")[2] or key for key in running[:2])
        self._bar.update(self._task, completed=news.done, description=f"{doing}  {time_left(news)}")


def time_left(news: Progress) -> str:
    """Say how much time is left, in words that promise no more than is known.

    Examples
    --------
    >>> time_left(Progress(began="", at="", done=1, total=9, remaining_s=170, learnt=True))
    'about 3 min left'
    >>> time_left(Progress(began="", at="", done=1, total=9, remaining_s=40))
    'about 40 s left (a first guess)'
    """
    if news.remaining_s is None or news.done >= news.total:
        return ""
    seconds = news.remaining_s
    words = f"{round(seconds / 60)} min" if seconds >= 90 else f"{max(5, 5 * round(seconds / 5))} s"
    return f"about {words} left" + ("" if news.learnt else " (a first guess)")


def display_for(say: Say, *, as_json: bool = False) -> AbstractContextManager[Display]:
    """Return the display that suits where the output goes: a bar in a terminal, else a line per asset."""
    if as_json:
        return nullcontext(JsonLines(say))
    if sys.stdout.isatty():
        return _terminal()
    return nullcontext(Lines(say))


@contextmanager
def _terminal() -> Iterator[Display]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(highlight=False, markup=False), transient=True) as bar:
        yield Terminal(bar)
