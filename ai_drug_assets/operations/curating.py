"""`aidrug curate`: what would become of every row of an endpoint's files; nothing is kept and nothing trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.endpoint_file import read_endpoint
from model_zoo.data.assays.names_of_columns import unit_in
from model_zoo.data.curation import curate
from model_zoo.data.curation_report import curation_report
from model_zoo.data.dataset import Dataset, read_raw
from model_zoo.data.snapshot_change import suspicions
from model_zoo.data.standardised import standardise_all
from model_zoo.data.units import is_unit, unit_name
from model_zoo.errors import DataError
from model_zoo.io.files import draft_of
from model_zoo.io.spreadsheets import safe_cell
from serving.machine import processors

from ai_drug_assets.operations.predictions import require_another
from ai_drug_assets.planning.ledger import Ledger, code_version_of
from ai_drug_assets.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

WORTH_PROCESSES = 500
"""Rows of several endpoints that are worth starting processes for."""
Say = Callable[[str], None]
T = TypeVar("T")
R = TypeVar("R")


class _Curated(NamedTuple):
    """What is reported of an endpoint, and what became of each of its rows; or why neither is known."""

    summary: str
    report: pd.DataFrame | None


def dry_run(settings: Settings, names: Sequence[str], out: Path | None, say: Say) -> None:
    """Curate endpoints, and report what became of their rows.

    Raises
    ------
    AidrugError
        For an unknown endpoint, and where `out` is a file that is read.
    DataError
        For files that cannot be read, and measurements of which none is usable, after all others are reported.
    """
    import pandas as pd

    endpoints = [read_endpoint(settings.configs, name) for name in dict.fromkeys(names)]
    for endpoint in endpoints:
        for path in _files(settings, endpoint):
            require_another(path, out)
    raws = [_raw(settings, endpoint) for endpoint in endpoints]
    for endpoint, raw in zip(endpoints, raws, strict=True):
        if not isinstance(raw, str):
            standardise_all(raw, endpoint.curation.standardise, processors())
    rows = sum(len(raw) for raw in raws if not isinstance(raw, str)) if len(raws) > 1 else 0
    reports, faults = [], []
    for endpoint, made in zip(
        endpoints, _on_all_cores(partial(_curated, settings), zip(endpoints, raws, strict=True), rows), strict=True
    ):
        say(made.summary)
        if made.report is None:
            faults.append(made.summary)
        else:
            reports.append(made.report.assign(endpoint=endpoint.name))
    if out is not None and reports:
        whole = pd.concat(reports)
        for column in ("file", "smiles", "value", "reason"):
            whole[column] = whole[column].map(safe_cell)
        with draft_of(out) as stream:
            # With other ends of lines, a carriage return in a name would begin a row.
            whole.to_csv(stream, mode="wb", index=False, lineterminator="\r\n")
        say(f"wrote {out}: every row with what became of it")
    if faults:
        raise DataError("; ".join(faults))


def _files(settings: Settings, endpoint: Endpoint) -> list[Path]:
    """Return an endpoint's files as far as their places are known."""
    with suppress(DataError):
        return list(endpoint.source.paths(settings.folder_of(endpoint.source)).values())
    return []


def _raw(settings: Settings, endpoint: Endpoint) -> pd.DataFrame | str:
    try:
        return read_raw(endpoint.dataset, settings.folder_of(endpoint.source))
    except DataError as error:
        return str(error)
    except UnicodeError as error:  # utf-16 without its mark
        return f"the text of its files is not in the encoding that its YAML states: {error}"


def _curated(settings: Settings, given: tuple[Endpoint, pd.DataFrame | str]) -> _Curated:
    endpoint, raw = given
    if isinstance(raw, str):
        return _Curated(f"{endpoint.name}: {raw}", None)
    config = endpoint.dataset
    try:
        table, report = curate(raw, config.curation, task=config.task, source_unit=config.source_unit, unit=config.unit)
    except DataError as error:
        return _Curated(f"{endpoint.name}: {error}", None)
    lines = [
        f"{endpoint.name} ({endpoint.unit})",
        *_contradictions(endpoint),
        curation_report(raw, table, report).as_text(endpoint.unit),
        f"  since the last snapshot: {_change(settings, endpoint, Dataset(table, report))}",
    ]
    return _Curated("\n".join(lines), report)


def _contradictions(endpoint: Endpoint) -> list[str]:
    """Say where a column's name says another unit than the YAML does: nobody but its author knows which is right."""
    warnings = []
    for file, layout in getattr(endpoint.source, "layouts", {}).items():
        heading, stated = unit_in(layout.value_column)[0], unit_name(layout.unit or endpoint.dataset.source_unit)
        if layout.unit_column is None and is_unit(heading) and is_unit(stated) and heading != stated:
            warnings.append(f"  WARNING   {file}: {layout.value_column!r} is called {heading}, and read as {stated}")
    return warnings


def _on_all_cores(work: Callable[[T], R], given: Iterable[T], size: int) -> Iterator[R]:
    """Do work of a size, in order, in several processes where that pays; they know what this one knows.

    If one of them is killed, that is an error; a `Pool` would wait for it for ever.

    Raises
    ------
    DataError
        When a process was killed.
    """
    if size < WORTH_PROCESSES:
        yield from map(work, given)
        return
    try:
        with ProcessPoolExecutor(processors(), mp_context=get_context("fork")) as pool:
            yield from pool.map(work, given)
    except BrokenExecutor as error:
        raise DataError(
            "a process that curated was killed, as happens when memory runs out: curate fewer endpoints at once"
        ) from error


def _change(settings: Settings, endpoint: Endpoint, now: Dataset) -> str:
    """Say what changed since the endpoint's last snapshot, which is made again where its place is gone."""
    key = f"dataset/{endpoint.name}"
    made = Ledger(settings.home / "ledger").read(key).made
    if made is None:
        return "there is none"
    try:
        before = Dataset.load(settings.home / "dataset" / endpoint.name / code_version_of(made.signature))
    except DataError:
        return "its files are gone"
    old, new = ({*each.table["inchikey"]} for each in (before, now))
    suspected = suspicions(before, now, endpoint.task)
    alike = f"{len(new - old)} molecules are new, {len(old - new)} are gone, {len(new & old)} in both"
    return alike + (f"; it would be held: {'; '.join(suspected)}" if suspected else "")
