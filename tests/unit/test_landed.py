"""Both directions: what any version wrote is read, and what is written now is read by the readers of this version.

`tests/landed/` holds what earlier versions wrote (`first/`: bundles of format 1; the rest: the last version that read
strictly), what their bundles predicted, and, in `readers/`, the schemas of readers by name and version. A schema is
frozen with its version: what changes it is a new version beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from ai_drug_assets.operations.backup import File, Snapshot
from ai_drug_assets.planning.ledger import Entry, Failure, Ledger, Made
from ai_drug_assets.settings import ROOT
from model_zoo import models
from model_zoo.bundles.assembly import candidate
from model_zoo.bundles.card import ModelCard, parse_card
from model_zoo.bundles.manifest import Manifest, parse_manifest
from model_zoo.bundles.pointer import Pointer, parse_pointer
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import FolderStore, read_card
from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.targets import Target
from model_zoo.errors import AidrugError, StoreError
from model_zoo.io.artefacts import Artefact, read_artefact
from model_zoo.policies import standardise
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.selection.criteria import SelectionCriteria
from model_zoo.selection.decision import Decision, parse_decision
from model_zoo.selection.election import decide
from model_zoo.selection.leaderboard import Leaderboard, parse_leaderboard
from model_zoo.selection.scores import Scores, read_scores
from model_zoo.training.cross_validation import TrainingData, train_and_score
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish, write

LANDED = Path(__file__).parents[1] / "landed"
ANSWERS: dict[str, Any] = json.loads((LANDED / "answers.json").read_bytes())
PROJECT = LANDED / "project"
READERS: tuple[type[Artefact], ...] = (
    Manifest, Pointer, Snapshot, ModelCard, Scores, Leaderboard, Decision, SignatureRecord, Entry,
)  # fmt: skip


def schema_of(kind: type[Artefact]) -> dict[str, Any]:
    """Return the schema of a reader: that of the class, without the fields being all that there may be."""

    def tolerant(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {name: each for name, each in value.items() if (name, each) != ("additionalProperties", False)}
            return {name: tolerant(each) for name, each in kept.items() if name not in ("description", "title")}
        return [tolerant(each) for each in value] if isinstance(value, list) else value

    return dict(tolerant(kind.model_json_schema()))


def written_out(schema: dict[str, Any]) -> dict[str, Any]:
    """Put what a schema refers to in the place of each reference: the names of classes are in no file."""
    parts = schema.get("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, dict) and "$ref" in value:
            others = {name: each for name, each in value.items() if name != "$ref"}
            return put({**parts[value["$ref"].rpartition("/")[2]], **others})
        if isinstance(value, dict):
            return {name: put(each) for name, each in value.items() if name != "$defs"}
        return [put(each) for each in value] if isinstance(value, list) else value

    return dict(put(schema))


def name_of(kind: type[Artefact]) -> str:
    """Return the name that an artefact's frozen readers have."""
    return kind.NAME.replace(" ", "_")


def frozen(name: str) -> dict[str, Any]:
    """Read a frozen schema."""
    return dict(json.loads((LANDED / "readers" / f"{name}.json").read_bytes()))


@pytest.mark.parametrize("name", ANSWERS["answers"])
def test_a_landed_bundle_predicts_what_it_predicted(name: str) -> None:
    """Values, intervals, similarities, percentiles and labels, by the code that reads it now."""
    bundle, expected = load_bundle(LANDED / "store" / "bundles" / name), ANSWERS["answers"][name]
    rules = bundle.manifest.policies.standardise
    read = [standardise(text, bundle.manifest.standardise, policy=rules) for text in ANSWERS["smiles"]]
    got = bundle.predict([each for each in read if isinstance(each, Molecule)])

    assert rules == 1
    for part, values in expected.items():
        if values is None:
            assert getattr(got, part) is None
        else:
            np.testing.assert_allclose(getattr(got, part), values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("store", ["store", "first/store"])
def test_a_landed_store_is_served_as_it_lies(tmp_path: Path, store: str) -> None:
    """Nothing is rewritten to be read; the first change is made on top of it."""
    copy = FolderStore(shutil.copytree(LANDED / store, tmp_path / "store"))
    before = (copy.root / "current.json").read_bytes()
    with TestClient(create_app(Settings(poll_seconds=0.02), copy)) as client:
        answer = client.post("/v1/predict", json={"smiles": ["CCO"]})
        state = client.get("/health/ready").json()

    served = {name: each["champion"] for name, each in answer.json()["predictions"][0]["endpoints"].items()}
    assert served == {name: now.version for name, now in parse_pointer(before).endpoints.items()}
    assert (state["store_state"], state["errors"]) == ("ok", {})
    assert (copy.root / "current.json").read_bytes() == before
    publish(copy, tmp_path / "next", value=3.0)
    assert parse_pointer(copy.read_pointer_bytes()).endpoints["solubility_logs"].history


def test_landed_cards_and_snapshots_are_read() -> None:
    """A card decides who defends the title; a snapshot is what a restore begins with."""
    store = FolderStore(LANDED / "store")
    for name in ANSWERS["answers"]:
        assert read_card(store, *name.split("/")).scores.cv == {}, "they tell next to nothing, and in another shape"
    content = (LANDED / "project" / "snapshot.json").read_bytes()
    read = read_artefact(Snapshot, content, "snapshot.json", StoreError)

    assert read.pointer is not None
    assert read.pointer.endpoints["solubility_logs"].version.startswith("linear-")
    assert all(len(file.sha256) == 64 for file in read.files.values())


def test_landed_ledger_entries_and_cards_of_a_whole_run_are_read(tmp_path: Path) -> None:
    """The ledger's entry says when a model was made, also with fields of a later version; the card says who won."""
    entry = json.loads((LANDED / "project" / "ledger_record.json").read_bytes())
    (tmp_path / "trained_model" / "logp").mkdir(parents=True)
    path = tmp_path / "trained_model" / "logp" / "rf.json"
    path.write_text(json.dumps(entry))
    read = Ledger(tmp_path).read("trained_model/logp/rf")
    assert read.made is not None
    assert (read.made.signature, read.made.record.config["features"]) == (
        entry["made"]["signature"],
        ["morgan_count"],
    )
    path.write_text(json.dumps({**entry, "made": {**entry["made"], "host": "a"}, "schema": 2}))
    assert Ledger(tmp_path).read("trained_model/logp/rf") == read

    card = json.loads((LANDED / "project" / "card.json").read_bytes())
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "bundle", endpoint="logp", card=card)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        board = client.get("/v1/leaderboards/logp").json()
        champion = client.get("/v1/champions/logp").json()
    assert {row["model"] for row in board["rows"]} == {"naive", "rf"}
    assert board["reason"] == card["decision"]["reason"]
    assert "## Scores" in champion["card_markdown"]
    assert champion["card"] == {"format": 5, "minimum_reader": 1, **card}, "told over HTTP field by field"


def landed(name: str, at: str = "") -> Any:
    """Return what a landed file says, or a part of it."""
    content = json.loads((PROJECT / name).read_bytes())
    return content if not at else content["made"][at]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Scores, landed("scores.json")),
        (Leaderboard, landed("leaderboard.json")),
        (Decision, landed("champion.json")),
        (ModelCard, landed("card.json")),
        (SignatureRecord, landed("ledger_record.json", "record")),
        (Entry, landed("ledger_record.json")),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_was_landed_without_a_version_is_read_and_written_as_it_was(kind: type[Artefact], content: Any) -> None:
    """Every field, to the last digit, also beside fields of a later version; one that needs a newer reader is refused
    by name, and so is a value of another type.
    """

    def read(changed: dict[str, Any]) -> Artefact:
        return read_artefact(kind, json.dumps(changed).encode(), "the file", StoreError)

    got = read(content)
    later = read({**content, "format": 9, "minimum_reader": kind.READER, "hue": {"a": [1]}})

    assert subset(content, got.as_json())
    assert got.format == 1
    assert "format" not in got.as_json()
    assert later.as_json() == {"format": 9, "minimum_reader": kind.READER, **got.as_json()}
    needs = rf"the file: this {kind.NAME} needs a reader of version 9 .*, and this one is of version {kind.READER}"
    with pytest.raises(StoreError, match=needs):
        read({**content, "format": 9, "minimum_reader": 9})
    for name in kind.model_fields.keys() & content.keys():
        with pytest.raises(StoreError, match=rf"the file is not a valid {kind.NAME}: {name}"):
            read({**content, name: True})


def test_a_landed_contest_is_decided_as_it_was(tmp_path: Path) -> None:
    """From the landed leaderboard this version elects whom the landed decision and card name, for the same reason."""
    board = parse_leaderboard((PROJECT / "leaderboard.json").read_bytes(), "leaderboard.json")
    decided = parse_decision((PROJECT / "champion.json").read_bytes(), "champion.json")
    card = parse_card((PROJECT / "card.json").read_bytes(), "card.json")
    elected = decide([candidate(row) for row in board.rows], None, SelectionCriteria(metric=board.metric))

    assert ModelCard(contender=elected.champion).as_json()["contender"] == card.as_json()["contender"]
    assert elected.reason == decided.reason == card.decision.reason
    assert read_scores(PROJECT).cv == board.rows[0].cv == card.scores.cv
    with pytest.raises(StoreError, match="expected the scores of a trained model"):
        read_scores(tmp_path)


@pytest.mark.parametrize("format_", [1, 2])
def test_only_a_card_of_format_1_may_tell_a_thing_in_another_shape(format_: int) -> None:
    """What it states in another shape is left out, and nothing else; a card with a version is read strictly."""
    card = json.loads((PROJECT / "card.json").read_bytes()) | {"awaited": "gp"}
    stated = {} if format_ == 1 else {"format": format_, "minimum_reader": 1}
    content = json.dumps({**card, **stated}).encode()
    if format_ == 1:
        read = parse_card(content, "card.json")
        assert (read.awaited, read.metric, read.endpoint.title) == ((), "rmse", "logp")
    else:
        with pytest.raises(AidrugError, match=r"card\.json is not a valid model card: awaited"):
            parse_card(content, "card.json")


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
def test_a_reader_s_schema_is_frozen_with_its_version(kind: type[Artefact]) -> None:
    """A change of what is read raises `READER` (and `format`) and adds the new schema beside the old one."""
    assert written_out(schema_of(kind)) == written_out(frozen(f"{name_of(kind)}-{kind.READER}"))


def written(folder: Path) -> dict[type[Artefact], bytes]:
    """Write each artefact as this version writes it, with as many parts as it has."""
    store = FolderStore(folder / "store")
    publish(store, folder / "a", value=1.0)
    publish(store, folder / "b", onnx_bias=-1.0, explained=True)
    publish(store, folder / "c", endpoint="bbb", value=0.5, binary=True)
    card = json.loads((PROJECT / "card.json").read_bytes())
    card["record"] |= {"definitions": {"zoo.train": "1"}, "because": {"numpy": "used"}}
    write(folder / "d", value=4.0, card=card | {"awaited": ["gp"], "absent": {"trained_model/logp/svm": "failed"}})
    version = store.put_bundle(folder / "d")
    pointer = store.update_pointer(
        lambda now: now.put_on_trial({"solubility_logs": (version, "split", 0.2)}, by="test").withdraw(
            "bbb", by="test", reason="the assay was wrong"
        )
    )
    snapshot = Snapshot(
        at="2026-01-31T12:00:00+00:00",
        git_sha="0" * 40,
        files={"home/a": File(sha256="0" * 64, bytes=1, content="contents/a")},
        pointer=pointer,
    )
    bundle = store.fetch_bundle("solubility_logs", version)
    record = SignatureRecord.model_validate(card["record"])
    made = Made(
        signature="1", record=record, data_version="1", inputs={"dataset/logp": "2"}, run_id="", git_sha="", at="",
        files={"scores.json": 9},
    )  # fmt: skip
    (folder / "e").mkdir()
    data = TrainingData(np.arange(24.0).reshape(12, 2), np.arange(12.0), np.arange(12) % 4 - 1)
    train_and_score("naive", models.get("naive").Config(), Target(task="regression"), data, folder / "e")
    board = parse_leaderboard((PROJECT / "leaderboard.json").read_bytes(), "leaderboard.json")
    return {
        Manifest: (bundle / "manifest.json").read_bytes(),
        Pointer: pointer.as_bytes(),
        Snapshot: snapshot.model_dump_json().encode(),
        ModelCard: (bundle / "card.json").read_bytes(),
        Scores: (folder / "e" / "scores.json").read_bytes(),
        Leaderboard: Leaderboard(
            endpoint="logp",
            metric="rmse",
            rows=board.rows,
            absent={"trained_model/logp/svm": "failed"},
            awaited=("gp",),
        ).as_bytes(),
        Decision: Decision(version=version, challenger="rf-1", reason="rf has the best rmse").as_bytes(),
        SignatureRecord: record.as_bytes(),
        Entry: Entry(made=made, failure=Failure(signature="1", error="no", run_id="", at="")).as_bytes(),
    }


def test_every_frozen_reader_reads_what_is_written_now_or_is_told_that_it_cannot(tmp_path: Path) -> None:
    """Each reader since versions are stated: its schema accepts the file, or the file's `minimum_reader` is newer."""
    for kind, content in written(tmp_path).items():
        data = json.loads(content)
        for path in (LANDED / "readers").glob(f"{name_of(kind)}-*.json"):
            version = int(path.stem.rpartition("-")[2])
            if "minimum_reader" in frozen(path.stem)["properties"]:  # it is tolerant
                assert data.get("minimum_reader", 1) > version or not faults(path.stem, data), path.stem


def faults(name: str, content: Any) -> list[str]:
    """Say what a frozen reader refuses."""
    import jsonschema  # its formats are a grammar that takes seconds to read: for a run of this file alone

    return [each.message for each in jsonschema.Draft202012Validator(frozen(name)).iter_errors(content)]


def test_the_way_back_is_what_the_strict_reader_reads(tmp_path: Path) -> None:
    """After the upgrade changed the store: the kept pointer, and each bundle that it names, are as it was left."""
    store = FolderStore(shutil.copytree(LANDED / "store", tmp_path / "store"))
    publish(store, tmp_path / "new", value=9.0)
    after = json.loads((store.root / "current.json").read_bytes())
    assert faults("pointer-1", after), "the strict reader refuses it: that is why there must be a way back"

    runbook = (ROOT / "docs" / "operations" / "upgrade-rollback.md").read_text(encoding="utf-8")
    (line,) = (each for each in runbook.splitlines() if each.startswith("cp ") and "format1" in each)
    subprocess.run(["sh", "-euc", line], env={**os.environ, "AIDRUG_HOME": str(tmp_path)}, check=True)

    back = json.loads((store.root / "current.json").read_bytes())
    assert faults("pointer-1", back) == []
    for endpoint, now in back["endpoints"].items():
        for version in (now["version"], *(each["version"] for each in now["history"])):
            folder = store.bundle_folder(endpoint, version)
            manifest = json.loads((folder / "manifest.json").read_bytes())
            assert faults("manifest-2", manifest) == []
            assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
                *manifest["files"],
                "manifest.json",
            }


@pytest.mark.parametrize(
    ("read", "path"),
    [
        (parse_pointer, "store/current.json"),
        (lambda content: parse_manifest(content, "manifest.json"), "first/store/bundles/*/*/manifest.json"),
        (lambda content: parse_manifest(content, "manifest.json"), "store/bundles/bbb/*/manifest.json"),
    ],
)
def test_landed_files_are_read_without_a_change_of_meaning(read: Callable[[bytes], Any], path: str) -> None:
    """What they say is what is read, field by field; what they do not say has the value that it meant."""
    for file in LANDED.glob(path):
        stated, got = json.loads(file.read_bytes()), read(file.read_bytes()).as_json()
        stated.pop("format")
        for name, value in stated.items():
            assert subset(value, got[name]), (file, name)


def subset(stated: Any, got: Any) -> bool:
    """Return whether everything that is stated is read: fields may have been added."""
    if isinstance(stated, dict):
        return all(name in got and subset(value, got[name]) for name, value in stated.items())
    if isinstance(stated, list):
        return len(stated) == len(got) and all(map(subset, stated, got))
    return bool(stated == got)
