"""A memory of bounded size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """The most recently used entries; those longest unused are forgotten.

    Examples
    --------
    >>> memory = LruCache[str, int](2)
    >>> for key in ("a", "b", "a", "c"):
    ...     if memory.get(key) is None:
    ...         memory.put(key, 1)
    >>> memory.get("a"), memory.get("b"), memory.get("c")
    (1, None, 1)
    """

    def __init__(self, capacity: int) -> None:
        self._capacity, self._lock = capacity, threading.Lock()
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Give what is remembered, and count it as used; none when it is not."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def put(self, key: K, value: V) -> None:
        """Remember a value, and forget the one longest unused when there are too many."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
