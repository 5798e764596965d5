"""The service's *Help* page is what the document says."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from docs.help_page import END, page


def test_the_page_is_that_of_the_document(root: Path) -> None:
    """Who changes the one renders the other."""
    document = (root / "docs" / "workbench.md").read_text(encoding="utf-8")
    template = (root / "serving" / "page" / "templates" / "help.html").read_text(encoding="utf-8")
    assert page(document) == template, "renew it: python docs/help_page.py"


def test_it_is_for_chemists_and_complete_for_them() -> None:
    """No link into documents that the service does not have, and nothing about what a benchmark measured."""
    parts = ["# T", "A [b c](other.md#d) e.", "| a | b |\n| - | - |\n| c < d | e |", f"{END}\n\nmeasured\n"]
    text = unescape(page("\n\n".join(parts)))
    assert re.findall(r"<(?:a|script)\b", text) == []
    assert "A b c e." in text
    assert "c < d" in text
    assert "measured" not in text
    with pytest.raises(ValueError, match="expected no"):
        page("# {{ T }}\n")
