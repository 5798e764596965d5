"""Adopting a home that was made under the former rule of signatures: what is equal is fresh, nothing else is."""

from __future__ import annotations

import subprocess

import pytest

from ai_drug_assets.execution import adoption
from ai_drug_assets.execution.adoption import AdoptionError, adopt_home
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.tracking import Tracking
from model_zoo.provenance.former_signatures import by_files, is_former
from tests.project_factory import ROOT, Project

JUDGING = {
    "leaderboard/greasy",
    "leaderboard/logp",
    "champion_model/greasy",
    "champion_model/logp",
    "inference_service",
}
RF = {"trained_model/greasy/rf", "trained_model/logp/rf"}


def git(project: Project, *arguments: str) -> str:
    """Run git in the project; give what it prints."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=project.root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def former(made: Project) -> Project:
    """Return a project in a repository of its own, as the former rule would have left it."""
    (made.root / ".gitignore").write_text("home\n", encoding="utf-8")
    git(made, "init", "-q")
    git(made, "add", ".")
    git(made, "commit", "-qm", "first")
    sha = git(made, "rev-parse", "HEAD")
    home = adoption._Home(made.settings, made.ledger, Tracking(made.settings), made.instance)
    present, former = made.catalog().nodes, load_catalog(made.settings, by_files).nodes
    for key, node in present.items():
        entry = made.ledger.read(key).made
        assert entry is not None
        home.rename(node, former[key], entry)
        entry = made.ledger.read(key).made
        assert entry is not None
        made.ledger.record_made(key, entry.model_copy(update={"former": None, "git_sha": sha}))
    assert set(made.plan()) == set(present)
    return made


def test_what_is_equal_is_adopted_and_trains_nothing(former: Project) -> None:
    """Models whose code, configuration, data and libraries are those of their commit are fresh; only judging is left,
    and the same champions go on serving. The former record stays in the ledger. Adopting again finds nothing.
    """
    trained, said = former.trained(), former.said.append
    former.change_code("model_zoo/models/rf.py")  # after the commit: what was made of it is adopted, and then stale

    assert adopt_home(former.settings, said, former.instance) == {}
    assert set(former.plan()) == RF | JUDGING
    made = former.ledger.read("trained_model/logp/naive").made
    assert made is not None
    assert made.former is not None
    assert is_former(made.former.record.code)
    assert not is_former(made.record.code)
    assert Tracking(former.settings).find_finished(made.signature) is not None
    assert Tracking(former.settings).find_finished(made.former.signature) is None
    git(former, "checkout", "-q", "model_zoo")
    assert set(former.plan()) == JUDGING
    assert former.run().failed == {}
    assert former.trained() == trained
    assert former.plan() == {}
    assert adopt_home(former.settings, said, former.instance) == {}
    assert former.said[-1] == "nothing was made under the former rule of signatures"


def test_what_is_not_equal_is_not_adopted(former: Project) -> None:
    """A record that its commit does not give again stays as it is: here the data changed since, and code that was never
    committed made it.
    """
    made = former.ledger.read("trained_model/logp/rf").made
    assert made is not None
    record = made.record.model_copy(update={"code": {**made.record.code, "model_zoo/models/rf.py": "0" * 64}})
    former.ledger.record_made(
        "trained_model/logp/rf", made.model_copy(update={"signature": "0" * 64, "record": record})
    )
    lines = (former.root / "greasy.csv").read_text(encoding="utf-8").replace("CCO,", "CCCO,", 1)
    (former.root / "greasy.csv").write_text(lines, encoding="utf-8")
    refused = adopt_home(former.settings, former.said.append, former.instance)

    assert {key for key in refused if "logp" in key} == {"trained_model/logp/rf"}
    assert "code model_zoo/models/rf.py" in refused["trained_model/logp/rf"]
    assert {key for key in refused if "greasy" in key} >= {"dataset/greasy", "trained_model/greasy/rf"}
    assert "data greasy.csv" in refused["dataset/greasy"]
    assert former.plan()["trained_model/logp/rf"] == {("code", "rule")}


def test_what_no_commit_tells_is_not_adopted(former: Project) -> None:
    """What names a commit that the repository lacks stays as it is; and once the code has changed that the assets'
    decisions moved to, earlier records cannot be told by it.
    """
    made = former.ledger.read("dataset/logp").made
    assert made is not None
    former.ledger.record_made("dataset/logp", made.model_copy(update={"git_sha": "0" * 40}))
    refused = adopt_home(former.settings, former.said.append, former.instance)

    assert set(refused) == {"dataset/logp"}
    assert "expected the sources of the commit 0000" in refused["dataset/logp"]
    former.edit("model_zoo/training/fit.py", "read_blocks(list(", "read_blocks(tuple(")
    with pytest.raises(AdoptionError, match=r"model_zoo/training/fit\.py: expected the definitions"):
        adopt_home(former.settings, former.said.append, former.instance)


def test_what_an_earlier_version_lacked_is_no_obstacle(former: Project) -> None:
    """Nothing is asked of a commit but what makes the assets that are adopted: it had no pointers, nor what judges."""
    lacking = [
        *(f"bundles/{name}" for name in ("pointer", "card", "assembly")),
        *(f"selection/{name}" for name in ("leaderboard", "ranking")),
        "provenance/signature_record",
    ]
    git(former, "rm", "-q", "--cached", *(f"model_zoo/{name}.py" for name in lacking))
    git(former, "commit", "-qm", "as it was then")
    made = former.ledger.read("dataset/logp").made
    assert made is not None
    former.ledger.record_made("dataset/logp", made.model_copy(update={"git_sha": git(former, "rev-parse", "HEAD")}))

    assert adopt_home(former.settings, former.said.append, former.instance) == {}


def test_the_moved_procedures_are_those_of_the_table() -> None:
    """The procedures of this checkout stand for those of earlier versions: their digests are those in the table."""
    assert {name: adoption._digest_of(ROOT / name, name) for name in adoption.MOVED} == adoption.MOVED
