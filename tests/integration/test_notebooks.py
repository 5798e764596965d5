"""The notebooks of docs/notebooks run from the first cell to the last, as a reader runs them."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_zoo.bundles.store import FolderStore
from model_zoo.uncertainty.conformal import IntervalRule
from model_zoo.uncertainty.fit import Uncertainty
from model_zoo.uncertainty.reliability import Levels
from tests.bundle_factory import TRAINING, publish
from tests.server_process import running_service

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
RULE = IntervalRule(center=(0.0,) * 3, spread=(1.0,) * 3, weights=(-1.0, 3.0, 0.0, 1.0), low=-2.0, high=2.0, factor=2.0)
LEVELS = Levels(high_below=0.5, low_from=3.0, usual=(0.3, 0.9, 4.0), farthest=(0.9, 5.0))


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """Run a notebook in a kernel of its own, and return what its cells printed and showed."""
    import nbformat
    from nbclient import NotebookClient

    for setting in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):  # nothing outside the folder of the test
        monkeypatch.setenv(setting, str(folder))
    for setting, value in environment.items():
        monkeypatch.setenv(setting, value)
    book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    return json.dumps([cell.outputs for cell in book.cells if cell.cell_type == "code"])


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    """Outputs change with every run and would go stale; every cell is Python."""
    cells: list[dict[str, Any]] = json.loads(path.read_bytes())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]

    assert code
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    for cell in code:
        ast.parse("".join(cell["source"]))


@pytest.mark.slow(sibling="test_client::test_a_table_keeps_its_index_and_columns")
def test_triage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is predicted by a running service and ranked; what is unsure and what cannot be read is kept apart."""
    publish(
        FolderStore(tmp_path / "home" / "store"),
        tmp_path / "bundle",
        onnx_bias=0.0,
        trust=Uncertainty(interval=RULE, levels=LEVELS),
        errors=np.full(len(TRAINING), 0.4).tolist(),
    )
    with running_service(tmp_path / "home", tmp_path / "log") as (address, _):
        shown = run("triage", tmp_path, monkeypatch, AIDRUG_SERVICE_URL=address)

    assert "measure these: a long chain" in shown
    assert "correct these: a typing error" in shown


@pytest.mark.slow(sibling="test_staleness::test_a_new_model_trains_only_itself")
@pytest.mark.timeout(900)
def test_new_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of two new files is the only one that trains, and wins."""
    shown = run("new_model", tmp_path, monkeypatch)

    assert "rmse over the folds" in shown


@pytest.mark.slow(sibling="test_staleness::test_one_models_code_retrains_only_that_model")
@pytest.mark.timeout(900)
def test_retrain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One number retrains one model, the pointer follows, and a rollback brings the former bundle back."""
    shown = run("retrain", tmp_path, monkeypatch)

    assert "0 stale" in shown
