"""The code part of a record: digests of the definitions that make a thing, and the libraries that these use.

Belongs here: computing both parts from the roots, and naming the definition that makes two records differ.
Does not belong here: digests (see `definitions.py`), which roots there are (see `roots.py`).

A record holds the roots' digests, which the signature covers, and beside them a digest of every definition reached, and
why each library counts, which it does not: names and places of helpers are shown to people and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from model_zoo.provenance import libraries
from model_zoo.provenance.definitions import Definitions, compare_again, definitions, way_to
from model_zoo.provenance.names import Node
from model_zoo.provenance.roots import Makers, place_of, roots
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.provenance.strong_components import components

DIGITS = 12
"""Of a digest that only shows what changed; the roots' digests are whole."""


class Changed(NamedTuple):
    """A definition that makes a record differ."""

    path: str
    line: int
    """`path` and `line`: where it is now."""
    detail: str
    """`changed`, or `added` when the earlier record holds nothing of its name."""
    via: tuple[str, ...]
    """Qualified names on the way to it, from the root to itself."""


@lru_cache(maxsize=4096)
def sign(makers: Makers, root: Path) -> Mapping[str, dict[str, str]]:
    """Return the parts `code` and `library` of a record, and what only explains them: `definitions` and `because`.

    Raises
    ------
    ConfigError
        When a definition or module does not exist, or is not valid Python.
    """
    known, begin = definitions(root), roots(makers, root)
    reached = known.reach(begin.values())
    return {
        "code": {name: known.digest(place) for name, place in sorted(begin.items())},
        "library": libraries.versions(reached.libraries, reached.builtins),
        "definitions": {name: digest[:DIGITS] for name, digest in reached.digests.items()},
        "because": libraries.reasons(reached.libraries, reached.builtins),
    }


def signed_files(makers: Makers, root: Path) -> list[str]:
    """List the files that hold what some code reaches, and those that it reads beside itself, relative to the root."""
    known = definitions(root)
    nodes = known.nodes(roots(makers, root).values())
    paths = {known.module(node).path for node in nodes} | {file for node in nodes for file in known.known(node).files}
    return sorted(path for path in paths if (root / path).is_file())


def changed_definitions(before: SignatureRecord, after: SignatureRecord, root: Path) -> list[Changed]:
    """Find the definitions that make the code of two records differ: those that changed, not those that refer to them.

    Parameters
    ----------
    before, after
        Records; `after` is that of the files under the root.
    root
        Folder that holds the first-party packages.
    """
    known, found = definitions(root), {}
    earlier, old, new = before.definitions, before.code, after.code
    for name in sorted(new):
        if old.get(name) == new[name]:
            continue
        place = place_of(name)
        start = known.names.definition(place)
        for node in _culprits(known, start, earlier) or [start]:
            if node not in found:
                via = tuple(known.qualified(each) for each in way_to(known, [place], node))
                detail = "changed" if not earlier or known.qualified(node) in earlier else "added"
                found[node] = Changed(known.module(node).path, known.line(node), detail, via)
    return sorted(found.values())


def forget() -> None:
    """See files and libraries as they are now at the next signature."""
    compare_again()
    sign.cache_clear()
    libraries.distribution.cache_clear()


def _culprits(known: Definitions, start: Node, earlier: Mapping[str, str]) -> list[Node]:
    """Return the changed definitions that refer to no other changed one; of a circle that changed, one.

    One of a name that is new has not changed where anything was equal before: it was moved or renamed.
    """
    anywhere = set(earlier.values())

    def changed(node: Node) -> bool:
        digest, name = known.digest_of(node)[:DIGITS], known.qualified(node)
        return earlier[name] != digest if name in earlier else digest not in anywhere

    def neighbours(node: Node) -> list[Node]:
        return [other for other in known.known(node).nodes if changed(other)]

    return list(_ends(start, neighbours)) if changed(start) else []


def _ends(start: Node, neighbours: Any) -> Iterator[Node]:
    for circle in components(start, neighbours, ()):
        if all(other in circle for node in circle for other in neighbours(node)):
            yield circle[-1]
