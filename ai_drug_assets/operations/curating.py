"""`aidrug curate`: what would become of every row of an endpoint's files; nothing is kept and nothing trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.endpoint_file import read_endpoint
from model_zoo.data.curation import curate
from model_zoo.data.curation_report import curation_report
from model_zoo.data.dataset import Dataset, read_raw
from model_zoo.data.snapshot_change import suspicions
from model_zoo.data.standardised import standardise_all
from model_zoo.errors import DataError
from model_zoo.io.spreadsheets import safe_cell

from ai_drug_assets.planning.ledger import Ledger
from ai_drug_assets.processes import cores
from ai_drug_assets.settings import Settings

Say = Callable[[str], None]


def dry_run(settings: Settings, names: Sequence[str], out: Path | None, say: Say) -> None:
    """Curate endpoints, and tell what became of their rows.

    Parameters
    ----------
    settings, names
        This installation, and the endpoints.
    out
        Where the report of every row goes, as CSV.
    say
        Receives what is told.

    Raises
    ------
    ConfigError, DataError
        For an unknown endpoint, a file that cannot be read, and measurements of which none is usable.
    """
    import pandas as pd

    reports = []
    for name in names:
        endpoint = read_endpoint(settings.configs, name)
        config = endpoint.dataset
        raw = read_raw(config, settings.folder_of(config.source))
        standardise_all(raw, config.curation.standardise, len(cores()))
        table, report = curate(raw, config.curation, task=config.task, source_unit=config.source_unit, unit=config.unit)
        say(f"{name} ({endpoint.unit})")
        say(curation_report(raw, table, report).as_text(endpoint.unit))
        say(f"  since the last snapshot: {_change(settings, endpoint, Dataset(table, report))}")
        reports.append(report.assign(endpoint=name))
    if out is not None:
        whole = pd.concat(reports)
        for column in ("file", "smiles", "value", "reason"):
            whole[column] = whole[column].map(safe_cell)
        whole.to_csv(out, index=False)
        say(f"wrote {out}: every row with what became of it")


def _change(settings: Settings, endpoint: Endpoint, now: Dataset) -> str:
    """Say what changed since the endpoint's last snapshot, which is made anew where its place is gone."""
    from ai_drug_assets.keys import code_version_of  # imports Dagster: seconds, which most calls do without

    key = f"dataset/{endpoint.name}"
    made = Ledger(settings.home / "ledger").read(key).made
    if made is None:
        return "there is none"
    try:
        before = Dataset.load(settings.home / "dataset" / endpoint.name / code_version_of(made.signature))
    except DataError:
        return "its files are gone"
    old, new = ({*each.table["inchikey"]} for each in (before, now))
    told = suspicions(before, now, endpoint.task)
    alike = f"{len(new - old)} molecules are new, {len(old - new)} are gone, {len(new & old)} in both"
    return alike + (f"; it would be held: {'; '.join(told)}" if told else "")
