"""Every lab file, in its own form, from `aidrug endpoint new` through `aidrug run` to an answer of the service."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from ai_drug_assets.cli import aidrug
from model_zoo.bundles.store import FolderStore
from serving.app import create_app
from serving.settings import Settings
from tests.grown_files import HEADS, grown
from tests.lab_files import FILES, LabFile
from tests.project_factory import MODELS, little_judging, write_yaml
from tests.unkind_files import UNKIND

ALL = (*FILES, *UNKIND)
ANSWERED = {
    "species.csv": "two species: which one is meant is asked",
    "long.csv": "two assays below each other: which one is meant is asked",
    "salts.csv": "two columns of structures: which one is meant is asked",
}
"""Files of which the tool has to ask, and what; the option that answers is in the table of `docs/own-files.md`."""
NAMED = {"units_below.csv": "below", "two_headers.xlsx": "headers"}
"""Files whose columns are called as those of `assays.xlsx`: a home holds each name once."""


def commands(home: Path, words: list[str]) -> str:
    """Run a command in a home of its own; return what it says."""
    env = {"AIDRUG_CONFIGS": str(home / "configs"), "AIDRUG_HOME": str(home / "home"), "AIDRUG_WORKERS": "1"}
    done = CliRunner().invoke(aidrug, words, env=env)
    assert done.exit_code == 0, f"{words}: {done.exception!r} {done.output[-3000:]}"
    return done.output


def new(home: Path, file: LabFile) -> list[str]:
    """Write a file as a lab has it, but with more molecules, and make endpoints of it; give their names."""
    path = home / "files" / file.name
    path.write_bytes(grown(file.name, file.content()))
    folder = home / "configs" / "endpoints"
    before = set(folder.glob("*.yaml"))
    options = [*file.options, *(["--name", NAMED[file.name]] if file.name in NAMED else [])]
    commands(home, ["endpoint", "new", str(path), "--yes", *options])
    return sorted(each.stem for each in set(folder.glob("*.yaml")) - before)


def test_only_files_with_a_question_need_an_option() -> None:
    """All others are taken as they are; and every option beside `--yes` has its reason here."""
    assert {file.name for file in ALL if file.options} == set(ANSWERED)
    assert len({file.name for file in ALL}) == len(ALL)


@pytest.mark.timeout(1800)  # two minutes of processor time, whatever else is at work
@pytest.mark.slow(sibling="test_lab_files::test_a_file_is_read_as_an_independent_count_reads_it")
def test_each_file_becomes_a_served_endpoint(tmp_path: Path, empty_mlflow: Path) -> None:
    """One home, a command for each file and one for all of them, no edit; one service answers for every endpoint."""
    (tmp_path / "files").mkdir()
    (tmp_path / "home" / "mlflow").mkdir(parents=True)
    (tmp_path / "home" / "mlflow" / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    rf = {"name": "rf", "description": "a small forest", "cheap": True, **MODELS["rf"]}
    write_yaml(tmp_path / "configs" / "models" / "rf.yaml", rf)
    names = {file.name: new(tmp_path, file) for file in ALL}
    with little_judging():
        commands(tmp_path, ["run", "--quick"])

    store = FolderStore(tmp_path / "home" / "store")
    with TestClient(create_app(Settings(folder=tmp_path / "service"), store)) as client:
        answer = client.post("/v1/predict", json={"smiles": [f"{HEADS[9]}CCO"]})
    assert answer.status_code == 200, answer.text
    (molecule,) = answer.json()["predictions"]
    served = molecule["endpoints"]
    assert sorted(served) == sorted(name for made in names.values() for name in made)
    assert all(math.isfinite(prediction["value"]) for prediction in served.values())
    for file in ALL:
        expected = file.expected(file.content())
        assert len(names[file.name]) == len(expected), file.name
