"""A memory of bounded size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """The most recently used entries; those longest unused are forgotten.

    Parameters
    ----------
    capacity
        How much is remembered, in entries or in what `weigh` gives.
    weigh
        Returns the weight of an entry; 1 when omitted.
    least
        Entries that are remembered whatever they weigh.

    Examples
    --------
    >>> memory = LruCache[str, int](2)
    >>> for key in ("a", "b", "a", "c"):
    ...     if memory.get(key) is None:
    ...         memory.put(key, 1)
    >>> memory.get("a"), memory.get("b"), memory.get("c")
    (1, None, 1)
    """

    def __init__(self, capacity: int, weigh: Callable[[V], int] = lambda value: 1, least: int = 0) -> None:
        self._capacity, self._weigh, self._least = capacity, weigh, min(least, capacity)
        self._lock, self._weight = threading.Lock(), 0
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return what is remembered, and count it as used; none when it is not."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def put(self, key: K, value: V) -> None:
        """Remember a value, and forget the one longest unused when there are too many."""
        with self._lock:
            before = self._entries.pop(key, None)
            self._entries[key] = value
            self._weight += self._weigh(value) - (0 if before is None else self._weigh(before))
            while self._weight > self._capacity and len(self._entries) > self._least:
                self._weight -= self._weigh(self._entries.popitem(last=False)[1])
