"""Materialising some assets in one Dagster run, in this process.

Belongs here: the run itself and what came of each asset.
Does not belong here: which assets, when and in which process (see `runner.py`, `lanes.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ai_drug_assets.planning.catalog import Catalog
from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.planning.order import SKIPPED
from ai_drug_assets.processes import this_process

if TYPE_CHECKING:
    import dagster as dg

    from ai_drug_assets.assets.context import AssetContext
    from ai_drug_assets.tracking import Tracking

JOB = "aidrug_run"

INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")

Watch = Callable[[str, str | None, float], None]
"""Called for each asset that is done, with its key, what went wrong if anything did, and the seconds it took."""


class Maker:
    """Materialises assets of a catalog on an instance."""

    def __init__(self, catalog: Catalog, instance: dg.DagsterInstance, watch: Watch) -> None:
        self._catalog, self._instance, self._watch = catalog, instance, watch
        self._began = time.perf_counter()

    def make(self, keys: Sequence[str]) -> dict[str, str | None]:
        """Materialise these assets in one run; give, by key, what went wrong, or none where nothing did.

        Raises
        ------
        KeyboardInterrupt
            When Ctrl-C came meanwhile: Dagster makes the failure of a step of it.
        """
        from ai_drug_assets import keys as names

        self._began = time.perf_counter()
        made_here = keys[-1] if len(keys) == 1 else f"{keys[-1]} and {len(keys) - 1} more"
        result = self._job(keys).execute_in_process(
            instance=self._instance,
            asset_selection=[names.asset_key(key) for key in keys],
            raise_on_error=False,
            tags={names.RUN_TAG_ASSETS: made_here, names.RUN_TAG_PROCESS: this_process()},
        )
        if _was_interrupted(result):
            raise KeyboardInterrupt
        events = result.get_asset_materialization_events()
        made = {names.catalog_key(event.asset_key) for event in events if event.asset_key}
        ledger = Ledger(self._catalog.settings.home / "ledger")
        outcome: dict[str, str | None] = {}
        for key in keys:
            failure = ledger.read(key).failure
            if failure is not None and failure.signature == self._catalog.nodes[key].signature:
                outcome[key] = failure.error
            else:
                outcome[key] = None if key in made else SKIPPED
        return outcome

    def prepare(self, endpoint: str, model: str) -> None:
        """Featurize the reference drugs as a model of an endpoint will be asked to, so that its bundle need not wait.

        They are kept with all features on disk; half of what the first bundle takes is their descriptors.
        """
        from model_zoo.data.reference_drugs import chembl_drugs

        configs, drugs = self._catalog.configs, chembl_drugs()
        if drugs is not None:
            molecules = drugs.molecules(configs.endpoints[endpoint].curation.standardise)
            self._context.features.joined(configs.model_of(endpoint, model).features, molecules)

    def _job(self, wanted: Sequence[str]) -> dg.JobDefinition:
        """Make a job of these assets alone: of 300 endpoints, assembling all would take longer than making some."""
        import dagster as dg

        from ai_drug_assets import keys as names
        from ai_drug_assets.assets import build_assets
        from ai_drug_assets.assets.run_scope import step_name

        assets = build_assets(self._context, set(map(step_name, wanted)))
        selection = dg.AssetSelection.assets(*map(names.asset_key, wanted))
        # Dagster's own log goes to its event log, for the UI; the terminal gets a line per asset.
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        job = dg.define_asset_job(JOB, selection=selection, config=quiet)
        resources = {"tracking": self._tracking}
        defs = dg.Definitions(assets, jobs=[job], resources=resources, executor=dg.in_process_executor)
        return defs.resolve_job_def(JOB)

    @cached_property
    def _context(self) -> AssetContext:
        """What the assets are made with: the code that was loaded first, whatever the files say by now."""
        from ai_drug_assets.assets.context import AssetContext

        context = AssetContext(self._catalog, self._done)
        _ = context.git_sha
        return context

    @cached_property
    def _tracking(self) -> Tracking:
        from ai_drug_assets.tracking import Tracking

        return Tracking(self._catalog.settings)

    def _done(self, key: str, error: str | None) -> None:
        seconds = time.perf_counter() - self._began
        self._began = time.perf_counter()
        self._watch(key, error, seconds)


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Return whether Ctrl-C ended a step, or the run between two steps."""
    errors = (event.step_failure_data.error for event in result.get_step_failure_events())
    names = {each.cls_name for error in errors if error for each in (error, error.cause, error.context) if each}
    return bool(names.intersection(INTERRUPTS)) or result.dagster_run.status.name in ("CANCELING", "CANCELED")
