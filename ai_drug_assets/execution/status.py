"""How everything is: the processes of `aidrug up`, the revision that is loaded, what is stale and what failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from model_zoo.errors import AidrugError
from model_zoo.type_aliases import Json
from serving.telemetry.pipeline_state import read_pipeline_state

from ai_drug_assets.execution.supervisor import read_report
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.planning.plan import make_plan
from ai_drug_assets.processes import alive
from ai_drug_assets.revision import checkout_sha
from ai_drug_assets.settings import Settings


@dataclass(frozen=True)
class Status:
    """What `aidrug status` reports."""

    processes: dict[str, dict[str, Any]]
    """Name, and how it is: `running`, `restarting`, `given up`; empty where no `aidrug up` runs."""
    revision: dict[str, str | None]
    """The checkout's, the one that is loaded, and why that does not load."""
    stale: dict[str, str | None]
    """Each stale asset with why its last attempt failed, if it did."""
    last_made: str | None
    """When an asset was last made, ISO 8601; none before the first."""
    oldest_stale: tuple[str, str] | None
    """The stale asset that was made longest ago, with that time; none where nothing is, or it was never made."""
    looked: tuple[str, str] | None
    """When the automation last looked, ISO 8601, and what it found; none before its first look."""
    faults: tuple[str, ...]
    """What keeps something from being looked at."""

    @property
    def is_well(self) -> bool:
        """Whether all that should run does, and nothing is stale or at fault."""
        running = all(state["state"] == "running" for state in self.processes.values())
        return running and not self.stale and not self.faults and not self.revision.get("error")

    def as_json(self) -> dict[str, Json]:
        """Return it for machines."""
        return {"well": self.is_well, **vars(self)}

    def as_text(self) -> str:
        """Return it for people, what is wrong first."""
        lines = [f"!  {fault}" for fault in self.faults]
        if self.revision.get("error"):
            lines.append(f"!  {self.revision['checkout']} does not load: {self.revision['error']}")
        if not self.processes:
            lines.append("`aidrug up` does not run here")
        for name, state in self.processes.items():
            mark = " " if state["state"] == "running" else "!"
            restarts = f", started again {state['restarts']} times" if state["restarts"] else ""
            lines.append(f"{mark}  {name:12} {state['state']}, {state['memory_mb']} MB{restarts}")
        lines.append(f"   revision     {self.revision['checkout']}, loaded {self.revision['loaded'] or 'nowhere'}")
        lines.append(f"   last made    {self.last_made or 'nothing yet'}")
        if self.looked:
            lines.append(f"   last look    {self.looked[0]}: {self.looked[1]}")
        failed = {key: error for key, error in self.stale.items() if error}
        lines.append(f"{'!' if failed else ' '}  stale        {len(self.stale)}, {len(failed)} of them failed")
        if self.oldest_stale:
            lines.append(f"                {self.oldest_stale[0]} since before {self.oldest_stale[1]}")
        lines += [f"!    {key}: {error.splitlines()[0]}" for key, error in failed.items()]
        return "\n".join(lines)


def status(settings: Settings) -> Status:
    """Collect how everything is. Reads files only, and starts nothing."""
    report = read_report(settings.home)
    runs = bool(report) and alive(report.get("up", "::0"))
    processes = dict(report.get("processes", {})) if runs else {}
    for state in processes.values():
        if state["process"] and not alive(state["process"]):
            state["state"] = "restarting"
    loaded = report.get("revision", {}) if runs else {}
    checkout = checkout_sha(settings.root)[:12]
    revision = {
        "checkout": checkout,
        "loaded": str(loaded.get("loaded", checkout))[:12] if runs else None,
        "error": loaded.get("error"),
    }
    faults: list[str] = []
    if report and not runs:
        faults.append("`aidrug up` was killed and left processes behind: start it again, it ends or replaces them")
    ledger = Ledger(settings.home / "ledger")
    made = {key: entry.made.at for key, entry in ledger.entries().items() if entry.made}
    stale: dict[str, str | None] = {}
    try:
        catalog = load_catalog(settings, keep_rest=True)
        plan = make_plan(catalog, ledger)
    except AidrugError as error:
        faults.append(str(error))
    else:
        faults += dict.fromkeys(catalog.configs.faults.values())
        stale = {item.node.key: item.failure.error if item.failure else None for item in plan.stale}
    ages = sorted((made[key], key) for key in stale if key in made)
    oldest = (ages[0][1], ages[0][0]) if ages else None
    pipeline = read_pipeline_state(settings.home / "service")
    looked = None
    if pipeline.automation is not None and pipeline.looked is not None:
        at = datetime.fromtimestamp(pipeline.looked, UTC).isoformat(timespec="seconds")
        looked = (at, pipeline.automation.told)
        if "daemon" in processes and pipeline.is_silent:
            faults.append(
                f"the automation has not looked since {at}: the ticks of its sensor in the Dagster UI, or "
                f"{settings.home / 'logs' / 'daemon.log'}, say why"
            )
    return Status(processes, revision, stale, max(made.values(), default=None), oldest, looked, tuple(faults))
