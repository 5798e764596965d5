"""Documents, help texts and messages avoid phrases that read as translated; each phrase is listed with a better one."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ai_drug_assets.cli import aidrug

BETTER = {
    r"(?:stands?|stood)(?!-)": "is, appears, means",
    r"(?:tells?|telling)(?! apart| us)": "reports, says, distinguishes",
    r"told(?! apart)": "said, reported, notified; or name what happens",
    r"(?:lies|lying|lay)|(?:may|can|must|they|both|all|that|which|models|files|values) lie": "is, is kept, is between",
    r"who(?:m)?ever": "anybody who, or name the reader",
    r"owed to": "comes from, is due to",
    r"anew": "again",
    r"(?:go|goes|going|went) on(?! trial)": "continues",
    r"(?:mend|mends|mended|mending)": "fix, repair, correct",
    r"held to": "compared with",
    r"no more(?! than)": "no longer",
    r"nobody'?s business": "is ignored",
    r"(?:com(?:e|es|ing)|came) back by itself": "returns by itself",
    r"make up for": "compensate for",
    r"at all times": "always",
    r"said so in": "marked in",
    r"be had": "is available",
    r"in (?:a|one) sitting": "in one run",
    r"over all workers": "in all workers together",
    r"(?<!there[ ])is no (?:number|molecule|measurement|configuration|zero|metal|value|runbook|salt|library)": (
        "is not a"
    ),
    r"by what it was": "what decided it",
    r"gives? (?:what|the same|equal|one per|none)": "returns",
    r"knows? nothing of": "does not use, is independent of",
    r"a (?:word|sentence) of its own": "its own word, a separate sentence",
    r"become one process": "run one process",
}
"""Phrases, as regular expressions without regard to case, and what to write instead."""

COMMENTS = {".py": "#", ".js": "//", ".sh": "#", ".tf": "#", ".toml": "#", ".yaml": "#", ".yml": "#"}
"""How comments begin, by the ending of a file's name."""

UNREAD_CODE = ("tests/conventions/test_english.py",)
"""Where comments are not read: the list itself."""

CODE = re.compile(r"```.*?```|``.*?``|`[^`\n]*`|<!--.*?-->|\]\([^)]*\)", re.DOTALL)


def phrases(text: str) -> Iterator[str]:
    """Yield each phrase of a text that has a better one, with its line and what to write."""
    prose = CODE.sub(lambda code: "\n" * code[0].count("\n") or "`", text)
    for pattern, better in BETTER.items():
        for found in re.finditer(rf"\b(?:{pattern.replace(' ', chr(92) + 's+')})\b", prose, re.IGNORECASE):
            line = prose.count("\n", 0, found.start()) + 1
            yield f"line {line}: {' '.join(found[0].split())!r}; better: {better}"


@pytest.fixture(scope="module")
def documents(root: Path, tracked: list[str]) -> dict[str, str]:
    """Return the text of every document."""
    names = [name for name in tracked if name.endswith(".md")]
    return {name: (root / name).read_text(encoding="utf-8") for name in names}


def test_a_phrase_is_found_outside_code() -> None:
    """Across lines and in any case, but neither in code nor in a link's target."""
    assert list(phrases("Whoever\nreads")) == ["line 1: 'Whoever'; better: anybody who, or name the reader"]
    assert list(phrases("a\nhe is held\nto it")) == ["line 2: 'held to'; better: compared with"]
    assert list(phrases("`whoever`\n```sh\nwhoever\n```\n[x](whoever.md)")) == []


def test_a_phrase_is_found_in_docstrings_and_comments() -> None:
    """But not in code, an example or the name of a parameter; the lines are those of the file."""
    source = '"""Whoever reads."""\nanew = 1  # made\n# anew\n"""\n>>> anew\nanew\n    Begun anew.\n"""\n'
    assert [phrase.partition(";")[0] for phrase in phrases(documented(source))] == [
        "line 1: 'Whoever'",
        "line 3: 'anew'",
        "line 7: 'anew'",
    ]
    assert list(phrases(commented("anew: 1  # kept\n# begun anew\n", "#"))) == ["line 2: 'anew'; better: again"]


def test_documents_are_in_plain_english(documents: dict[str, str]) -> None:
    """No document has a listed phrase."""
    found = [f"{name} {phrase}" for name, text in documents.items() for phrase in phrases(text)]

    assert documents
    assert not found, "\n".join(found)


def test_help_texts_are_in_plain_english() -> None:
    """No command or option of `aidrug` has a listed phrase in its help."""
    found = [f"{name}: {phrase}" for name, text in helps(aidrug, "aidrug") for phrase in phrases(text)]

    assert not found


def test_messages_are_in_plain_english(root: Path, tracked: list[str]) -> None:
    """No text in the code, or in the templates of the page, has a listed phrase."""
    found = []
    for name in tracked:
        if name.startswith(("ai_drug_assets/", "model_zoo/", "serving/")) and name.endswith((".py", ".html")):
            source = (root / name).read_text(encoding="utf-8")
            text = texts(source) if name.endswith(".py") else re.sub(r"{.*?}|<.*?>", "`", source, flags=re.DOTALL)
            found += [f"{name} {phrase.partition(': ')[2]}" for phrase in phrases(text)]

    assert not found


def texts(source: str) -> str:
    """Return what a module says in more than two words, apart from its docstrings."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") > 1:
            found.append(node.value)
    return "\n\n".join(found)


def test_docstrings_and_comments_are_in_plain_english(root: Path, tracked: list[str]) -> None:
    """No docstring or comment has a listed phrase: in Python, in scripts and in configuration."""
    found = []
    for name in tracked:
        if name.endswith(tuple(COMMENTS)) and not name.startswith(UNREAD_CODE) and "/vendor/" not in name:
            source = (root / name).read_text(encoding="utf-8")
            text = documented(source) if name.endswith(".py") else commented(source, COMMENTS[Path(name).suffix])
            found += [f"{name} {phrase}" for phrase in phrases(text)]

    assert not found, "\n".join(found)


def documented(source: str) -> str:
    """Return docstrings and comments of a module on their own lines, without examples and names of parameters."""
    lines = [""] * (source.count("\n") + 2)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            last = node.end_lineno or node.lineno
            lines[node.lineno : last + 1] = source.splitlines()[node.lineno - 1 : last]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0]] += token.string
    code = [line.lstrip().startswith((">>>", "...")) or line.strip().isidentifier() for line in lines]
    return "\n".join("" if out else line.replace("# ", "") for line, out in zip(lines[1:], code[1:], strict=True))


def commented(source: str, mark: str) -> str:
    """Return the comments of a text, each on its own line."""
    found = [re.search(rf"(?:^|\s){mark}+ (.*)", line) for line in source.splitlines()]
    return "\n".join(line[1] if line else "" for line in found)


def test_docstrings_return(root: Path, tracked: list[str]) -> None:
    """What a function returns is said with "Return", what it writes or sends with a word for that."""
    vague = re.compile(r'^ *r?"""(?:Gives?|Tells?|Says? whether)\b.*', re.MULTILINE)
    sources = {name: (root / name).read_text(encoding="utf-8") for name in tracked if name.endswith(".py")}
    found = [f"{name}: {line.strip()}" for name, text in sources.items() for line in vague.findall(text)]

    assert not found, 'begin with "Return", "Report" or "Write"'


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Yield the help of a command, of its options and of the commands in it."""
    yield name, command.help or ""
    for option in command.params:
        yield f"{name} {option.name}", getattr(option, "help", None) or ""
    if isinstance(command, click.Group):
        for each, inner in command.commands.items():
            yield from helps(inner, f"{name} {each}")
