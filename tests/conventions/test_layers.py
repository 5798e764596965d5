"""The import rule: which package may not import what, wherever in a file the import stands."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

NEVER_IMPORTS = {
    "model_zoo": {"ai_drug_assets", "boto3", "dagster", "litestar", "mlflow", "serving"},
    "ai_drug_assets": {"litestar"},
    "serving": {"ai_drug_assets", "dagster", "mlflow"},
}


def imported(source: str) -> dict[str, int]:
    """Find the top-level names that a file imports, each with its first line.

    Counts imports inside functions and under TYPE_CHECKING, and `import_module` with a literal name.
    """
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if isinstance(node, ast.stmt | ast.expr):
            found |= {top: node.lineno for name in names if (top := name.split(".")[0]) not in found}
    return found


def forbidden(name: str, package: str) -> bool:
    """Tell whether a package may not import a name; a ban on `dagster` covers `dagster_aws` and its other siblings."""
    return any(name == banned or name.startswith(f"{banned}_") for banned in NEVER_IMPORTS[package])


def test_imports_keep_to_their_layer(module: Path, root: Path) -> None:
    """A module imports nothing that its layer may not know."""
    package = module.relative_to(root).parts[0]
    found = imported(module.read_text(encoding="utf-8"))
    broken = {name: line for name, line in found.items() if forbidden(name, package)}

    assert not broken, f"{module.relative_to(root)}: {package} may not import {broken} (name: line)"


@pytest.mark.parametrize(
    "source",
    [
        "import dagster as dg",
        "import dagster._core.storage",
        "from dagster import asset",
        "import dagster_aws",
        "def train():\n    import dagster",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dagster import AssetKey",
        "import importlib\nimportlib.import_module('dagster.core')",
    ],
)
def test_the_rule_sees_every_way_to_import(source: str) -> None:
    """No way of writing an import slips past the rule."""
    assert [name for name in imported(source) if forbidden(name, "model_zoo")]


def test_a_relative_or_similar_name_is_not_an_import() -> None:
    """A name that only looks like a forbidden one is free."""
    source = "from . import dagster\nimport dagsters\nx = 'import dagster'"

    assert not [name for name in imported(source) if forbidden(name, "model_zoo")]


@pytest.mark.parametrize("package", NEVER_IMPORTS)
def test_the_linter_refuses_the_same_imports(package: str, root: Path) -> None:
    """The linter's list of each package is the list of this test."""
    config = tomllib.loads((root / package / "ruff.toml").read_text(encoding="utf-8"))

    assert NEVER_IMPORTS[package] == set(config["lint"]["flake8-tidy-imports"]["banned-api"])
