"""The names in a definition: what each means, and references to what is outside it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import NamedTuple

from model_zoo.provenance.scopes import Imported, Local, Meaning, Scope, Skips, Target, meaning
from model_zoo.provenance.syntax import constant, text

READS_NAMES = frozenset({"locals", "vars", "dir", "eval", "exec"})
"""Builtins that can see the names of local variables: where they are, these count."""


class Reference(NamedTuple):
    """A name in a definition that means something outside it."""

    name: str | None
    """A name of the module, or of a builtin; none where `target` is."""
    target: Target | None = None
    """What a function's own import binds."""
    attributes: tuple[str, ...] = ()
    """The attributes that are read from it, one of the other."""
    literal: str | None = None
    """The first argument, where it is called with a text."""


@dataclass
class Names:
    """The part of a writer that knows names."""

    package: list[str]
    skips: Skips
    named: bool = False
    scope: Scope | None = None
    out: list[bytes | Reference] = field(default_factory=list)
    reads_names: bool = False
    asks_for_file: bool = False
    imports: list[Imported] = field(default_factory=list)
    used: set[Target] = field(default_factory=set)
    mutates: set[str] = field(default_factory=set)

    def joined(self) -> tuple[bytes | Reference, ...]:
        """Return what was written, neighbouring bytes joined."""
        parts: list[bytes | Reference] = []
        run: list[bytes] = []
        for part in self.out:
            if isinstance(part, bytes):
                run.append(part)
            else:
                parts += [b"".join(run), part]
                run = []
        return (*parts, b"".join(run))

    def loaded(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the modules that imports load, and those of which nothing is used."""
        # `from a import b` may load the module `a.b`; whether there is one, who resolves it knows.
        loads = {name for each in self.imports for name in (each.loads, ".".join(filter(None, each.target)))}
        unused = {each.loads for each in self.imports if each.target not in self.used}
        return tuple(sorted(loads)), tuple(sorted(unused))

    def write(self, node: ast.AST) -> None:
        """Write any node."""
        raise NotImplementedError

    def open(self, node: ast.AST) -> None:
        """Begin a node by its kind; a bracket ends it."""
        self.out.append(type(node).__name__.encode() + b"(")

    def field(self, name: str, value: object) -> None:
        """Write a field of a node, unless it is empty."""
        if value is None or value == []:
            return
        self.out.append(name.encode() + b"=")
        if isinstance(value, list):
            self.out.append(b"[")
            for each in value:
                if isinstance(each, ast.AST):
                    self.write(each)
                else:
                    self.out.append(b"-" if each is None else text(each))
            self.out.append(b"]")
        elif isinstance(value, ast.AST):
            self.write(value)
        else:
            self.out.append(constant(value))

    def refer(self, what: Meaning, name: str, attributes: tuple[str, ...] = (), literal: str | None = None) -> None:
        """Write what a name means; `attributes` and `literal` are those of what is no local name."""
        if isinstance(what, Local):
            self.out.append(b"local:%d:%d;" % what)
            if self.named:
                self.out.append(text(name))
            return
        if isinstance(what, Target):
            self.used.add(what)
        else:
            self.reads_names |= name in READS_NAMES
            self.asks_for_file |= name == "__file__"
        self.out.append(Reference(None if what else name, what, attributes, literal))

    def bind(self, name: str) -> None:
        """Write a name that is bound: by its number where it is local, by itself where others can see it."""
        if self.scope is None or self.scope.kind == "class":
            self.out.append(b"own" + text(name))
        else:
            self.refer(meaning(name, self.scope)[0], name)

    def name(self, node: ast.Name) -> None:
        """Write a name that is read or bound."""
        if not isinstance(node.ctx, ast.Load):
            self.bind(node.id)
            return
        what, in_class = meaning(node.id, self.scope)
        if in_class:
            self.out.append(b"own" + text(node.id) + b"or")
        self.refer(what, node.id)

    def outer(self, node: ast.expr) -> tuple[Meaning, str, tuple[str, ...]] | None:
        """Take a name with attributes apart, if it is one and no local one: meaning, name and attributes."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            return None
        what, in_class = meaning(node.id, self.scope)
        return None if isinstance(what, Local) or in_class else (what, node.id, tuple(reversed(attributes)))

    def attribute(self, node: ast.Attribute) -> None:
        """Write an attribute: as part of a reference where it is read from one."""
        found = self.outer(node)
        if found is not None:
            self.refer(*found)
        else:
            self.open(node)
            self.write(node.value)
            self.out.append(text(node.attr) + b")")
            if node.attr == "__doc__":
                self.refer(None, "__doc__")
        if not isinstance(node.ctx, ast.Load):
            self.changes(node.value)

    def item(self, node: ast.Subscript) -> None:
        """Write an item of something."""
        self.open(node)
        self.write(node.value)
        self.field("slice", node.slice)
        self.out.append(b")")
        if not isinstance(node.ctx, ast.Load):
            self.changes(node.value)

    def changes(self, node: ast.expr) -> None:
        """Note that what an expression gives is changed, where it is a name of the module."""
        while isinstance(node, ast.Subscript):
            node = node.value
        found = self.outer(node)
        if found is not None and found[0] is None:
            self.mutates.add(found[1])

    def call(self, node: ast.Call) -> None:
        """Write a call."""
        self.out.append(b"Call(func=")
        first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        found = self.outer(node.func)
        if found is not None:
            self.refer(*found, first if isinstance(first, str) else None)
        else:
            self.write(node.func)
        self.field("args", node.args)
        self.field("keywords", node.keywords)
        self.out.append(b")")

    def joined_text(self, node: ast.JoinedStr) -> None:
        """Write an f-string; how its plain pieces are cut differs between versions of Python."""
        self.open(node)
        plain = ""
        for part in (*node.values, None):
            if isinstance(part, ast.Constant):
                plain += str(part.value)
                continue
            if plain:
                self.out.append(text(plain))
                plain = ""
            if part is not None:
                self.write(part)
        self.out.append(b")")
