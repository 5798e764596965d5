"""The ledger's published copy: production's plan on any machine, and no training that fails for it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ai_drug_assets.cli import aidrug
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.planning.ledger import Failure, Ledger, Made, now
from ai_drug_assets.planning.ledger_copy import LedgerCopy, open_ledger
from ai_drug_assets.planning.plan import compare, make_plan
from ai_drug_assets.settings import Settings
from model_zoo.errors import StoreError
from tests.project_factory import make_project


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a project whose ledger is published to a folder."""
    return replace(make_project(tmp_path / "project"), ledger_copy=str(tmp_path / "published"))


def make_all(settings: Settings) -> None:
    """Write into the ledger that everything is made."""
    ledger = open_ledger(settings)
    for node in load_catalog(settings).nodes.values():
        inputs = {key: key for key in node.deps}
        made = Made(
            signature=node.signature,
            record=node.record,
            data_version=node.key,
            inputs=inputs,
            run_id="",
            git_sha="",
            at=now(),
        )
        ledger.record_made(node.key, made)


def test_the_copy_says_what_the_ledger_says(settings: Settings, tmp_path: Path) -> None:
    """Each entry, made or failed, is in the copy at once; a plan against it is the plan of production."""
    make_all(settings)
    catalog = load_catalog(settings)
    copy = LedgerCopy(str(tmp_path / "published"))

    assert compare(catalog, copy.entries()).stale == ()

    path = settings.root / "model_zoo" / "models" / "rf.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nassert 1\n", encoding="utf-8")
    changed = load_catalog(settings)
    here = make_plan(changed, Ledger(settings.home / "ledger"))
    there = compare(changed, copy.entries())
    assert there.as_json() == here.as_json()
    assert {item.node.key for item in there.stale if item.node.kind == "trained_model"} == {
        "trained_model/greasy/rf",
        "trained_model/logp/rf",
    }
    failure = Failure(signature=changed.nodes["trained_model/logp/rf"].signature, error="no trees", run_id="", at=now())
    open_ledger(settings).record_failure("trained_model/logp/rf", failure)
    assert "no trees" in compare(changed, copy.entries()).as_text()


def test_the_summary_lists_the_models_and_why(settings: Settings) -> None:
    """The Markdown has one row per model that would be trained, and counts the rest."""
    text = compare(load_catalog(settings), {}).as_markdown()

    assert text.startswith("**4 models would be trained**")
    assert "| `logp/rf` | new" in text
    make_all(settings)
    ledger = Ledger(settings.home / "ledger")
    assert make_plan(load_catalog(settings), ledger).as_markdown().startswith("**0 models would be trained**")


def test_a_copy_out_of_reach_fails_no_training(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The entry is in the ledger, the log says that the copy is behind, and the next entry publishes both."""
    (tmp_path / "published").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        make_all(settings)
    assert "the ledger's copy is not up to date" in caplog.text
    assert make_plan(load_catalog(settings), Ledger(settings.home / "ledger")).stale == ()

    (tmp_path / "published").unlink()
    key = "dataset/logp"
    made = open_ledger(settings).read(key).made
    assert made is not None
    open_ledger(settings).record_made(key, made)
    assert len(LedgerCopy(str(tmp_path / "published")).entries()) == len(load_catalog(settings).nodes)


def test_a_copy_that_is_no_ledger_is_one_error(tmp_path: Path) -> None:
    """The message names the file and what replaces it."""
    (tmp_path / "ledger.json").write_text('{"format": 1}')

    with pytest.raises(StoreError, match=r"ledger.json is not a valid ledger: .* The next run on the host replaces it"):
        LedgerCopy(str(tmp_path)).entries()


def test_the_command_plans_against_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`aidrug plan --ledger PLACE` reads nothing else; a place that was never written to means that all is new."""
    monkeypatch.setenv("AIDRUG_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(aidrug, ["plan", "--json", "--ledger", str(tmp_path / "nowhere")])

    assert result.exit_code == 2
    assert json.loads(result.output)["fresh"] == 0
    assert not (tmp_path / "home").exists()
