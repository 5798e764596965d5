"""Work on many things spread over processes, in order.

Fresh processes, never forks: the process that asks may have threads, and a fork of those can hang.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def spread(work: Callable[[A], B], items: Sequence[A], processes: int, *, least: int, chunk: int = 1) -> Iterator[B]:
    """Yield `work` of each item, in order.

    Parameters
    ----------
    work
        A function at the top level of a module, or a `partial` of one.
    items
        What it is given, each alone.
    processes
        How many work at once.
    least
        Items that are worth starting processes for, which takes about a second each; fewer are worked on here.
    chunk
        How many go to a process at once.

    Examples
    --------
    >>> list(spread(abs, [-1, 2], processes=1, least=1))
    [1, 2]
    """
    if processes < 2 or len(items) < least:
        yield from map(work, items)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, items, chunksize=chunk)
