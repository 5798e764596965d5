"""Circles in a graph: its strongly connected components, in an order in which everything is before what needs it.

Source: Tarjan, SIAM Journal on Computing 1972, 1, 146.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def components(root: T, neighbours: Callable[[T], list[T]], done: Container[T]) -> Iterator[list[T]]:
    """Yield the strongly connected components that a node reaches, each after those that it refers to.

    Examples
    --------
    >>> graph = {"a": ["b"], "b": ["c", "d"], "c": ["b"], "d": []}
    >>> [sorted(each) for each in components("a", graph.__getitem__, set())]
    [['d'], ['b', 'c'], ['a']]
    """
    number: dict[T, int] = {root: 0}
    lowest: dict[T, int] = {root: 0}
    stack, open_, left = [root], {root}, [(root, iter(neighbours(root)))]
    while left:
        node, others = left[-1]
        for other in others:
            if other in done and other not in open_:
                continue
            if other not in number:
                number[other] = lowest[other] = len(number)
                stack.append(other)
                open_.add(other)
                left.append((other, iter(neighbours(other))))
                break
            if other in open_:
                lowest[node] = min(lowest[node], number[other])
        else:
            left.pop()
            if left:
                above = left[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
            if lowest[node] == number[node]:
                circle = []
                while True:
                    member = stack.pop()
                    open_.discard(member)
                    circle.append(member)
                    if member == node:
                        break
                yield circle
