"""The signature: a digest of everything that can change what is made.

Belongs here: which code a module reaches by import, digests of that code, library versions, the record
that a signature is the digest of, and the differences between two records in words.
Does not belong here: which parts make up which asset (see `ai_drug_assets/catalog.py`).

Code is compared as `ast.unparse(ast.parse(source))` without docstrings: comments, layout and docstrings never
retrain. Nothing here imports what it looks at, so a signature costs milliseconds.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

from model_zoo.digests import canonical_json, json_digest
from model_zoo.errors import ConfigError

Record = dict[str, dict[str, Any]]
"""Parts by name (`code`, `config`, `data`, `library`, `upstream`), each a JSON object."""

Kind = Literal["new", "code", "config", "data", "library", "upstream"]
PARTS: tuple[Kind, ...] = ("code", "config", "data", "library", "upstream")

DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost-cpu", "xgboost"),
    "yaml": ("PyYAML",),
}
"""Distributions whose name is not that of the module they install; the first installed one counts."""

WITHOUT_INFLUENCE = frozenset({"pydantic", "yaml"})
"""Libraries that only read and check configuration: their *result* is the `config` part, so a new release of them
changes no number unless it changes that part."""


class Reason(NamedTuple):
    """One difference between two records."""

    kind: Kind
    what: str
    detail: str = ""


def signature(record: Record) -> str:
    """Give a record's signature, 64 hexadecimal digits."""
    return json_digest(record)


def code_part(modules: Iterable[str], root: Path) -> dict[str, str]:
    """Digest every first-party module that the given modules reach by import.

    Parameters
    ----------
    modules
        Dotted names, such as `model_zoo.models.rf`.
    root
        Folder that holds the first-party packages.

    Returns
    -------
    dict
        Digest by file name relative to `root`, sorted. Packages that contain a reached module count as reached
        (Python runs their `__init__`). Imports under `if TYPE_CHECKING` do not count: they never run.

    Raises
    ------
    ConfigError
        When a named module does not exist or is not valid Python.
    """
    return {path: _module(root, path).digest for path in _closure(frozenset(modules), root)}


def library_part(modules: Iterable[str], root: Path) -> dict[str, str]:
    """Give the versions of the third-party distributions that the same code imports, by distribution name."""
    tops = {top for path in _closure(frozenset(modules), root) for top in _module(root, path).third_party}
    return dict(sorted(_distribution(top) for top in tops - WITHOUT_INFLUENCE))


def differences(before: Record | None, after: Record) -> list[Reason]:
    """Say in words what changed between two records; `new` when there is none before.

    Examples
    --------
    >>> differences({"config": {"model": {"n": 1}}}, {"config": {"model": {"n": 2}}})
    [Reason(kind='config', what='model.n', detail='1 -> 2')]
    """
    if before is None:
        return [Reason("new", "never materialised")]
    reasons: list[Reason] = []
    for part in PARTS:
        old, new = _flat(before.get(part, {}), part), _flat(after.get(part, {}), part)
        names = old.keys() | new.keys()
        # A mapping that was empty and got keys (or lost them) is told by its keys.
        opened = {name[:dot] for name in names for dot, sign in enumerate(name) if sign == "." and part == "config"}
        changed = [name for name in sorted(names - opened) if old.get(name) != new.get(name)]
        reasons.extend(Reason(part, name, _change(part, old.get(name), new.get(name))) for name in changed)
    return reasons


def forget() -> None:
    """Drop what was read from files, so that the next signature sees them as they are now."""
    _module.cache_clear()
    _closure.cache_clear()
    _files.cache_clear()
    _is_first_party.cache_clear()
    _distribution.cache_clear()


class _Module(NamedTuple):
    digest: str
    first_party: tuple[str, ...]
    third_party: frozenset[str]


@lru_cache(maxsize=4096)
def _closure(modules: frozenset[str], root: Path) -> tuple[str, ...]:
    reached: set[str] = set()
    waiting: list[str] = []
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
    """Give a text's digest and what it imports, which depend on nothing else: `forget` need not drop them."""
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


@lru_cache(maxsize=4096)
def _files(name: str, root: Path) -> tuple[str, ...]:
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
    return tuple(files)


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


@lru_cache(maxsize=256)
def _distribution(top: str) -> tuple[str, str]:
    for name in DISTRIBUTIONS.get(top, (top,)):
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for name in metadata.packages_distributions().get(top, ()):
        return name, metadata.version(name)
    return top, "not installed"


def _flat(value: Any, part: str, prefix: str = "") -> dict[str, str]:
    """Name every leaf of a part, as canonical JSON like the signature; only `config` is nested on purpose."""
    if prefix and (not isinstance(value, dict) or not value or part != "config"):
        return {prefix: canonical_json(value)}
    flat: dict[str, str] = {}
    for key, inner in value.items():
        flat.update(_flat(inner, part, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def _change(part: Kind, old: str | None, new: str | None) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return f"{json.loads(old)} -> {json.loads(new)}" if part in ("config", "library") else "changed"
