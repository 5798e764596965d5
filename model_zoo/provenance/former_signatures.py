"""The former rule of signatures: whole files, by the imports that reach them. Only `aidrug adopt` needs it.

It goes when no home of those versions is left. It digests `ast.unparse` text, so it answers only for the interpreter
that made the record.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from model_zoo.errors import ConfigError
from model_zoo.provenance.former_places import place_under
from model_zoo.provenance.libraries import WITHOUT_INFLUENCE, distribution
from model_zoo.provenance.roots import Makers

MODULES: Mapping[str, tuple[str, ...]] = {
    "dataset": ("model_zoo.data.dataset",),
    "training": ("model_zoo.training.cross_validation",),
    "leaderboard": ("model_zoo.metrics",),
    "champion": (
        "model_zoo.selection.election",
        "model_zoo.bundles.writer",
        "model_zoo.uncertainty.fit",
        "model_zoo.bundles.model_card",
    ),
    "service": ("model_zoo.bundles.store",),
    "protocol": ("model_zoo.benchmark.protocol",),
    "references": ("model_zoo.benchmark.references",),
    "election": ("model_zoo.selection.election",),
}
"""The modules that a procedure began at; those that the former rule did not cover are left out."""


def by_files(makers: Makers, root: Path) -> dict[str, dict[str, str]]:
    """Return the parts `code` and `library` of a record as the former rule did.

    Raises
    ------
    ConfigError
        When a module does not exist or is not valid Python.
    """
    modules = [place_under(root, module) for procedure in makers.procedures for module in MODULES.get(procedure, ())]
    modules += [f"model_zoo.featurizers.{name}" for name in makers.featurizers]
    modules += [f"model_zoo.models.{makers.recipe}"] if makers.recipe else []
    reached = _closure(frozenset(modules), root)
    tops = {top for path in reached for top in _module(root, path).third_party}
    return {
        "code": {path: _module(root, path).digest for path in reached},
        "library": dict(sorted(distribution(top) for top in tops - WITHOUT_INFLUENCE)),
    }


def is_former(code: Mapping[str, str]) -> bool:
    """Return whether the code part of a record is one of the former rule: its names are files."""
    return any(name.endswith(".py") for name in code)


class _Module(NamedTuple):
    digest: str
    first_party: tuple[str, ...]
    third_party: frozenset[str]


@lru_cache(maxsize=4096)
def _closure(modules: frozenset[str], root: Path) -> tuple[str, ...]:
    reached: set[str] = set()
    waiting = []
    for name in modules:
        files = _files(name, root)
        if not files or _as_path(name, root) not in files:
            raise ConfigError(f"module {name!r}: expected a file {name.replace('.', '/')}.py under {root}, got none")
        waiting.extend(files)
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            for name in _module(root, path).first_party:
                waiting.extend(_files(name, root))
    return tuple(sorted(reached))


@lru_cache(maxsize=4096)
def _module(root: Path, path: str) -> _Module:
    try:
        # Bytes: Python itself minds the byte order mark and a `coding` line.
        digest, imports = _parsed(path, (root / path).read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}: expected valid Python: {error}") from error
    first_party: set[str] = set()
    third_party: set[str] = set()
    for name in imports:
        top = name.partition(".")[0]
        if _is_first_party(top, root):
            first_party.add(name)
        elif top not in sys.stdlib_module_names:
            third_party.add(top)
    return _Module(digest, tuple(sorted(first_party)), frozenset(third_party))


@lru_cache(maxsize=4096)
def _parsed(path: str, source: bytes) -> tuple[str, frozenset[str]]:
    """Return a text's digest and what it imports, which depend on nothing else: `forget` need not drop them."""
    tree = ast.parse(source)
    imports = frozenset(_imports(tree, path.removesuffix(".py").split("/")[:-1]))
    _remove_docstrings(tree)
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest(), imports


@lru_cache(maxsize=256)
def _is_first_party(top: str, root: Path) -> bool:
    return (root / top / "__init__.py").is_file() or (root / f"{top}.py").is_file()


def _imports(node: ast.AST, package: list[str]) -> Iterable[str]:
    """Every name an import statement may load, at any depth: for `from a import b` both `a` and `a.b`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _type_checking_only(child.test):
            for statement in child.orelse:
                yield from _imports(ast.Module([statement], []), package)
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            above = package[: len(package) - child.level + 1] if child.level else []
            base = ".".join([*above, *([child.module] if child.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in child.names)
        else:
            yield from _imports(child, package)


def _type_checking_only(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _files(name: str, root: Path) -> list[str]:
    """Files that importing a dotted name runs: each package on the way, and the module itself when it is one."""
    files = []
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        stem = "/".join(parts[:depth])
        if (root / stem / "__init__.py").is_file():
            files.append(f"{stem}/__init__.py")
        elif (root / f"{stem}.py").is_file():
            files.append(f"{stem}.py")
            break
        elif not (root / stem).is_dir():  # a folder without `__init__` is a package too, and runs nothing
            break  # a name inside the module before it
    return files


def _as_path(name: str, root: Path) -> str:
    stem = name.replace(".", "/")
    return f"{stem}/__init__.py" if (root / stem / "__init__.py").is_file() else f"{stem}.py"


def _remove_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)] or [ast.Pass()]


def _is_text(statement: ast.stmt) -> bool:
    """A bare text is a docstring, of the function or of the field above it; it does nothing."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
