"""What every module of the three packages has: a charter, a readable size, a name that says something."""

from __future__ import annotations

import ast
import re
from pathlib import Path

MAX_LINES = 350
EMPTY_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}


def test_a_module_opens_with_its_charter(module: Path) -> None:
    """A module says what it holds, in two lines or more; a `__main__` that only calls something may stay silent."""
    source = module.read_text(encoding="utf-8")
    if module.name == "__main__.py" and len(source.splitlines()) <= 10:
        return
    docstring = ast.get_docstring(ast.parse(source))

    assert docstring is not None, "no docstring"
    assert len(docstring.splitlines()) >= 2, "say what belongs here and what does not"


def test_a_module_fits_in_the_head(module: Path) -> None:
    """No module is longer than 350 lines."""
    lines = len(module.read_text(encoding="utf-8").splitlines())

    assert lines <= MAX_LINES, f"{lines} lines: split it by concept"


def test_a_module_has_a_name_of_its_own(module: Path, root: Path) -> None:
    """No module and no folder is named after everything, like `utils`."""
    parts = {part.removesuffix(".py") for part in module.relative_to(root).parts}

    assert not parts & EMPTY_NAMES, "name it after what it does"


def test_a_module_is_finished(module: Path) -> None:
    """No module holds a note about work left to do."""
    notes = re.findall(r"\b(?:TODO|FIXME|XXX)\b", module.read_text(encoding="utf-8"))

    assert not notes
