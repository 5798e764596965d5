"""What an image installs is what its modules import: `images.sh check` imports every one of them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest


def _imported(path: Path) -> Iterator[str]:
    """Yield the packages that a module imports when it is loaded, not inside a function or for its types alone."""
    waiting: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Try):
            waiting += ast.iter_child_nodes(node)


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]).lower()


def _with_what_they_need(names: set[str]) -> set[str]:
    """Add what distributions require, however far down, without their extras."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting |= {_name(one) for one in needed if "extra ==" not in one} - found
    return found


def _of_extras(extras: set[str], optional: dict[str, list[str]]) -> set[str]:
    """Return what extras name, and what those name that are extras of ours."""
    named = {one for extra in extras for one in optional[extra]}
    inner = set(re.findall(r"ai-drug-assets\[(\w+)\]", " ".join(named)))
    return named | (_of_extras(inner, optional) if inner else set())


@pytest.mark.parametrize(
    ("stage", "packages", "extra"),
    [("serving", ("serving",), "serve"), ("pipeline", ("ai_drug_assets", "model_zoo"), "ecs")],
)
def test_an_image_can_load_every_module_that_runs_in_it(
    root: Path, stage: str, packages: tuple[str, ...], extra: str
) -> None:
    """An extra that a module needs is one that the Dockerfile installs."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8")
    lines = dockerfile.split(f"AS dependencies-{stage}", 1)[1].split("\nFROM", 1)[0]
    extras = set(re.findall(r"--extra (\w+)", lines))
    named = {*project["dependencies"], *_of_extras(extras, project["optional-dependencies"])}
    installed = _with_what_they_need({_name(one) for one in named})
    owners = packages_distributions()
    own = {"serving", "model_zoo", "ai_drug_assets", *sys.stdlib_module_names}

    missing = {
        f"{path.relative_to(root)}: {package}"
        for folder in packages
        for path in (root / folder).rglob("*.py")
        for package in _imported(path)
        if package not in own and not {_name(owner) for owner in owners.get(package, [])} & installed
    }

    assert extra in extras
    assert missing == set()
