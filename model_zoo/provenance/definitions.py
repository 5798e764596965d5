"""Digests of definitions, content-addressed: each name in a definition counts as the digest of what it refers to.

Belongs here: digests of definitions, what some of them reach, and the way from one to another.
Does not belong here: what a definition refers to (see `expansion.py`), which ones make up which asset (see `roots.py`).

The rule is that of the language Unison. A definition's own name and place are no part of its digest, so that moving and
renaming change nothing; a change changes the digests of exactly those that refer to it, through however many others.
Definitions that refer to each other in a circle are digested together. Where a name cannot be followed, the whole
module is taken, and the name of what is taken says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from model_zoo.errors import ConfigError
from model_zoo.provenance.expansion import Graph
from model_zoo.provenance.names import Node
from model_zoo.provenance.strong_components import components

MOST_ROOTS = 8
"""A process knows one root; tests make many."""


class Reached(NamedTuple):
    """What some definitions reach, themselves included."""

    digests: dict[str, str]
    """By qualified name, sorted."""
    libraries: dict[str, str]
    """First names of third-party modules, each with the qualified name of a definition that uses it."""
    builtins: dict[str, str]
    """Builtins used, likewise."""


class Definitions(Graph):
    """The first-party definitions under a root, as its files were when they were first asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._digests: dict[Node, bytes] = {}
        self._reached: dict[tuple[str, ...], Reached] = {}

    def digest(self, qualified: str) -> str:
        """Return a definition's digest, 64 hexadecimal digits.

        Raises
        ------
        ConfigError
            When there is no such definition, or a module on the way is not valid Python.
        """
        return self.digest_of(self.names.definition(qualified))

    def digest_of(self, node: Node) -> str:
        """Return the digest of a definition that was found already."""
        self._digest_all(node)
        return self._digests[node].hex()

    def require_module(self, name: str) -> None:
        """Refuse the name of a module that is none."""
        if self.names.module(name) is None:
            expected = f"{name.replace('.', '/')}.py under {self.names.root}"
            raise ConfigError(f"module {name!r}: expected a file {expected}, got none")

    def reach(self, roots: Iterable[str]) -> Reached:
        """Return all that definitions reach."""
        begin = tuple(sorted(roots))
        if begin not in self._reached:
            self._reached[begin] = self._reach(begin)
        return self._reached[begin]

    def _reach(self, roots: Iterable[str]) -> Reached:
        nodes = self.nodes(roots)
        named = sorted((self.qualified(node), node) for node in nodes)
        libraries: dict[str, str] = {}
        builtins: dict[str, str] = {}
        for name, node in named:
            known = self.known(node)
            for library in sorted(known.libraries):
                libraries.setdefault(library.partition(".")[0], name)
            for builtin in sorted(known.builtins):
                builtins.setdefault(builtin, name)
        return Reached({name: self._digests[node].hex() for name, node in named}, libraries, builtins)

    def nodes(self, roots: Iterable[str]) -> set[Node]:
        """Return the definitions that are reached."""
        reached: set[Node] = set()
        waiting = [self.names.definition(root) for root in roots]
        for node in waiting:
            self._digest_all(node)
        while waiting:
            node = waiting.pop()
            if node not in reached:
                reached.add(node)
                waiting.extend(self.known(node).nodes)
        return reached

    def _digest_all(self, root: Node) -> None:
        """Digest a definition and all that it reaches, circles together, from the far end."""
        if root in self._digests:
            return
        for circle in components(root, lambda node: self.known(node).nodes, self._digests):
            inside = dict.fromkeys(circle, b"")
            rounds = max(1, len(circle))
            for _ in range(rounds):  # so that what differs anywhere in the circle distinguishes its members
                inside = {node: self._digest(node, inside) for node in circle}
            together = b"".join(sorted(inside.values())) if len(circle) > 1 else b""
            for node in circle:
                self._digests[node] = hashlib.sha256(inside[node] + together).digest()

    def _digest(self, node: Node, inside: dict[Node, bytes]) -> bytes:
        def mark(other: Node) -> bytes:
            return b"circle:" + inside[other] + b";" if other in inside else b"ref:" + self._digests[other] + b";"

        state, known = hashlib.sha256(), self.known(node)
        for part in known.parts:
            state.update(part if isinstance(part, bytes) else mark(part))
        for effect in sorted(map(mark, known.effects)):
            state.update(b"and" + effect)
        return state.digest()


_KNOWN: dict[Path, Definitions] = {}
_COMPARED: set[Path] = set()


def definitions(root: Path) -> Definitions:
    """Return the definitions under a root, those of the last time where no file that they come from has changed.

    Files are compared with what was read of them, byte by byte, at the first call after `compare_again`.
    """
    known = _KNOWN.get(root)
    if known is None or root not in _COMPARED:
        if known is None or not known.names.unchanged():
            known = _KNOWN[root] = Definitions(root)
        _COMPARED.add(root)
        for oldest in list(_KNOWN)[:-MOST_ROOTS]:
            _KNOWN.pop(oldest, None)
    return known


def compare_again() -> None:
    """Have `definitions` look at the files again."""
    _COMPARED.clear()


def way_to(known: Definitions, roots: Iterable[str], wanted: Node) -> list[Node]:
    """Return a shortest way from one of some definitions to another one; empty when there is none."""
    before: dict[Node, Node | None] = {known.names.definition(root): None for root in roots}
    waiting = list(before)
    for node in waiting:  # grows while it is read
        if node == wanted:
            return list(reversed(list(_back(before, node))))
        for each in known.known(node).nodes:
            if each not in before:
                before[each] = node
                waiting.append(each)
    return []


def _back(before: dict[Node, Node | None], node: Node | None) -> Iterator[Node]:
    while node is not None:
        yield node
        node = before[node]
