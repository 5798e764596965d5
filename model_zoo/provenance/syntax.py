"""The syntax that signatures know: every kind of node with the fields that count, and constants as bytes.

The table is what makes digests equal on every supported Python: only what it lists is written, a field that is empty
is not, and a kind or a field that it does not list is an error, so that a new Python cannot change a digest in silence.
"""

from __future__ import annotations

import ast

FIELDS: dict[str, tuple[str, ...]] = {
    # statements
    "FunctionDef": ("decorator_list", "args", "body"),
    "AsyncFunctionDef": ("decorator_list", "args", "body"),
    "ClassDef": ("decorator_list", "bases", "keywords", "body"),
    "Return": ("value",),
    "Delete": ("targets",),
    "Assign": ("targets", "value"),
    "AugAssign": ("target", "op", "value"),
    "AnnAssign": ("target", "annotation", "value"),
    "For": ("target", "iter", "body", "orelse"),
    "AsyncFor": ("target", "iter", "body", "orelse"),
    "While": ("test", "body", "orelse"),
    "If": ("test", "body", "orelse"),
    "With": ("items", "body"),
    "AsyncWith": ("items", "body"),
    "Match": ("subject", "cases"),
    "Raise": ("exc", "cause"),
    "Try": ("body", "handlers", "orelse", "finalbody"),
    "TryStar": ("body", "handlers", "orelse", "finalbody"),
    "Assert": ("test", "msg"),
    "Import": ("names",),
    "ImportFrom": ("module", "names", "level"),
    "Global": ("names",),
    "Nonlocal": ("names",),
    "Expr": ("value",),
    "Pass": (),
    "Break": (),
    "Continue": (),
    # expressions
    "BoolOp": ("op", "values"),
    "NamedExpr": ("target", "value"),
    "BinOp": ("left", "op", "right"),
    "UnaryOp": ("op", "operand"),
    "Lambda": ("args", "body"),
    "IfExp": ("test", "body", "orelse"),
    "Dict": ("keys", "values"),
    "Set": ("elts",),
    "ListComp": ("generators", "elt"),
    "SetComp": ("generators", "elt"),
    "DictComp": ("generators", "key", "value"),
    "GeneratorExp": ("generators", "elt"),
    "Await": ("value",),
    "Yield": ("value",),
    "YieldFrom": ("value",),
    "Compare": ("left", "ops", "comparators"),
    "Call": ("func", "args", "keywords"),
    "FormattedValue": ("value", "conversion", "format_spec"),
    "JoinedStr": ("values",),
    "Constant": ("value",),
    "Attribute": ("value", "attr"),
    "Subscript": ("value", "slice"),
    "Starred": ("value",),
    "Name": ("id",),
    "List": ("elts",),
    "Tuple": ("elts",),
    "Slice": ("lower", "upper", "step"),
    # parts of them
    "comprehension": ("target", "iter", "ifs", "is_async"),
    "ExceptHandler": ("type", "name", "body"),
    "arguments": ("posonlyargs", "args", "vararg", "kwonlyargs", "kw_defaults", "kwarg", "defaults"),
    "arg": ("arg",),
    "keyword": ("arg", "value"),
    "alias": ("name", "asname"),
    "withitem": ("context_expr", "optional_vars"),
    "match_case": ("pattern", "guard", "body"),
    "MatchValue": ("value",),
    "MatchSingleton": ("value",),
    "MatchSequence": ("patterns",),
    "MatchMapping": ("keys", "patterns", "rest"),
    "MatchClass": ("cls", "patterns", "kwd_attrs", "kwd_patterns"),
    "MatchStar": ("name",),
    "MatchAs": ("pattern", "name"),
    "MatchOr": ("patterns",),
    # operators
    **dict.fromkeys(("And", "Or", "Not", "Invert", "UAdd", "USub"), ()),
    **dict.fromkeys(("Add", "Sub", "Mult", "MatMult", "Div", "Mod", "Pow", "LShift", "RShift"), ()),
    **dict.fromkeys(("BitOr", "BitXor", "BitAnd", "FloorDiv"), ()),
    **dict.fromkeys(("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE", "Is", "IsNot", "In", "NotIn"), ()),
}
"""The fields that count, by kind of node, in the order in which they are written: what binds a name is before
what reads it."""

WITHOUT_INFLUENCE = frozenset({"ctx", "kind", "type_comment", "name", "returns", "annotation", "simple"})
"""Fields that say again what another place says (`ctx`), that only people or type checkers read, or (`name`) that
nobody sees but who refers to it, and the reference is written there."""


class UnknownSyntaxError(ValueError):
    """A tree holds something that the table of kinds and fields does not list."""


def fields_of(node: ast.AST) -> tuple[str, ...]:
    """Return the fields of a node that count.

    Raises
    ------
    UnknownSyntaxError
        When the table does not list the kind, or a field that is not empty.
    """
    kind = type(node).__name__
    known = FIELDS.get(kind)
    if known is None:
        raise UnknownSyntaxError(f"line {getattr(node, 'lineno', '?')}: expected syntax of Python 3.11, got a {kind}")
    for field in _unlisted(type(node)):
        if getattr(node, field, None):
            line = getattr(node, "lineno", "?")
            raise UnknownSyntaxError(f"line {line}: expected syntax of Python 3.11, got `{field}` in a {kind}")
    return known


def constant(value: object) -> bytes:
    """Write a constant, its type included: 1, 1.0 and True differ.

    Examples
    --------
    >>> constant(1), constant(1.0), constant("a"), constant(None)
    (b'int:1;', b'float:0x1.0000000000000p+0;', b'str:1:a', b'NoneType:None;')
    """
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return b"bytes:%d:%b" % (len(value), value)
    if isinstance(value, float):
        return f"float:{value.hex()};".encode()
    if isinstance(value, complex):
        return f"complex:{value.real.hex()},{value.imag.hex()};".encode()
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int:{value:x};".encode()  # hexadecimal: Python refuses to write very long numbers as decimals
    return f"{type(value).__name__}:{value};".encode()


def text(value: str) -> bytes:
    """Write a text with its length before it, so that nothing in it can be taken for something else."""
    content = value.encode("utf-8", "surrogatepass")
    return b"str:%d:%b" % (len(content), content)


def does_nothing(statement: ast.stmt) -> bool:
    """Return whether a statement has no effect: a docstring, of a function or of the field above it; `...`; `pass`."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _unlisted(kind: type[ast.AST]) -> tuple[str, ...]:
    found = _UNLISTED.get(kind.__name__)
    if found is None:
        listed = {*FIELDS[kind.__name__], *WITHOUT_INFLUENCE}
        found = _UNLISTED[kind.__name__] = tuple(field for field in kind._fields if field not in listed)
    return found


_UNLISTED: dict[str, tuple[str, ...]] = {}
