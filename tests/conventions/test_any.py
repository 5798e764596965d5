"""`Any` in public signatures: few, each with its reason. What JSON and arrays hold has names in `type_aliases.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

MOST = 10
REASONS = {
    "model_zoo/models/__init__.py Trainer.train": "every recipe has a `Config` of its own",
    "model_zoo/models/__init__.py Ensemble.fit_weights": "the same",
    "model_zoo/models/__init__.py LearnsFromOthers.prepare": "the same",
    "model_zoo/models/_smiles_encoder.py make_encoder": "a network: torch is imported by those alone who train",
    "model_zoo/models/dmpnn.py network": "the same",
    "serving/storage/objects.py S3Objects.__init__": "a client of boto3, which makes its methods when it runs",
    "ai_drug_assets/aws/hosts.py clients": "the same",
    "ai_drug_assets/jobs.py build_jobs": "Dagster does not export what `define_asset_job` gives",
    "serving/jobs/api.py follow_job": "Litestar describes an answer by this type, and knows none for two",
    "serving/page/key_page.py take_key": "the same",
}
"""Public functions with `Any` in their signature, and why it is there."""
PARSING = {
    "model_zoo/config/faults.py fault",
    "model_zoo/io/strict_yaml.py check",
    "model_zoo/io/strict_yaml.py hint",
    "model_zoo/io/strict_yaml.py plain",
    "model_zoo/io/strict_yaml.py read_yaml",
    "serving/client/__init__.py Client.feedback",
    "serving/client/__init__.py Client.review",
    "serving/client/answers.py read",
    "serving/client/transport.py Transport.json",
}
"""Functions that take or return what somebody else wrote, before it is checked."""


def public(body: list[ast.stmt], inside: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield the public functions and methods of a module, by their names."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") or node.name in ("__init__", "__call__"):
                yield inside + node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, f"{inside}{node.name}.")


def says_any(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether `Any` is in a signature."""
    every = function.args
    arguments = (*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg)
    hints = [each.annotation for each in arguments if each is not None] + [function.returns]
    return any(isinstance(part, ast.Name) and part.id == "Any" for each in hints if each for part in ast.walk(each))


def test_the_count_sees_any_in_every_place() -> None:
    """Arguments of every kind and what is returned count; private functions and bodies do not."""
    source = (
        "def a(x: Any): ...\ndef b(*x: Any): ...\ndef c(**x: dict[str, Any]): ...\ndef d() -> list[Any]: ...\n"
        "class E:\n    def f(self, *, x: Any = 1): ...\n"
        "def _g(x: Any): ...\ndef h(x: int) -> int:\n    y: Any = x\n    return y\n"
    )

    assert [name for name, each in public(ast.parse(source).body) if says_any(each)] == ["a", "b", "c", "d", "E.f"]


def test_few_public_signatures_say_any(root: Path) -> None:
    """Each says why; a reason that is no longer needed goes."""
    found = set()
    for package in ("model_zoo", "serving", "ai_drug_assets"):
        for path in (root / package).rglob("*.py"):
            for name, function in public(ast.parse(path.read_text(encoding="utf-8")).body):
                if says_any(function):
                    found.add(f"{path.relative_to(root).as_posix()} {name}")

    assert found == REASONS.keys() | PARSING
    assert len(REASONS) <= MOST
