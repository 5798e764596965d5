"""What every asset needs while it is made: catalog, ledger, folders, and the book-keeping around the making.

Belongs here: the steps that are the same for every asset: refuse stale upstream, notice code that changed under a
running process, write the ledger, keep results under their signature.
Does not belong here: what one kind of asset does (see `assets/`).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG
from model_zoo.bundles.store import Store
from model_zoo.errors import AidrugError
from model_zoo.features.cache import FeatureCache
from model_zoo.io.files import atomic_write
from serving.machine import processors

from ai_drug_assets import keys
from ai_drug_assets.interrupts import honoured
from ai_drug_assets.planning.awaited import AWAITED, awaited
from ai_drug_assets.planning.catalog import Catalog, Node, current_signature
from ai_drug_assets.planning.ledger import Entry, Failure, Ledger, Made, now
from ai_drug_assets.planning.ledger_copy import open_ledger
from ai_drug_assets.planning.remains import files_in, missing, place_of
from ai_drug_assets.planning.scratch import scratch_prefix
from ai_drug_assets.planning.transient_failures import is_passing
from ai_drug_assets.processes import end_when, end_with_parent, one_at_a_time, this_process
from ai_drug_assets.revision import checkout_sha
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.bundles import open_bundle_store


class UpstreamNotReadyError(AidrugError):
    """An asset was asked for before what it is made from."""

    passing = True
    superseded = True


class HeldError(AidrugError):
    """An asset waits for the file of an endpoint that it learns from to be corrected."""

    passing = True


class CodeChangedError(AidrugError):
    """Files changed after this process loaded them: what it makes cannot be labelled."""

    passing = True
    superseded = True


@dataclass
class Outcome:
    """What the body of an asset found out."""

    data_version: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    checks: list[dg.AssetCheckResult] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class AssetContext:
    """The place where assets are made."""

    catalog: Catalog
    """What there is to make."""
    watch: Callable[[str, str | None], None] = lambda key, error: None
    """Called for each asset that is done, with its key, and what went wrong if anything did."""
    _runs: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Sign the featurizers while their code is what was loaded."""
        _ = self.features

    @cached_property
    def features(self) -> FeatureCache:
        """Features on disk, shared by all endpoints and with the benchmark."""
        return FeatureCache(self.settings.feature_folder, self.settings.code_root, processes=processors())

    @property
    def settings(self) -> Settings:
        """The settings of this installation."""
        return self.catalog.settings

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of this installation."""
        return open_ledger(self.settings)

    @cached_property
    def git_sha(self) -> str:
        """The revision whose code is loaded: read once, when it is."""
        return checkout_sha(self.settings.root)

    @cached_property
    def store(self) -> Store:
        """The bundle store."""
        return open_bundle_store(self.settings)

    def place(self, node: Node) -> Path:
        """Return where an asset's files are: named by its signature, so that nothing is ever overwritten."""
        return place_of(self.settings.home, node)

    def keep(self, node: Node, folder: Path) -> Path:
        """Move a finished folder to the asset's place in one step; what another process put there first stays.

        What is there and has lost files makes room.

        Raises
        ------
        CodeChangedError
            When the files are no longer those that the place is named after.
        """
        self.require_unchanged(node)
        place = self.place(node)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not self.is_whole(node) or not files_in(folder).keys() <= files_in(place).keys():
            self.clear(node)
        if not place.exists():
            try:
                folder.rename(place)
            except OSError:
                if not place.exists():
                    raise
        return place

    def keep_file(self, node: Node, name: str, content: bytes) -> None:
        """Write one small file at the asset's place, replacing an earlier one.

        A judgement may be passed again on the same signatures, when a model that was absent has arrived.
        """
        atomic_write(self.place(node) / name, content)

    @contextmanager
    def scratch(self, node: Node) -> Iterator[Path]:
        """Yield an empty folder on the same disk as the asset's place, removed afterwards."""
        with tempfile.TemporaryDirectory(
            prefix=scratch_prefix(node.kind), dir=self.settings.folder("scratch")
        ) as folder:
            work = Path(folder) / "work"
            work.mkdir()
            yield work

    @contextmanager
    def only_one(self, node: Node) -> Iterator[None]:
        """Hold a lock per signature that dies with its process: the same thing is never made twice at once."""
        with one_at_a_time(self.settings.folder("locks") / node.signature):
            yield

    def made(self, node: Node) -> Made | None:
        """Return how an asset was made; none when it is missing or outdated, or what it left is gone."""
        made = self.ledger.made_under(node.key, node.signature)
        return None if made is None or missing(self.place(node), made.files) else made

    def is_whole(self, node: Node) -> bool:
        """Return whether an asset's place holds all that the ledger lists for its signature, if it lists anything."""
        made = self.ledger.made_under(node.key, node.signature)
        return made is None or not missing(self.place(node), made.files)

    def clear(self, node: Node) -> None:
        """Remove an asset's files, so that they can be made or fetched again."""
        if self.place(node).exists():
            with self.scratch(node) as work:
                self.place(node).rename(work / "cleared")

    def upstream(self, node: Node, kind: str) -> list[tuple[Node, Made]]:
        """Return the upstream assets of a kind that are made as the catalog wants them, in order."""
        found = []
        for key in node.deps:
            dep = self.catalog.nodes[key]
            if dep.kind == kind and (made := self.made(dep)) is not None:
                found.append((dep, made))
        return found

    def require_upstream(self, node: Node) -> None:
        """Refuse to make an asset from missing or outdated parts."""
        for key in node.deps:
            made, dep = self.ledger.read(key).made, self.catalog.nodes[key]
            if made is None or made.signature != dep.signature or missing(self.place(dep), made.files):
                lost = made is not None and made.signature == dep.signature
                state = "was never made" if made is None else "has lost its files" if lost else "is outdated"
                raise UpstreamNotReadyError(f"{node.key} needs {key}, which {state}. Materialise it first.")

    def require_unchanged(self, node: Node) -> None:
        """Refuse to label what was made when code, configuration or data changed since this process loaded them."""
        if current_signature(self.catalog, node.key) != node.signature:
            raise CodeChangedError(
                f"{node.key}: files changed after this process loaded them. Reload the code location and "
                "materialise again."
            )

    @contextmanager
    def making(self, context: dg.AssetExecutionContext, node: Node) -> Iterator[Outcome]:
        """Wrap the body of an asset: notice changed code, write the ledger whichever way it ends.

        A fault of the user's becomes a Dagster failure with its one clear message.
        """
        outcome = Outcome()
        self._belong_to_run(context)
        try:
            if node.key in self.catalog.held:
                raise HeldError(f"{node.key} waits: {self.catalog.held[node.key]}")
            inputs = self._inputs(node)  # before the body reads them: one made again meanwhile must show as newer
            with honoured():
                yield outcome
            self.require_unchanged(node)
            failed = [check.check_name for check in outcome.checks if not check.passed and _blocks(check)]
            if failed:
                self._failed(node, context, f"blocking check failed: {', '.join(map(str, failed))}")
        except AidrugError as error:
            self._failed(node, context, str(error), passing=is_passing(error))
            if getattr(error, "superseded", False):
                _supersede(context, error)
            raise dg.Failure(description=str(error), allow_retries=False) from error
        except Exception as error:
            self._failed(node, context, f"{type(error).__name__}: {error}", passing=is_passing(error))
            raise
        if not failed:
            self.ledger.record_made(node.key, self._made(node, context, outcome.data_version, inputs))
            self.watch(node.key, None)

    def result(self, node: Node, outcome: Outcome) -> dg.MaterializeResult[object]:
        """Return what the asset returns to Dagster, the whole record in its metadata."""
        return dg.MaterializeResult(
            asset_key=keys.asset_key(node.key),
            data_version=dg.DataVersion(outcome.data_version),
            metadata={
                **outcome.metadata,
                "signature": node.signature,
                "record": dg.MetadataValue.json(node.record.as_json()),
                "git_sha": self.git_sha,
                "work_s": round(time.perf_counter() - outcome.began, 3),
            },
            check_results=outcome.checks,
        )

    def _belong_to_run(self, context: dg.AssetExecutionContext) -> None:
        """Say which process a run works in, so that its death is noticed whatever the clock does; end with the run.

        Where a step has a process of its own, that one ends when the run's does: nobody would take what it makes.
        """
        if context.job_def.executor_def.name == dg.multiprocess_executor.name:
            end_with_parent()
        elif context.run.run_id not in self._runs and keys.RUN_TAG_PROCESS not in context.run.tags:
            context.instance.add_run_tags(context.run.run_id, {keys.RUN_TAG_PROCESS: this_process()})
            self._runs.add(context.run.run_id)
            if GRPC_INFO_TAG in context.run.tags:  # launched by the code server, in a process of its own
                instance, run_id = context.instance, context.run.run_id
                end_when(lambda: (run := instance.get_run_by_id(run_id)) is not None and run.is_finished)

    def _inputs(self, node: Node) -> dict[str, str]:
        """Return the data versions of what an asset is made from, by key, as the ledger has them now."""
        entries: Mapping[str, Entry] = {key: self.ledger.read(key) for key in node.deps}
        made = {key: entry.made.data_version for key, entry in entries.items() if entry.made}
        return made | dict.fromkeys(self.awaited(node), AWAITED)

    def awaited(self, node: Node) -> list[str]:
        """Return the keys of the models that a leaderboard still waits for."""
        return awaited(node, self.catalog, self.ledger.read)

    def _made(self, node: Node, context: dg.AssetExecutionContext, data_version: str, inputs: dict[str, str]) -> Made:
        return Made(
            signature=node.signature,
            record=node.record,
            data_version=data_version,
            inputs=inputs,
            run_id=context.run.run_id,
            git_sha=self.git_sha,
            at=now(),
            files=files_in(self.place(node)),
        )

    def _failed(self, node: Node, context: dg.AssetExecutionContext, error: str, *, passing: bool = False) -> None:
        failure = Failure(signature=node.signature, error=error, run_id=context.run.run_id, at=now(), passing=passing)
        self.ledger.record_failure(node.key, failure)
        self.watch(node.key, error)


def _supersede(context: dg.AssetExecutionContext, error: AidrugError) -> None:
    """Let a run of the automation that its files outran end as cancelled: what it left unmade is asked for again.

    It was no failure of anybody's. A run that a person asked for fails, so that they see why.
    """
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and keys.RUN_TAG_RETRAINING in run.tags and not run.is_finished:
        context.instance.report_run_canceling(run, f"Superseded: {error}")


def _blocks(check: dg.AssetCheckResult) -> bool:
    return check.severity == dg.AssetCheckSeverity.ERROR
