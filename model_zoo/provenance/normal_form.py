"""A definition's normal form: its syntax tree as bytes, with a reference wherever it names something outside itself.

Layout, docstrings, the names of local variables and annotations that never run leave no trace; names that a caller can
see (keyword parameters, attributes) do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, NamedTuple

from model_zoo.provenance import scopes
from model_zoo.provenance.references import Names, Reference
from model_zoo.provenance.scopes import Scope, Skips, parameters
from model_zoo.provenance.syntax import constant, does_nothing, fields_of, text

READS_ANNOTATIONS = frozenset({"validate_call", "register"})
"""Decorators that read the annotations of the function below them."""


class Form(NamedTuple):
    """A normal form."""

    parts: tuple[bytes | Reference, ...]
    """Bytes and references, in order."""
    loads: tuple[str, ...] = ()
    """Modules that imports inside it load."""
    unused: tuple[str, ...] = ()
    """Those of them of which nothing is used: they are imported for what that does."""
    mutates: frozenset[str] = frozenset()
    """Names of the module that it assigns to, or to items or attributes of, or calls a method of for its effect."""
    asks_for_file: bool = False
    """Whether it asks for the place of its own file."""


def normal_form(nodes: Iterable[ast.AST], package: list[str], skips: Skips) -> Form:
    """Write statements or expressions at the top of a module.

    Raises
    ------
    UnknownSyntaxError
        For syntax that is not in the table.

    Examples
    --------
    >>> one, two = (ast.parse(f"def f(n): {it} = n + 1; return {it}").body for it in ("a", "b"))
    >>> normal_form(one, [], lambda test: False) == normal_form(two, [], lambda test: False)
    True
    """
    nodes = list(nodes)
    writer = _Writer(package, skips)
    for node in nodes:
        writer.write(node)
    if writer.reads_names and not writer.named:
        writer = _Writer(package, skips, named=True)
        for node in nodes:
            writer.write(node)
    return Form(writer.joined(), *writer.loaded(), frozenset(writer.mutates), writer.asks_for_file)


class _Writer(Names):
    """Writes statements and expressions of every kind."""

    def write(self, node: ast.AST) -> None:
        fields = fields_of(node)
        special = _SPECIAL.get(type(node).__name__)
        if special is not None:
            special(self, node)
        else:
            self.open(node)
            for name in fields:
                self.field(name, getattr(node, name, None))
            self.out.append(b")")

    def statements(self, body: Iterable[ast.stmt]) -> None:
        self.out.append(b"{")
        for statement in body:
            self.write(statement)
        self.out.append(b"}")

    def effect(self, node: ast.Expr) -> None:
        if does_nothing(node):
            return
        self.out.append(b"Expr(")
        self.write(node.value)
        self.out.append(b")")
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            self.changes(node.value.func)

    def branch(self, node: ast.If) -> None:
        if self.skips(node):
            for statement in node.orelse:
                self.write(statement)
            return
        self.out.append(b"If(")
        self.write(node.test)
        self.statements(node.body)
        self.statements(node.orelse)
        self.out.append(b")")

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.open(node)
        self.field("decorator_list", node.decorator_list)
        if self.scope is not None:
            self.bind(node.name)
        self.parameters(node.args)
        if any(_last_name(each) in READS_ANNOTATIONS for each in node.decorator_list):
            self.field("annotations", [*(arg.annotation for arg in parameters(node.args)), node.returns])
        self.enter(node.body, node.args)
        self.statements(node.body)
        self.leave()

    def unnamed_function(self, node: ast.Lambda) -> None:
        self.open(node)
        self.parameters(node.args)
        self.enter([node.body], node.args)
        self.write(node.body)
        self.leave()

    def parameters(self, args: ast.arguments) -> None:
        """Write parameters: names where a caller may say them, defaults, which are evaluated outside."""
        self.out.append(b"arguments(%d" % len(args.posonlyargs))
        self.out += [text(arg.arg) for arg in (*args.args, *args.kwonlyargs)]
        self.out.append(b"*%d:%d%d" % (len(args.kwonlyargs), args.vararg is not None, args.kwarg is not None))
        self.field("defaults", args.defaults)
        self.field("kw_defaults", args.kw_defaults)
        self.out.append(b")")

    def enter(self, body: Iterable[ast.AST], args: ast.arguments) -> None:
        bound = scopes.bound_by(body, self.package, self.skips)
        self.scope = Scope("function", bound, self.scope)
        for arg in parameters(args):
            bound.names.add(arg.arg)
            bound.imports.pop(arg.arg, None)
            self.scope.number(arg.arg)

    def leave(self) -> None:
        assert self.scope is not None
        self.scope = self.scope.parent
        self.out.append(b")")

    def class_(self, node: ast.ClassDef) -> None:
        self.open(node)
        for name in ("decorator_list", "bases", "keywords"):
            self.field(name, getattr(node, name))
        if self.scope is not None:
            self.bind(node.name)
        self.scope = Scope("class", scopes.bound_by(node.body, self.package, self.skips), self.scope)
        self.statements(node.body)
        self.leave()

    def annotated(self, node: ast.AnnAssign) -> None:
        """Write `x: T = v` as `x = v`; in a class the annotation counts, which makes fields."""
        in_class = self.scope is not None and self.scope.kind == "class"
        if node.value is None and not in_class:
            return
        self.out.append(b"Assign(")
        self.field("targets", [node.target])
        self.field("value", node.value)
        if in_class:
            self.field("annotation", _evaluated(node.annotation))
        self.out.append(b")")

    def comprehension(self, node: Any) -> None:
        self.open(node)
        self.write(node.generators[0].iter)  # evaluated outside
        bound = scopes.bound_by([each.target for each in node.generators], self.package, self.skips)
        self.scope = Scope("comprehension", bound, self.scope)
        for number, each in enumerate(node.generators):
            self.out.append(b"for%d" % each.is_async)
            self.write(each.target)
            if number:
                self.write(each.iter)
            self.field("ifs", each.ifs)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.write(part)
        self.leave()

    def binding(self, node: ast.AST) -> None:
        """Write a handler of exceptions or a pattern, each of which may bind a name."""
        self.open(node)
        for name in fields_of(node):
            value = getattr(node, name)
            if name in ("name", "rest"):
                if value:
                    self.bind(value)
            elif name == "body":
                self.statements(value)
            else:
                self.field(name, value)
        self.out.append(b")")

    def outside(self, node: ast.Global) -> None:
        self.mutates.update(node.names)
        for name in node.names:
            self.refer(None, name)

    def importing(self, node: ast.Import | ast.ImportFrom) -> None:
        """Leave out an import whose names are resolved where they are used; write others as assignments."""
        for each in scopes.imported(node, self.package):
            self.imports.append(each)
            if self.scope is None or self.scope.kind == "class" or each.binds not in self.scope.bound.imports:
                self.out.append(b"Import(")
                self.bind(each.binds)
                self.refer(each.target, each.binds)
                self.out.append(b")")


_SPECIAL: dict[str, Any] = {
    "Name": _Writer.name,
    "Attribute": _Writer.attribute,
    "Subscript": _Writer.item,
    "Call": _Writer.call,
    "Constant": lambda writer, node: writer.out.append(constant(node.value)),
    "JoinedStr": _Writer.joined_text,
    "Expr": _Writer.effect,
    "If": _Writer.branch,
    "AnnAssign": _Writer.annotated,
    "Global": _Writer.outside,
    "FunctionDef": _Writer.function,
    "AsyncFunctionDef": _Writer.function,
    "Lambda": _Writer.unnamed_function,
    "ClassDef": _Writer.class_,
    "Import": _Writer.importing,
    "ImportFrom": _Writer.importing,
    **dict.fromkeys(("ListComp", "SetComp", "DictComp", "GeneratorExp"), _Writer.comprehension),
    **dict.fromkeys(("ExceptHandler", "MatchAs", "MatchStar", "MatchMapping"), _Writer.binding),
    **dict.fromkeys(("Nonlocal", "Pass"), lambda writer, node: None),  # the names are resolved, and nothing is done
}


def _evaluated(annotation: ast.expr) -> ast.expr:
    """Return an annotation as it is evaluated: what is in quotes is an expression too."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return annotation
    return annotation


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
