"""Render the service's *Help* page from `docs/workbench.md`: `python docs/help_page.py`.

The service has neither the documents nor a renderer, so the page is part of its templates. A test compares the two.
"""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "workbench.md"
TEMPLATE = ROOT / "serving" / "page" / "templates" / "help.html"
END = "## What finding pairs costs"
"""What follows is for those who run the service."""
HEAD = """{# Made of docs/workbench.md by `python docs/help_page.py`. #}
{% extends "base.html" %}
{% block title %}Help · Molecule properties{% endblock %}
{% block main %}
<article class="help">
"""


def page(document: str) -> str:
    """Return the template: the document's part for chemists, without links to other documents."""
    text = re.sub(r"\[([^]]+)\]\([a-z-]+\.md[^)]*\)", r"\1", document.partition(END)[0])
    text = re.sub(r"\s*The service shows this page under\s+\*Help\*.*?\n\n", "\n\n", text, flags=re.DOTALL)
    html = MarkdownIt().enable("table").render(text)
    if "{%" in html or "{{" in html:
        raise ValueError(f"{DOCUMENT}: expected no {{{{ or {{%, which the template would take for its own")
    return f"{HEAD}{html}</article>\n{{% endblock %}}\n"


if __name__ == "__main__":
    TEMPLATE.write_text(page(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
