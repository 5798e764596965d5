"""`docs/compatibility.md` promises names that exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_a_model_may_import_is_there() -> None:
    """Every name of the table can be imported, and the model of the notebook imports nothing else from here."""
    text = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(model_zoo[\w.]+)` \| (.+) \|$", text, re.MULTILINE)
    promised = {(module, name) for module, names in rows for name in re.findall(r"`(\w+)`", names)}
    notebook = (ROOT / "docs" / "notebooks" / "new_model.ipynb").read_text(encoding="utf-8")
    model = notebook[notebook.index("ridge.py") : notebook.index("ridge.yaml")]
    used = re.findall(r"from (model_zoo[\w.]+) import (\w+)\\n", model)

    assert len(promised) > 8
    assert [name for module, name in sorted(promised) if not hasattr(import_module(module), name)] == []
    assert used
    assert set(used) <= promised
