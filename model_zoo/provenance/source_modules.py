"""One first-party module as signatures see it: its definitions, what its names mean, what importing it does.

Nothing here imports what it looks at.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

from model_zoo.provenance.normal_form import Form, normal_form
from model_zoo.provenance.references import Reference
from model_zoo.provenance.scopes import Target, bound_by, imported, names_in
from model_zoo.provenance.syntax import does_nothing

ONLY_BINDS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass, ast.Raise)
"""Statements that, in a branch at the top of a module, have no effect but to bind names."""


class Piece(NamedTuple):
    """A part of a module's top level."""

    names: tuple[str, ...]
    """What it binds."""
    nodes: tuple[ast.AST, ...]
    """The definition, the value that is assigned, or the statement."""
    line: int
    """Where it begins."""
    effect: bool = False
    """Whether it does something when the module is imported, beside binding its names."""
    runs: tuple[Reference, ...] = ()
    """What decorators and values call when the module is imported."""


@dataclass
class SourceModule:
    """A module."""

    name: str
    path: str
    """`name` and `path`: its dotted name, and its file, relative to the root."""
    pieces: list[Piece] = field(default_factory=list)
    """Its top level, in order, without imports and what does nothing."""
    imports: dict[str, Target] = field(default_factory=dict)
    """What its import statements bind."""
    loads: set[str] = field(default_factory=set)
    """Modules, or names in modules, that importing it imports."""
    stars: set[str] = field(default_factory=set)
    """Modules of which it imports everything."""
    rebound: dict[str, str] = field(default_factory=dict)
    """Names that more than one place binds, each with the reason why it cannot be followed."""
    docstrings: tuple[str, ...] = ()
    _forms: dict[int, Form] = field(default_factory=dict)

    @property
    def package(self) -> list[str]:
        """The package that relative imports start from."""
        return self.path.removesuffix(".py").split("/")[:-1]

    @cached_property
    def where(self) -> dict[str, int]:
        """The number of the piece that binds each name."""
        return {name: number for number, piece in enumerate(self.pieces) for name in piece.names}

    def form(self, number: int) -> Form:
        """Return the normal form of a piece."""
        if number not in self._forms:
            self._forms[number] = normal_form(self.pieces[number].nodes, self.package, self.only_types)
        return self._forms[number]

    def only_types(self, node: ast.If) -> bool:
        """Return whether the body of an `if` never runs: its test is `typing.TYPE_CHECKING`, under whatever name."""
        test = node.test
        if isinstance(test, ast.Name):
            return self.imports.get(test.id) == Target("typing", "TYPE_CHECKING")
        return (
            isinstance(test, ast.Attribute)
            and test.attr == "TYPE_CHECKING"
            and isinstance(test.value, ast.Name)
            and self.imports.get(test.value.id) == Target("typing")
        )

    def texts(self, number: int) -> set[str]:
        """Return the texts in a piece: some may name files beside the module."""
        constants = (part for node in self.pieces[number].nodes for part in ast.walk(node))
        return {part.value for part in constants if isinstance(part, ast.Constant) and isinstance(part.value, str)}


@lru_cache(maxsize=4096)
def read_module(name: str, path: str, source: bytes) -> SourceModule:
    """Take a module apart. What was read is kept by its content.

    Raises
    ------
    SyntaxError, ValueError
        When the source is not Python.
    """
    tree = ast.parse(source)  # bytes: Python itself minds the byte order mark and a `coding` line
    module = SourceModule(name, path)
    counts: Counter[str] = Counter()
    for statement in tree.body:
        _read(statement, module, counts)
    module.rebound = {name: f"{name} is bound more than once" for name, count in counts.items() if count > 1}
    if b"global" in source:
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                module.rebound |= {name: f"`global {name}`" for name in node.names}
    if b"__doc__" in source:
        module.docstrings = tuple(_docstrings(tree))
    return module


def _read(statement: ast.stmt, module: SourceModule, counts: Counter[str]) -> None:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        _read_import(statement, module, counts)
        return
    if isinstance(statement, ast.If) and module.only_types(statement):
        for inner in statement.orelse:
            _read(inner, module, counts)
        return
    if does_nothing(statement) or _never_imported(statement) or _is_overload(statement, module):
        return
    for piece in _pieces(statement, module):
        module.pieces.append(piece)
        counts.update(piece.names)


def _read_import(statement: ast.Import | ast.ImportFrom, module: SourceModule, counts: Counter[str]) -> None:
    for each in imported(statement, module.package):
        module.loads |= {each.loads, ".".join(filter(None, each.target))}
        if each.binds == "*":
            module.stars.add(each.loads)
        elif module.imports.get(each.binds) != each.target:  # `import a.b` and `import a.c` bind the same `a`
            module.imports[each.binds] = each.target
            counts[each.binds] += 1


def _pieces(statement: ast.stmt, module: SourceModule) -> Iterator[Piece]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        runs = _calls(statement.decorator_list, decorators=True)
        yield Piece((statement.name,), (statement,), statement.lineno, runs=runs)
        return
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        targets: list[ast.expr] = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from _assigned(statement, targets, statement.value)
        return
    bound = bound_by([statement], module.package, module.only_types)
    module.loads |= _imports_within(statement, module.package)
    yield Piece(
        tuple(sorted({*bound.names, *bound.imports})), (statement,), statement.lineno, not _only_binds(statement)
    )


def _assigned(statement: ast.stmt, targets: list[ast.expr], value: ast.expr) -> Iterator[Piece]:
    """Yield a definition per name where each has a value of its own, else one for all."""
    runs = _calls([value])
    if all(isinstance(target, ast.Name) for target in targets):
        names = tuple(target.id for target in targets if isinstance(target, ast.Name))
        yield Piece(names, (value,), statement.lineno, runs=runs)
        return
    (target, *others) = targets
    if (
        not others
        and isinstance(target, ast.Tuple)
        and isinstance(value, ast.Tuple)
        and len(target.elts) == len(value.elts)
        and all(isinstance(each, ast.Name) for each in target.elts)
        and not any(isinstance(each, ast.Starred) for each in value.elts)
    ):
        for each, its_value in zip(target.elts, value.elts, strict=True):
            yield from _assigned(statement, [each], its_value)
        return
    known = [names_in(target) for target in targets]
    yield Piece(
        tuple(name for names in known for name in names or ()), (statement,), statement.lineno, None in known, runs
    )


def _calls(nodes: Iterable[ast.expr], *, decorators: bool = False) -> tuple[Reference, ...]:
    """Find what is called by name when expressions are evaluated; a decorator is called itself."""
    found = []
    waiting: list[ast.AST] = list(nodes)
    callees: list[ast.expr] = [node for node in nodes if decorators and not isinstance(node, ast.Call)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            callees.append(node.func)
        waiting.extend(ast.iter_child_nodes(node))
    for callee in callees:
        attributes: list[str] = []
        root = callee
        while isinstance(root, ast.Attribute):
            attributes.append(root.attr)
            root = root.value
        if isinstance(root, ast.Name):
            found.append(Reference(root.id, None, tuple(reversed(attributes))))
    return tuple(found)


def _only_binds(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If):
        return all(map(_only_binds, [*statement.body, *statement.orelse]))
    if isinstance(statement, ast.Try | ast.TryStar):
        handled = [inner for handler in statement.handlers for inner in handler.body]
        return all(map(_only_binds, [*statement.body, *handled, *statement.orelse, *statement.finalbody]))
    if isinstance(statement, ast.Assign):
        return all(names_in(target) is not None for target in statement.targets)
    if isinstance(statement, ast.AnnAssign):
        return isinstance(statement.target, ast.Name)
    return isinstance(statement, ONLY_BINDS) or does_nothing(statement)


def _imports_within(statement: ast.stmt, package: list[str]) -> set[str]:
    nodes = (node for node in ast.walk(statement) if isinstance(node, ast.Import | ast.ImportFrom))
    found = (each for node in nodes for each in imported(node, package))
    return {name for each in found for name in (each.loads, ".".join(filter(None, each.target)))}


def _never_imported(statement: ast.stmt) -> bool:
    """Return whether a statement is `if __name__ == "__main__"`, which no import runs."""
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and isinstance(statement.test, ast.Compare)
        and isinstance(statement.test.left, ast.Name)
        and statement.test.left.id == "__name__"
        and isinstance(statement.test.ops[0], ast.Eq)
    )


def _is_overload(statement: ast.stmt, module: SourceModule) -> bool:
    """Return whether a function is only a signature for type checkers."""
    return isinstance(statement, ast.FunctionDef) and any(
        isinstance(each, ast.Name) and module.imports.get(each.id) == Target("typing", "overload")
        for each in statement.decorator_list
    )


def _docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node, clean=False) or ""
