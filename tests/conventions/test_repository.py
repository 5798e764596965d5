"""What the repository as a whole promises: its top level, its lock file, and what no tracked file may hold."""

from __future__ import annotations

import ast
import re
import tomllib
from datetime import date
from pathlib import Path

TOP_LEVEL = {
    # The project.
    "ai_drug_assets",
    "configs",
    "infra",
    "model_zoo",
    "serving",
    "tests",
    "Dockerfile",
    "dagster.yaml",
    "pyproject.toml",
    "workspace.yaml",
    # What every repository has.
    ".ci",
    ".dockerignore",
    ".dvc",
    ".dvcignore",
    ".editorconfig",
    ".gitattributes",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "constraints.txt",
    "docs",
    # A team's own DVC pointers; the data itself is ignored.
    "data",
}

# Addresses of package registries, and absolute paths of a build machine.
FOREIGN = re.compile(
    r"(?:index|registry|files|deb|simple)\.[a-z]+\.(?:org|com)"
    r"|[a-z]+\.org/(?:simple|whl)"
    r"|(?:^|[^a-z.])/(?:work|farm)/"
)

UNPICKLERS = {"cloudpickle", "dill", "joblib", "pickle", "shelve"}


def test_top_level_holds_nothing_new(tracked: list[str]) -> None:
    """Every top-level entry is one that the layout names."""
    assert {name.split("/")[0] for name in tracked} <= TOP_LEVEL


def test_constraints_are_portable(root: Path) -> None:
    """The lock file is a plain list of pinned versions: no address, no path, no local build."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    odd = [line for line in lines if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.]*( ; .+)?", line)]

    assert lines
    assert not odd


def test_no_tracked_file_names_a_registry_or_a_machine(tracked: list[str], root: Path) -> None:
    """No tracked file holds the address of a package registry or a path of the machine it was made on."""
    here = Path(__file__).relative_to(root).as_posix()
    found = []
    for name in tracked:
        content = (root / name).read_bytes()
        if name == here or name.endswith(".svg") or b"\0" in content:
            continue
        lines = content.decode(errors="replace").splitlines()
        found += [f"{name}:{number}: {line[:120]}" for number, line in enumerate(lines, 1) if FOREIGN.search(line)]

    assert not found


def test_nothing_is_unpickled(module: Path) -> None:
    """No module can load a file that runs code: models and data are stored as data."""
    found = []
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in UNPICKLERS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLERS:
            found.append(f"from {node.module}")
        elif (isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "pd.read_pickle")) or (
            isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"
        ):
            found.append(ast.unparse(node))

    assert not found


def test_documented_commands_exist(root: Path) -> None:
    """Every `make` command in the documents is a target of the Makefile, with a help text."""
    helped = re.findall(r"^([a-z0-9-]+):.*## ", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = set()
    for document in [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]:
        if document.is_file():
            text = document.read_text(encoding="utf-8")
            code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
            for line in "\n".join(code).splitlines():
                for targets in re.findall(r"(?:^|[`$;&])\s*make ((?:[a-z][a-z0-9-]* ?)+)", line):
                    named |= set(targets.split())

    assert named
    assert named <= set(helped)


def test_the_changelog_has_the_version(root: Path) -> None:
    """The newest release in the changelog is the version that `pyproject.toml` states, with its date."""
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\](?: - (\d{4}-\d{2}-\d{2}))?$", changelog, re.MULTILINE)
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert releases[0][0] == version
    assert all(date.fromisoformat(day) for _, day in releases)
