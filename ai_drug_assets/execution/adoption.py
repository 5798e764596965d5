"""The command `aidrug adopt`: what was made under the former rule of signatures is fresh under the rule in force.

A record is rewritten only where the former rule, on the sources of the commit that the record names, gives that record
again: then its code, configuration, data and libraries are known, and the rule in force says what they are under it.
No prediction is compared. Datasets, features and trained models are adopted; leaderboards, champions and the service
are judged anew by the next run, which trains nothing and takes seconds, because what they wrote names signatures.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_zoo.benchmark import runner
from model_zoo.benchmark.boards import competitors
from model_zoo.benchmark.candidates import Snapshot
from model_zoo.benchmark.results import entry_of, store_entry
from model_zoo.errors import AidrugError
from model_zoo.provenance import signature
from model_zoo.provenance.former_signatures import by_files, is_former
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.provenance.source_modules import read_module

from ai_drug_assets.planning.catalog import MODELS, Node, load_catalog
from ai_drug_assets.planning.ledger import Entry, Former, Ledger, Made
from ai_drug_assets.planning.ledger_copy import open_ledger
from ai_drug_assets.planning.remains import files_in
from ai_drug_assets.planning.selection import MADE
from ai_drug_assets.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from ai_drug_assets.tracking import Tracking

PINNED = "constraints.txt"
ADOPTED = MADE
MOVED: Mapping[str, str] = {
    "model_zoo/training/fit.py": "e71769358f7548720a785a9eeab17b92323679211190baa537c6c996899f4980",
    "model_zoo/features/rows.py": "e5058a44d674fbbf95d58357e5fa3667a18bb7780787b95095a16fdc5c42a778",
}
"""Modules into which decisions moved out of the assets when definitions began to be signed, each with a digest of its
definitions as they were then, and the module that scores what these publish. While they are so, they stand for what the
assets of earlier commits did."""
FORMER_TEXTS: Mapping[str, str] = {
    "model_zoo/fitting.py": "b8bfd046b0199910f18c9dc20f23022084e20ba0",
    "model_zoo/feature_rows.py": "b765f5cb2ff387d6ff54eb3e8d40e2fe030c90a1",
    "model_zoo/snapshot_molecules.py": "71a4404cc1b5d8912f8e3ba06a0a9a1af737a2a7",
}
"""The same as they stood before the core was divided into packages, as Git knows their content: sources of that time
refer to modules by the names of that time."""

Say = Callable[[str], None]


class AdoptionError(AidrugError):
    """Nothing can be taken over."""


def adopt_home(settings: Settings, say: Say, instance: DagsterInstance | None = None) -> dict[str, str]:
    """Adopt what lies in this installation's home.

    Parameters
    ----------
    settings
        This installation.
    say
        Receives a line per asset.
    instance
        Dagster's; that of the home when none is given.

    Returns
    -------
    dict
        Why not, by asset, for what was made under the former rule and is not adopted.

    Raises
    ------
    AdoptionError
        When a procedure that stands for an earlier one has changed since.
    """
    from dagster import DagsterInstance

    from ai_drug_assets.execution.instance import prepare_instance
    from ai_drug_assets.tracking import Tracking

    ledger = open_ledger(settings)
    former = {
        key: entry
        for key, entry in ledger.entries().items()
        if entry.made and is_former(entry.made.record.code) and key.partition("/")[0] in ADOPTED
    }
    refused: dict[str, str] = {}
    if not former:
        say("nothing was made under the former rule of signatures")
        return refused
    prepare_instance(settings)
    tracking = Tracking(settings)
    with nullcontext(instance) if instance else DagsterInstance.get() as known:
        for sha in sorted({entry.made.git_sha for entry in former.values() if entry.made}):
            mine = {key: entry for key, entry in former.items() if entry.made and entry.made.git_sha == sha}
            refused |= _adopt_commit(settings, sha, mine, _Home(settings, ledger, tracking, known), say)
    say(f"{len(former) - len(refused)} adopted, {len(refused)} not")
    return refused


def adopt_results(settings: Settings, folder: str, commit: str, say: Say) -> list[str]:
    """Adopt the committed results of a benchmark; give the entries that stay as they were.

    Parameters
    ----------
    settings
        This installation.
    folder
        The benchmark's folder.
    commit
        Whose code they were computed with.
    say
        Receives a line per entry.

    Raises
    ------
    AdoptionError
        When the commit is unknown, or a procedure that stands for an earlier one has changed since.
    """
    from ai_drug_assets.operations.benchmarks import jobs

    left = []
    with sources_of(commit, settings.root) as root:
        for job, endpoint in jobs(settings, folder):
            for board in job.boards:
                entry = entry_of(job.out, endpoint.name, board)
                if not entry:
                    continue
                snapshot = Snapshot(endpoint, job.folder, job.features)
                marks = _marks(replace(job, code_root=root), snapshot, board, entry)
                known = [entry["signature"], entry["official"]["signature"]]
                known += [item["signature"] for item in entry["candidates"]]
                if all(mark in marks for mark in known):
                    store_entry(job.out, _renamed(entry, marks))
                    say(f"{endpoint.name} ({board}): adopted")
                else:
                    left.append(f"{endpoint.name} ({board})")
                    say(f"{endpoint.name} ({board}): not equal to that of {commit}, stays as it is")
    return left


@contextmanager
def sources_of(commit: str, checkout: Path) -> Iterator[Path]:
    """Yield a temporary folder with the signed sources of a commit, and the moved procedures where it lacks them.

    Raises
    ------
    AdoptionError
        When the commit is not in the checkout's repository, or a moved procedure has changed since.
    """
    for name, wanted in MOVED.items():
        if (found := _digest_of(checkout / name, name)) != wanted:
            raise AdoptionError(
                f"{name}: expected the definitions {wanted[:12]}, which do what assets did before, got "
                f"{found[:12]}. Adopt with the version in which they are so, then update."
            )
    done = _git(checkout, "archive", "--format=tar", commit, "model_zoo")
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip()
        raise AdoptionError(f"expected the sources of the commit {commit} in this repository: {why}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(root, filter="data")
        for moved, blob in FORMER_TEXTS.items():
            if not (root / moved).exists() and not (root / "model_zoo" / "provenance").exists():
                (root / moved).write_bytes(_text(checkout, moved, blob))
        (root / PINNED).write_bytes(_git(checkout, "show", f"{commit}:{PINNED}").stdout)
        yield root


class _Home:
    """Where an adopted asset is known: its folder, the ledger, MLflow and Dagster."""

    def __init__(self, settings: Settings, ledger: Ledger, tracking: Tracking, instance: DagsterInstance) -> None:
        self.settings, self.ledger, self.tracking, self.instance = settings, ledger, tracking, instance

    def rename(self, before: Node, after: Node, made: Made) -> None:
        """Move an asset from one signature to the other, the ledger last: interrupted, it is adopted again.

        One whose files are gone stays in the ledger as it was: the next run fetches it from MLflow, or makes it.
        """
        from ai_drug_assets import keys

        parent = self.settings.home / before.kind / (before.endpoint or before.group or "") / (before.name or "")
        old, new = parent / keys.code_version(before), parent / keys.code_version(after)
        if old.exists() and not new.exists():
            old.rename(new)
        if before.kind in MODELS and (run := self.tracking.find_finished(before.signature)):
            self.tracking.adopt(run, before.signature, after.signature, after.record)
        if before.kind in ADOPTED and not new.exists():
            return
        self._tell_dagster(after)
        former = Former(signature=made.signature, record=made.record)
        update = {"signature": after.signature, "record": after.record, "files": files_in(new), "former": former}
        self.ledger.record_made(after.key, made.model_copy(update=update))

    def _tell_dagster(self, node: Node) -> None:
        import dagster as dg

        from ai_drug_assets import keys

        key = keys.asset_key(node.key)
        event = self.instance.get_latest_materialization_event(key)
        if event is None or event.asset_materialization is None:
            return
        tags = {**(event.asset_materialization.tags or {}), "dagster/code_version": keys.code_version(node)}
        metadata: dict[str, dg.MetadataValue[Any]] = {**event.asset_materialization.metadata}
        metadata |= {"signature": dg.MetadataValue.text(node.signature), "adopted": dg.MetadataValue.bool(True)}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata, tags=tags))


def _adopt_commit(settings: Settings, sha: str, entries: Mapping[str, Entry], home: _Home, say: Say) -> dict[str, str]:
    try:
        with sources_of(sha, settings.root) as root:
            there = replace(settings, code_root=root)
            before, after = load_catalog(there, by_files, judging=False).nodes, load_catalog(there, judging=False).nodes
            pinned = (root / PINNED).read_text(encoding="utf-8")
    except AdoptionError as error:
        if not str(error).startswith("expected the sources"):
            raise
        say(str(error))
        return dict.fromkeys(entries, str(error))
    refused = {}
    for key, entry in entries.items():
        assert entry.made is not None
        why = _why_not(key, entry.made, before, after, pinned)
        if why:
            refused[key] = why
        else:
            home.rename(before[key], after[key], entry.made)
        say(f"{key}: {why or 'adopted'}")
    return refused


def _why_not(key: str, made: Made, before: Mapping[str, Node], after: Mapping[str, Node], pinned: str) -> str:
    if key not in before:
        return "there is no such asset any more"
    if before[key].signature != made.signature:
        names = ", ".join(
            f"{reason.kind} {reason.what}" for reason in signature.part_differences(made.record, before[key].record)[:3]
        )
        return f"its record is not that of its commit and of the present configuration, data and libraries: {names}"
    for name, version in _added(made.record, after[key].record).items():
        found = re.search(rf"^{re.escape(name)}==(\S+)", pinned, re.MULTILINE | re.IGNORECASE)
        if found and found[1] != version:
            return f"library {name} was {found[1]} then and is {version} now"
    return ""


def _added(before: SignatureRecord, after: SignatureRecord) -> dict[str, str]:
    return {name: version for name, version in after.library.items() if name not in before.library}


def _marks(job: runner.Job, snapshot: Snapshot, board: str, entry: Mapping[str, object]) -> dict[str, str]:
    """Return the signatures of everything in an entry under the rule in force, by those under the former rule."""
    found = []
    for rule in (by_files, job.rule):
        one = replace(job, rule=rule)
        contest = runner.benchmark_run_of(one, snapshot, competitors(job.models, board))
        compared, protocol, stamp = runner.stamps(one, contest)
        final = runner.final_stamp(protocol, compared, contest.signatures[str(entry["champion"])])
        found.append([stamp, final, *contest.signatures.values()])
    return dict(zip(*found, strict=True))


def _renamed(entry: Mapping[str, object], marks: Mapping[str, str]) -> dict[str, object]:
    def walk(value: object) -> object:
        if isinstance(value, dict):
            return {
                name: marks[inner] if name == "signature" and inner in marks else walk(inner)
                for name, inner in value.items()
            }
        return [walk(inner) for inner in value] if isinstance(value, list) else value

    return {name: marks[str(value)] if name == "signature" else walk(value) for name, value in entry.items()}


def _digest_of(path: Path, name: str) -> str:
    """Digest a module's own definitions; what they refer to counts by name."""
    module = read_module(name.removesuffix(".py").replace("/", "."), name, path.read_bytes())
    parts = [(piece.names, module.form(number).parts) for number, piece in enumerate(module.pieces)]
    return hashlib.sha256(repr((parts, sorted(module.imports.items()))).encode()).hexdigest()


def _text(checkout: Path, name: str, blob: str) -> bytes:
    """Return the content that Git knows by a name."""
    done = _git(checkout, "cat-file", "blob", blob)
    if done.returncode:
        raise AdoptionError(f"{name}: expected its content {blob[:12]} in this repository: fetch its whole history")
    return done.stdout


def _git(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, check=False)
