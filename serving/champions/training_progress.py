"""What a run is making meanwhile, as the pipeline says it beside the pointer of the bundle store.

Nothing is decided by it: whatever is wrong with the news, there is none, and nobody is bothered with that.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection
from contextlib import suppress

from model_zoo.bundles.progress import EndpointProgress, Progress, parse_progress
from model_zoo.bundles.store import FolderStore, Store

FOLDER_SECONDS = 2.0
"""Least time between two looks at a store in a folder."""
OTHER_SECONDS = 15.0
"""The same for any other: every look at S3 costs a request."""


class TrainingProgress:
    """Reads what a run is making.

    Attributes
    ----------
    looked
        Set once the first look is over, whatever came of it.
    """

    def __init__(self, store: Store, poll_seconds: float) -> None:
        self.looked = asyncio.Event()
        self._store = store
        self._pause = max(poll_seconds, FOLDER_SECONDS if isinstance(store, FolderStore) else OTHER_SECONDS)
        self._content: bytes | None = None

    async def run(self) -> None:
        """Look again and again until cancelled; apart from the following, which it must not hold up."""
        while True:
            await asyncio.to_thread(self.look)
            self.looked.set()
            await asyncio.sleep(self._pause)

    def look(self) -> None:
        """Look once. A store that cannot be read says nothing new; what it said before grows old by itself."""
        with suppress(Exception):
            self._content = self._store.read_progress_bytes()

    @property
    def progress(self) -> Progress | None:
        """What the run says; none when none is at work."""
        progress = parse_progress(self._content)
        left = progress.remaining_s if progress else None
        if progress is None or left is None or (math.isfinite(left) and left >= 0):
            return progress
        return progress.model_copy(update={"remaining_s": None})


def models_done(endpoint: EndpointProgress) -> int:
    """Count the models of an endpoint that are made."""
    return sum(model.state == "made" for model in endpoint.models)


def about(seconds: float) -> str:
    """Say how long something takes, as roughly as it is known.

    Examples
    --------
    >>> about(20), about(70), about(170), about(4_000), about(10_000)
    ('less than a minute', 'about a minute', 'about 3 minutes', 'about an hour', 'about 3 hours')
    """
    if seconds < 50:
        return "less than a minute"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes <= 1:
        return "about a minute"
    if minutes < 55:
        return f"about {minutes} minutes"
    return "about an hour" if hours <= 1 else f"about {hours} hours"


def expected_one_of(known: Collection[str], progress: Progress | None, *came: str) -> str:
    """Say which endpoints there are and which were asked for, and of those that a run is making, that it is.

    Examples
    --------
    >>> expected_one_of(["bbb"], None, "herg")
    "expected one of bbb, got 'herg'"
    """
    text = f"expected one of {', '.join(known) or 'none yet'}, got {', '.join(repr(name) for name in came)}"
    return text + being_made(progress, came)


def being_made(progress: Progress | None, names: Collection[str] | None = None) -> str:
    """Return a clause that says of endpoints that a run is making them and about when it ends; empty where it is not.

    Parameters
    ----------
    names
        The endpoints; those that are made at present when omitted.

    Examples
    --------
    >>> herg = EndpointProgress(name="herg", title="hERG", state="waiting")
    >>> being_made(Progress(began="", at="", done=0, total=9, remaining_s=170, endpoints=(herg,)), ["herg"])
    '; herg is waiting to be made in a run that ends in about 3 minutes (a first guess)'
    """
    if progress is None:
        return ""
    if names is None:
        wanted = [each for each in progress.endpoints if each.state == "making"]
    else:
        wanted = [each for each in progress.endpoints if each.name in names]
    states = "".join(f"; {_state_of(each)}" for each in wanted)
    if states and progress.remaining_s is not None:
        states += f" in a run that ends in {about(progress.remaining_s)}{'' if progress.learnt else ' (a first guess)'}"
    return states


def _state_of(endpoint: EndpointProgress) -> str:
    if endpoint.state == "making":
        models = f" ({models_done(endpoint)} of {len(endpoint.models)} models are done)" if endpoint.models else ""
        return f"{endpoint.name} is being made{models}"
    words = {"waiting": "is waiting to be made", "made": "was made", "failed": "could not be made"}
    return f"{endpoint.name} {words[endpoint.state]}"
