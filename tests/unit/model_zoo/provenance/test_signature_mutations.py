"""What is signed is what counts: each definition that a model reaches is changed in turn, and all others at once."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_zoo.config.files import load_configs
from model_zoo.provenance.definitions import Definitions
from model_zoo.provenance.names import Node
from model_zoo.provenance.roots import Makers, roots
from model_zoo.provenance.source_modules import SourceModule
from model_zoo.provenance.syntax import does_nothing

ROOT = Path(__file__).parents[4]
OTHER: dict[type, Any] = {
    ast.Add: ast.Sub(), ast.Mult: ast.Add(), ast.Lt: ast.GtE(), ast.Eq: ast.NotEq(), ast.In: ast.NotIn(),
}  # fmt: skip


def makers() -> dict[str, Makers]:
    """Return what makes each model of the configuration."""
    known = load_configs(ROOT / "configs").models
    usual = ("dataset", "rows", "training", "fitting")
    return {
        name: Makers((*usual, "auxiliary") if model.auxiliary else usual, tuple(model.features), model.recipe)
        for name, model in known.items()
    }


def what_runs(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the parts of a definition that run: no docstrings, and no annotations but those of fields."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("returns", "annotation") or (name == "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (isinstance(child, ast.stmt) and does_nothing(child)):
                yield from what_runs(child)


def mutants(piece: tuple[ast.AST, ...]) -> Iterator[tuple[str, tuple[ast.AST, ...]]]:
    """Yield a definition with another constant, another operator, another default, as far as it has any; else with one
    statement or element more.
    """
    done = False
    for kind in ("constant", "operator", "default"):
        changed = tuple(map(clone, piece))
        for node in (inner for part in changed for inner in what_runs(part)):
            if change(kind, node):
                yield kind, changed
                done = True
                break
    if not done:
        changed = tuple(map(clone, piece))
        (first, *_) = changed
        if isinstance(first, ast.FunctionDef | ast.ClassDef):
            first.body.append(ast.parse("assert 1").body[0])
            yield "addition", changed
        else:
            assert isinstance(first, ast.expr)
            yield "addition", (ast.Tuple([first], ast.Load()),)


def clone(node: Any) -> Any:
    """Copy a tree: several times as fast as `deepcopy`, which copies places too."""
    if isinstance(node, list):
        return [clone(each) for each in node]
    if not isinstance(node, ast.AST):
        return node
    return type(node)(**{name: clone(getattr(node, name, None)) for name in node._fields})


def change(kind: str, node: ast.AST) -> bool:
    """Change a node in place; give whether it was of that kind."""
    if kind == "constant" and isinstance(node, ast.Constant):
        node.value = "changed" if node.value != "changed" else 0
    elif kind == "operator" and isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OTHER:
        node.op = OTHER[type(node.op)]
    elif kind == "operator" and isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        node.ops[0] = OTHER[type(node.ops[0])]
    elif kind == "default" and isinstance(node, ast.arguments) and node.defaults:
        node.defaults[0] = ast.Constant("changed")
    else:
        return False
    return True


class Mutable(Definitions):
    """Definitions of which one can be changed in memory."""

    def marks(self, asked: dict[str, dict[str, str]]) -> dict[str, tuple[str, ...]]:
        """Digest the roots of every model."""
        return {name: tuple(map(self.digest, places.values())) for name, places in asked.items()}

    def put(self, node: Node, nodes: tuple[ast.AST, ...]) -> tuple[ast.AST, ...]:
        """Replace a definition; give the former one."""
        module = self.module(node)
        before = module.pieces[node.piece].nodes
        module.pieces[node.piece] = module.pieces[node.piece]._replace(nodes=nodes)
        module._forms.pop(node.piece, None)
        self._known.pop(node, None)
        return before

    def above(self, reached: set[Node]) -> dict[Node, set[Node]]:
        """Return who refers to each definition, through however many others, itself included."""
        refers: dict[Node, set[Node]] = {}
        for node in reached:
            for other in self.known(node).nodes:
                refers.setdefault(other, set()).add(node)
        found = {}
        for node in reached:
            seen, waiting = {node}, [node]
            while waiting:
                more = refers.get(waiting.pop(), set()) - seen
                seen |= more
                waiting.extend(more)
            found[node] = seen
        return found


@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.slow(sibling="test_each_reached_definition_counts_and_no_other")), 25]
)
def test_each_reached_definition_counts_and_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    """A change of a definition changes the signatures of exactly the models that reach it; a change of all that no
    model reaches changes none. The quick suite takes one definition of so many.
    """
    shutil.copytree(ROOT / "model_zoo", tmp_path / "model_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    known, made_by = Mutable(tmp_path), makers()
    asked = {name: roots(made_by[name], ROOT) for name in made_by}
    reached = {name: known.nodes(places.values()) for name, places in asked.items()}
    marks = known.marks(asked)
    union, count = set().union(*reached.values()), 0
    above, digests = known.above(union), dict(known._digests)
    for node in [node for node in sorted(union) if node.piece >= 0][::step]:
        for kind, changed in mutants(known.module(node).pieces[node.piece].nodes):
            before = known.put(node, changed)
            known._digests = {other: digest for other, digest in digests.items() if other not in above[node]}
            after = known.marks(asked)
            known.put(node, before)
            wrong = {name for name in marks if (after[name] != marks[name]) != (node in reached[name])}
            assert not wrong, f"{kind} in {known.qualified(node)}: {wrong}"
            count += 1
    if step == 1:
        with capsys.disabled():
            print(f"\n{count} changes of {len(union)} definitions.")
    others = change_others(known, tmp_path, union)
    assert others > 100
    assert Mutable(tmp_path).marks(asked) == marks


def change_others(known: Definitions, root: Path, reached: set[Node]) -> int:
    """Change every definition in files that none of some reached; give how many."""
    count = 0
    for path in sorted((root / "model_zoo").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        module = _module(known, name)
        tree = ast.parse(path.read_bytes())
        wanted = {
            each
            for number, piece in enumerate(module.pieces)
            for each in piece.names
            if Node(module.name, number) not in reached
        }
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef) and statement.name in wanted:
                statement.body.append(ast.parse("assert 1").body[0])
                count += 1
            elif (
                isinstance(statement, ast.Assign)
                and len(statement.targets) == 1
                and isinstance(statement.targets[0], ast.Name)
                and statement.targets[0].id in wanted
            ):
                statement.value = ast.Tuple([statement.value], ast.Load())
                count += 1
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
    return count


def _module(known: Definitions, path: str) -> SourceModule:
    module = known.names.module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert module is not None
    return module
