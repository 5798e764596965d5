"""What is broken on the platform is in the table, and what the operator reads is really said."""

from __future__ import annotations

import re
from pathlib import Path

from tests.game_day import DOCUMENT, breaks, table

SAYS = (
    "infra/host/*.sh",
    "infra/terraform/modules/**/*.tf",
    "serving/**/*.py",
    "model_zoo/**/*.py",
    "ai_drug_assets/**/*.py",
)


def test_the_operator_is_told_in_words_that_the_platform_has(root: Path) -> None:
    """In one sentence; a number or a name in it is `...`."""
    sources = " ".join(path.read_text(encoding="utf-8") for places in SAYS for path in root.glob(places))
    sources = re.sub(r'"\s*\\?\n\s*f?"', " ", sources)  # a sentence over several lines
    sources = re.sub(r" +", " ", sources)
    messages: dict[str, str] = {}
    for one in breaks():
        messages[one.fault] = messages.get(one.fault) or one.message
        for words in filter(None, re.sub(r"^\(.*", "", one.message).split("...")):
            assert words.strip(" :;,.") in sources, (one.test, words)

    assert len(messages) >= 20
    assert all(messages.values()), [fault for fault, words in messages.items() if not words]


def test_the_table_is_what_the_marks_say() -> None:
    """The page of the documentation is made from the marks."""
    assert DOCUMENT.read_text(encoding="utf-8") == table(), "renew it: python -m tests.game_day"
