"""Which tests are slow, and what represents each of them in `make test`: `python -m tests.slow_tests` writes the table.

Every mark says it: `@pytest.mark.slow(sibling="test_file::test_name")` names one or more quick tests that fail for the
same kind of fault, those of its own file without the file; `alone="..."` says why it needs none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "slow-tests.md"
HEAD = """# Slow tests

`make test-slow` runs the tests below, `make test` all others and `make test-all` both, as continuous integration does.
Each slow test names a quick one that fails for the same kind of fault, or says why it needs none. Where both names are
the same, the quick suite runs the test with fewer of its parameters.

`python -m tests.slow_tests` writes this page from the marks in the tests; a test compares the two.

| slow test | what covers it in `make test` |
|---|---|
"""


@dataclass(frozen=True)
class Slow:
    """A slow test, or slow parameters of one, and what the mark says.

    Attributes
    ----------
    place
        File and line of the mark.
    test
        `test_file::test_name`; the file alone where the mark is for several of its tests.
    siblings
        The quick tests that represent it, each `test_file::test_name`.
    alone
        Why it needs none.
    """

    place: str
    test: str
    siblings: tuple[str, ...]
    alone: str


def slow_tests() -> list[Slow]:
    """Read every mark in the tests, in the order of files and lines."""
    return [found for path in sorted(TESTS.rglob("test_*.py")) for found in _marks(path)]


@cache
def quick_tests() -> frozenset[str]:
    """Return the tests that run in `make test`, at least with some of their parameters, as `test_file::test_name`."""
    found = set()
    for path in TESTS.rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(_is_mark(node) for item in tree.body if _names(item, "pytestmark") for node in ast.walk(item)):
            continue
        for item in tree.body:
            if isinstance(item, ast.FunctionDef) and not any(_is_mark(_called(each)) for each in item.decorator_list):
                found.add(f"{path.stem}::{item.name}")
    return frozenset(found)


def table() -> str:
    """Return the document."""
    rows = {
        test.test: test.alone or ", ".join(f"`{name}`" for name in dict.fromkeys(test.siblings))
        for test in slow_tests()
    }
    return HEAD + "".join(f"| `{test}` | {says} |\n" for test, says in rows.items())


def _marks(path: Path) -> Iterator[Slow]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for item in tree.body:
        test = isinstance(item, ast.FunctionDef) and item.name.startswith("test_")
        name = f"{path.stem}::{item.name}" if test and isinstance(item, ast.FunctionDef) else path.stem
        calls = {id(node.func): node for node in ast.walk(item) if isinstance(node, ast.Call)}
        for node in ast.walk(item):
            if _is_mark(node):
                call = calls.get(id(node))
                says = {word.arg: ast.literal_eval(word.value) for word in call.keywords} if call else {}
                siblings = says.get("sibling", ())
                siblings = (siblings,) if isinstance(siblings, str) else siblings
                whole = tuple(each if "::" in each else f"{path.stem}::{each}" for each in siblings)
                place = f"{path.relative_to(TESTS.parent)}:{node.lineno}"  # type: ignore[attr-defined]
                yield Slow(place, name, whole, says.get("alone", ""))


def _is_mark(node: ast.AST) -> bool:
    """Return whether it is `pytest.mark.slow`, without its arguments."""
    return isinstance(node, ast.Attribute) and node.attr == "slow" and ast.unparse(node.value) == "pytest.mark"


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _names(item: ast.stmt, name: str) -> bool:
    return isinstance(item, ast.Assign) and [ast.unparse(target) for target in item.targets] == [name]


if __name__ == "__main__":
    DOCUMENT.write_text(table(), encoding="utf-8")
