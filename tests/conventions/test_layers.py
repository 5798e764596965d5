"""The import rule: which package may not import what, and in which order its parts are, wherever an import is."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Collection
from pathlib import Path

import pytest

from model_zoo.provenance.strong_components import components

NEVER_IMPORTS = {
    "model_zoo": {"ai_drug_assets", "boto3", "dagster", "litestar", "mlflow", "serving"},
    "ai_drug_assets": {"litestar"},
    "serving": {"ai_drug_assets", "dagster", "mlflow"},
}

ORDER = {
    package: [parts.split("+") for parts in order.split()]
    for package, order in {
        "model_zoo": """
            type_aliases errors io chemistry data metrics featurizers policies fitted_models models uncertainty
            explanation monitoring selection config provenance features training bundles inference benchmark
            """,
        "serving": """
            client+job_settings+home+machine settings metrics runtime http auth telemetry+storage
            champions inference jobs api+page+agents app run __main__
            """,
        "ai_drug_assets": """
            processes+interrupts settings+revision storage+aws planning keys tracking
            operations assets sensors+jobs+executors retraining automation definitions execution cli __main__
            """,
    }.items()
}
"""What each package is made of, from the lowest to the highest: a part imports itself and what is before
it, never what is behind it or, with a plus, beside it."""
HANDLERS = ("serving.api.", "serving.jobs.api")
"""Modules that answer requests; only the application imports them."""


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


def modules(root: Path) -> dict[str, Path]:
    """Find the modules of the three packages by their dotted names."""
    paths = (path for package in ORDER for path in (root / package).rglob("*.py"))
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def first_party(source: str, known: Collection[str]) -> set[str]:
    """Find the modules that a file imports, at any depth and under TYPE_CHECKING, as far as they are known."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
    return found & set(known)


@pytest.fixture(scope="session")
def imports(root: Path) -> dict[str, set[str]]:
    """Return what each module of the three packages imports of them."""
    known = modules(root)
    return {name: first_party(path.read_text(encoding="utf-8"), known) - {name} for name, path in known.items()}


def forbidden(name: str, package: str) -> bool:
    """Return whether a package may not import a name; a ban on `dagster` covers siblings such as `dagster_aws`."""
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


@pytest.mark.parametrize("package", ORDER)
def test_parts_of_a_package_keep_their_order(package: str, imports: dict[str, set[str]]) -> None:
    """A part of a package imports only itself and the parts before it; every part is in the list."""
    rank = {part: place for place, parts in enumerate(ORDER[package]) for part in parts}
    inside = {name: name.split(".")[1] for name in imports if name.startswith(f"{package}.")}

    assert set(inside.values()) == set(rank), "every part of the package stands in ORDER, and nothing else"
    broken = {
        f"{name} -> {other}"
        for name, part in inside.items()
        for other in imports[name] & inside.keys()
        if part != inside[other] and rank[inside[other]] >= rank[part]
    }
    assert not broken


def test_no_modules_import_each_other(imports: dict[str, set[str]]) -> None:
    """There is no circle of imports, not even of such that only a type or a single function needs."""
    done: dict[str, None] = {}
    for name in imports:
        for circle in components(name, lambda one: sorted(imports[one]), done):
            done |= dict.fromkeys(circle)
            assert len(circle) == 1, f"a circle: {', '.join(sorted(circle))}"


def test_handlers_are_no_library(imports: dict[str, set[str]]) -> None:
    """What answers requests is imported by the application alone; what two handlers share is elsewhere."""
    users = {name for name, others in imports.items() if any(other.startswith(HANDLERS) for other in others)}

    assert users == {"serving.app"}


def test_one_module_speaks_to_s3(root: Path) -> None:
    """Bundles, backups, the ledger's copy and screens go through the same few calls, with the same errors."""
    sources = {name: path.read_text(encoding="utf-8") for name, path in modules(root).items()}
    speakers = {name for name, source in sources.items() if {"boto3", "botocore"} & imported(source).keys()}

    assert {name for name in speakers if not name.startswith("ai_drug_assets.aws.")} == {"serving.storage.objects"}
