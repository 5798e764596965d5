"""One settings object per process knows every variable; no other module looks at the environment."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = {
    "serving/settings.py": "the service's",
    "serving/client/__init__.py": "the client's: it is a library of its own and imports nothing of the service",
    "ai_drug_assets/settings.py": "the pipeline's and the command's",
    "ai_drug_assets/aws/hosts.py": "a delivery's: a workflow runs it with click and boto3 alone",
}
"""The modules that read variables, and whose settings those are."""
EXCEPTIONS = {
    "model_zoo/models/tabpfn.py": "where weights lie, which their digest names; and, before its library is imported, "
    "that nothing is downloaded or told to anybody",
    "ai_drug_assets/__init__.py": "how threads of OpenMP wait: read when the first library that has them is loaded",
    "ai_drug_assets/revision.py": "what an image's build says of its revision; Git's own variables for its process",
    "ai_drug_assets/tracking.py": "what MLflow reads when it is imported, and in processes that we start",
    "ai_drug_assets/operations/dvc.py": "that DVC tells nobody what it does: read when it is imported",
    "ai_drug_assets/operations/screens.py": "that Ray tells nobody what it does, and how long it may take to start",
    "ai_drug_assets/operations/schema_migration.py": "which instance a command of Dagster's works on",
    "ai_drug_assets/execution/instance.py": "Dagster's own variable, read by it and by every process of its",
    "ai_drug_assets/execution/container_entry.py": "what the MLflow server reads; a password stands in no arguments",
    "ai_drug_assets/execution/local_stack.py": "what the processes that `aidrug up` starts are told",
    "ai_drug_assets/execution/lanes.py": "a lane gets the environment of now, not that of its parent's start",
    "ai_drug_assets/assets/inference_service.py": "the key of the service: it stands in no settings to show",
    "serving/runtime/workers.py": "what a worker is told by the process that starts it",
}
"""The modules that speak to other people's code, or to processes that they start, through the environment."""


def looks(source: str) -> bool:
    """Return whether a module reads or sets the environment."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names |= {alias.name for alias in node.names}
    return bool(names & {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['A'] = '1'",
        "import os as system\nsystem.getenv('A')",
        "from os import environ as e\ne['A']",
        "def f():\n    import os\n    return {**os.environ}",
    ],
)
def test_the_rule_sees_every_way_to_look(source: str) -> None:
    """No way of reading or setting a variable slips past the rule."""
    assert looks(source)


def test_nobody_else_looks_at_the_environment(root: Path) -> None:
    """A module gets what it must know from the settings, or says here why it cannot."""
    paths = (path for package in ("model_zoo", "serving", "ai_drug_assets") for path in (root / package).rglob("*.py"))
    found = {path.relative_to(root).as_posix() for path in paths if looks(path.read_text(encoding="utf-8"))}

    assert found == SETTINGS.keys() | EXCEPTIONS.keys(), (
        "take it from the settings, or give the reason in this test; drop a reason that is no longer needed"
    )


def test_threads_wait_as_they_are_told_before_any_library_is_loaded(root: Path) -> None:
    """The pipeline sets how threads of OpenMP wait before a library that reads it; an explicit setting wins."""
    code = (
        "import json, os, sys, ai_drug_assets\n"
        "loaded = [name for name in ('numpy', 'torch', 'xgboost', 'sklearn') if name in sys.modules]\n"
        "print(json.dumps([os.environ['OMP_WAIT_POLICY'], loaded]))"
    )
    for variables, found in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PATH": "/usr/bin:/bin", **variables},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )

        assert json.loads(done.stdout) == [found, []]
