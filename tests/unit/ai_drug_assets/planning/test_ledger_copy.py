"""The ledger's published copy: production's plan on any machine, and no training that fails for it."""

from __future__ import annotations

import errno
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ai_drug_assets.cli import aidrug
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.planning.ledger import Entry, Failure, Ledger, Made, now
from ai_drug_assets.planning.ledger_copy import LedgerCopy, open_ledger
from ai_drug_assets.planning.plan import compare, make_plan
from ai_drug_assets.settings import Settings
from model_zoo.errors import StoreError
from model_zoo.provenance.signature_record import SignatureRecord
from serving.storage.objects import FolderObjects
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


def made_at(number: int) -> Made:
    """Say that an asset was made for the n-th time, with a record of a usual size."""
    record = SignatureRecord(code={f"definition_{part}": "0" * 64 for part in range(40)})
    return Made(
        signature=str(number), record=record, data_version="1", inputs={}, run_id="", git_sha="", at=f"{number:06d}"
    )


def publishing(folder: Path) -> Ledger:
    """Open a ledger in a folder that publishes beside it."""
    return Ledger(folder / "ledger", LedgerCopy(str(folder / "published")).publish)


def published(folder: Path) -> dict[str, str]:
    """Return the signature of each asset that the copy calls made."""
    return {
        key: entry.made.signature
        for key, entry in LedgerCopy(str(folder / "published")).entries().items()
        if entry.made
    }


def known(folder: Path) -> dict[str, str]:
    """Return the same of the ledger."""
    return {key: entry.made.signature for key, entry in Ledger(folder / "ledger").entries().items() if entry.made}


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the bytes of every write to the place of a copy."""
    sizes: list[int] = []
    write = FolderObjects.write

    def counted(self: FolderObjects, name: str, content: bytes) -> None:
        sizes.append(len(content))
        write(self, name, content)

    monkeypatch.setattr(FolderObjects, "write", counted)
    return sizes


def test_what_is_written_grows_with_the_entries_and_not_with_their_square(tmp_path: Path, writes: list[int]) -> None:
    """Of 160 assets, made twice, each costs a few times its own size, and a reader finds few files."""
    ledger, size = publishing(tmp_path), len(json.dumps(made_at(0).model_dump()))
    at = {}
    for number in range(320):
        ledger.record_made(f"trained_model/e{number % 160}/rf", made_at(number))
        at[number + 1] = sum(writes)
    assert at[320] < 6 * 320 * size
    assert at[320] - at[160] < 2 * (at[160] - at[1])
    assert len(list((tmp_path / "published" / "changes").rglob("*.json"))) <= 160 / 4 + 1
    assert published(tmp_path) == known(tmp_path)
    assert len(known(tmp_path)) == 160


def test_a_reader_of_an_earlier_version_finds_a_valid_ledger(tmp_path: Path) -> None:
    """`ledger.json` alone is as it ever was, and a little behind; so is one without changes."""
    ledger = publishing(tmp_path)
    for number in range(80):
        ledger.record_made(f"dataset/e{number}", made_at(number))
    whole = json.loads((tmp_path / "published" / "ledger.json").read_bytes())
    assert whole.keys() == {"format", "entries"}
    assert len(whole["entries"]) >= 48

    (tmp_path / "old" / "published").mkdir(parents=True)
    (tmp_path / "old" / "published" / "ledger.json").write_text(json.dumps(whole))
    assert published(tmp_path / "old").keys() == whole["entries"].keys()


@pytest.mark.parametrize("at", ["entry", "copy", "mark"])
def test_a_writer_that_is_killed_leaves_no_copy_behind_for_longer_than_the_next_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Before its entry, before the copy, before it is noted that the copy followed: the next entry publishes all."""
    ledger = publishing(tmp_path)
    for number in range(3):
        ledger.record_made(f"dataset/e{number}", made_at(number))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if at == "entry":
            patch.setattr("ai_drug_assets.planning.ledger.atomic_write", killed)
        elif at == "copy":
            patch.setattr(FolderObjects, "write", killed)
        else:
            publish = LedgerCopy(str(tmp_path / "published")).publish

            def interrupted(key: str, entry: Entry, everything: Callable[[], Mapping[str, Entry]], before: str) -> str:
                publish(key, entry, everything, before)
                raise KeyboardInterrupt

            ledger = Ledger(tmp_path / "ledger", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.record_made("dataset/e1", made_at(10))
    publishing(tmp_path).record_made("dataset/e9", made_at(11))
    assert published(tmp_path) == known(tmp_path)


def test_entries_that_nobody_published_follow_with_the_next_one(tmp_path: Path) -> None:
    """A command without the setting, a copy that was deleted, a full disk, another place: nothing stays behind."""
    ledger = publishing(tmp_path)
    for number in range(3):
        ledger.record_made(f"dataset/e{number}", made_at(number))
    Ledger(tmp_path / "ledger").record_made("dataset/e0", made_at(20))
    ledger.record_made("dataset/e1", made_at(21))
    assert published(tmp_path) == known(tmp_path)

    (tmp_path / "published" / "ledger.json").unlink()
    ledger.record_made("dataset/e1", made_at(22))
    assert published(tmp_path) == known(tmp_path)

    (tmp_path / "published").rename(tmp_path / "elsewhere")
    Ledger(tmp_path / "ledger", LedgerCopy(str(tmp_path / "other")).publish).record_made("dataset/e2", made_at(23))
    assert LedgerCopy(str(tmp_path / "other")).entries() == Ledger(tmp_path / "ledger").entries()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the place takes nothing it keeps what it had; with the next entry all is there."""
    ledger = publishing(tmp_path)
    ledger.record_made("dataset/e0", made_at(0))
    before = published(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "ledger.json")

    with monkeypatch.context() as patch:
        patch.setattr("serving.storage.objects.atomic_write", full)
        for number in range(1, 40):
            ledger.record_made(f"dataset/e{number}", made_at(number))
        assert published(tmp_path) == before
    ledger.record_made("dataset/e0", made_at(50))
    assert published(tmp_path) == known(tmp_path)
    assert len(known(tmp_path)) == 40


def test_two_writers_and_a_reader_at_once(tmp_path: Path) -> None:
    """Two processes write 25 entries each: the copy has all of them, and a reader meanwhile finds a ledger."""
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.ai_drug_assets.planning.test_ledger_copy import made_at, publishing\n"
        "ledger = publishing(Path(sys.argv[1]))\n"
        "for number in range(25): ledger.record_made(f'dataset/{sys.argv[2]}{number}', made_at(number))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        now_there = len(published(tmp_path))
        assert now_there >= seen
        seen = now_there
    assert [writer.returncode for writer in writers] == [0, 0]
    assert published(tmp_path) == known(tmp_path)
    assert len(known(tmp_path)) == 50


def test_what_is_again_as_it_was_once_is_told_so(tmp_path: Path) -> None:
    """A ledger that was restored to an earlier state: no change that was published after that state counts."""
    ledger = publishing(tmp_path)
    ledger.record_made("dataset/e0", made_at(0))
    ledger.record_made("dataset/e0", made_at(1))
    (tmp_path / "ledger" / ".published").unlink()
    ledger.record_made("dataset/e0", made_at(0))
    assert published(tmp_path) == {"dataset/e0": "0"}
