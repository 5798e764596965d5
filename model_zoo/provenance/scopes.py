"""Which names a function, class or comprehension binds, and what a name in it means."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LEAVES = (ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.unaryop, ast.boolop)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Skips = Callable[[ast.If], bool]
"""Returns whether the body of an `if` never runs, because only type checkers read it."""


class Target(NamedTuple):
    """What an import binds: a module, or a name in one."""

    module: str
    """Its dotted name."""
    name: str | None = None
    """The name in it; none when the module itself is bound."""


class Imported(NamedTuple):
    """One name of an import statement."""

    binds: str
    """The name that it binds; `*` for all of them."""
    target: Target
    """What that refers to."""
    loads: str
    """The module that the statement loads."""


@dataclass
class Bound:
    """What a block of statements binds."""

    names: set[str] = field(default_factory=set)
    """By something else than an import."""
    imports: dict[str, Target] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)
    """Names that it declares `global`."""
    around: set[str] = field(default_factory=set)
    """Names that it declares `nonlocal`."""


@dataclass
class Scope:
    """A place where names are bound, inside a definition."""

    kind: Literal["function", "class", "comprehension"]
    bound: Bound
    parent: Scope | None = None
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """Return a local name's number: the order in which names are met."""
        return self.numbers.setdefault(name, len(self.numbers))


class Local(NamedTuple):
    """A local name: how many scopes further out it is bound, and its number there."""

    depth: int
    number: int


Meaning = Local | Target | None
"""What a name means: a local name, what a function imported, or (none) a name of the module or a builtin."""


def meaning(name: str, scope: Scope | None) -> tuple[Meaning, bool]:
    """Find what a name means in a scope.

    Returns
    -------
    tuple
        The meaning, and whether the class whose body this is binds the name too: it then has that value once it is
        bound, and the other one before.
    """
    in_class = scope is not None and scope.kind == "class" and _binds(scope, name)
    if in_class and scope is not None and name in scope.bound.imports and name not in scope.bound.names:
        return scope.bound.imports[name], False
    depth, here = 0, scope
    while here is not None:
        if name in here.bound.outside:
            return None, in_class
        if here.kind != "class":
            if name in here.bound.names:
                return Local(depth, here.number(name)), in_class
            if name in here.bound.imports:
                return here.bound.imports[name], in_class
            depth += 1
        here = here.parent
    return None, in_class


def _binds(scope: Scope, name: str) -> bool:
    return name in scope.bound.names or name in scope.bound.imports


def bound_by(nodes: Iterable[ast.AST], package: list[str], skips: Skips) -> Bound:
    """Collect what statements or expressions bind in the scope that they are in."""
    bound = Bound()
    for node in nodes:
        for part in _same_scope(node, skips):
            _note(part, bound, package)
    for name in bound.names & bound.imports.keys():
        del bound.imports[name]  # the import is then written like any other assignment
    bound.names -= bound.outside | bound.around
    for name in bound.outside | bound.around:
        bound.imports.pop(name, None)
    return bound


def parameters(args: ast.arguments) -> Iterator[ast.arg]:
    """List all parameters of a function, in order."""
    yield from (*args.posonlyargs, *args.args, *args.kwonlyargs)
    yield from (each for each in (args.vararg, args.kwarg) if each is not None)


def imported(node: ast.Import | ast.ImportFrom, package: list[str]) -> list[Imported]:
    """List what an import statement binds, relative names resolved."""
    if isinstance(node, ast.Import):
        return [
            Imported(alias.asname, Target(alias.name), alias.name)
            if alias.asname
            else Imported(alias.name.partition(".")[0], Target(alias.name.partition(".")[0]), alias.name)
            for alias in node.names
        ]
    above = package[: len(package) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    return [Imported(alias.asname or alias.name, Target(base, alias.name), base) for alias in node.names]


def names_in(target: ast.expr) -> list[str] | None:
    """Return the names that a target binds; none when it is more than names, such as an item or an attribute."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, ast.Starred):
        return names_in(target.value)
    if isinstance(target, ast.Tuple | ast.List):
        inner = [names_in(each) for each in target.elts]
        return None if None in inner else [name for names in inner if names for name in names]
    return None


def _same_scope(node: ast.AST, skips: Skips) -> Iterator[ast.AST]:
    """Walk what is evaluated in the same scope: of functions and classes only what runs when they are defined."""
    waiting: list[ast.AST | None] = [node]
    while waiting:
        each = waiting.pop()
        if each is None or isinstance(each, LEAVES):
            continue
        yield each
        if isinstance(each, FUNCTIONS):
            waiting += (*each.decorator_list, *each.args.defaults, *each.args.kw_defaults)
        elif isinstance(each, ast.ClassDef):
            waiting += (*each.decorator_list, *each.bases, *each.keywords)
        elif isinstance(each, ast.Lambda):
            waiting += (*each.args.defaults, *each.args.kw_defaults)
        elif isinstance(each, COMPREHENSIONS):
            # A comprehension has a scope of its own, but `:=` in it binds in the one around it.
            yield from (part.target for part in ast.walk(each) if isinstance(part, ast.NamedExpr))
        elif isinstance(each, ast.If) and skips(each):
            waiting += each.orelse
        elif not isinstance(each, ast.Name):
            for name in each._fields:
                value = getattr(each, name, None)
                if isinstance(value, list):
                    waiting += [inner for inner in value if isinstance(inner, ast.AST)]
                elif isinstance(value, ast.AST):
                    waiting.append(value)


def _note(node: ast.AST, bound: Bound, package: list[str]) -> None:
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            bound.names.add(node.id)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for each in imported(node, package):
            if bound.imports.get(each.binds, each.target) == each.target:
                bound.imports[each.binds] = each.target
            else:
                bound.names.add(each.binds)
    elif isinstance(node, ast.Global):
        bound.outside.update(node.names)
    elif isinstance(node, ast.Nonlocal):
        bound.around.update(node.names)
    elif isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping)):
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        bound.names.update([name] if name else [])
