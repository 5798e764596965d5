"""What every module of the three packages has: a docstring, one concept, a name that says something."""

from __future__ import annotations

import ast
import re
from pathlib import Path

SMELL_LINES = 350
LONG = {
    "serving/http/schemas.py": "the bodies of the HTTP interface, which its description lists in one place",
    "serving/inference/batches.py": "the queue of molecules: whose turn it is, and what becomes of one without an end",
}
"""Modules longer than that, each with the one concept that it holds."""
EMPTY_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}


def test_a_module_says_what_it_holds(module: Path) -> None:
    """A module opens with what it holds; a `__main__` that only calls something may stay silent.

    What belongs there and what does not is said where it is disputed, and of every package.
    """
    source = module.read_text(encoding="utf-8")
    if module.name == "__main__.py" and len(source.splitlines()) <= 10:
        return

    assert ast.get_docstring(ast.parse(source)), "no docstring"


def test_a_module_holds_one_concept(module: Path, root: Path) -> None:
    """A long module holds more than one concept, until somebody says which one it is."""
    lines, name = len(module.read_text(encoding="utf-8").splitlines()), module.relative_to(root).as_posix()

    assert lines <= SMELL_LINES or name in LONG, f"{lines} lines: split it by concept, or name its one concept in LONG"


def test_a_module_has_a_name_of_its_own(module: Path, root: Path) -> None:
    """No module and no folder is named after everything, like `utils`."""
    parts = {part.removesuffix(".py") for part in module.relative_to(root).parts}

    assert not parts & EMPTY_NAMES, "name it after what it does"


def test_a_module_is_finished(module: Path) -> None:
    """No module holds a note about work left to do."""
    notes = re.findall(r"\b(?:TODO|FIXME|XXX)\b", module.read_text(encoding="utf-8"))

    assert not notes
