"""Predictions through the running service, from the command line."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from model_zoo.data.tables.form import ENDINGS
from model_zoo.data.tables.text import is_workbook
from model_zoo.errors import AidrugError
from model_zoo.type_aliases import Json
from serving.client import RESULT_FORMATS, Client, NotReachableError, ServiceError
from serving.client.answers import Job, Prediction

FILES = {*ENDINGS, "txt", "xlsx", "xls", "parquet", "gz", "zip"}
"""How names of files of molecules end, as no SMILES does."""
FOREIGN = ("unknown", "unreadable-answer")
"""Codes of answers that the service does not give."""
UNAUTHORIZED = 401
LOST = 0.005
"""What two decimals write as zero."""
SMALL = 0.1
"""Where no value is as large as this, two decimals would show next to nothing."""


class JobEndedError(AidrugError):
    """A job was cancelled or failed."""


def predict_smiles(
    url: str, smiles: Sequence[str], endpoints: Sequence[str] | None = None, include: Sequence[str] = ()
) -> list[Prediction]:
    """Predict a few molecules.

    Raises
    ------
    AidrugError
        When nothing answers, or the service refuses; with its own explanation.
    """
    with advised(url) as client:
        return client.predict(smiles, endpoints, include)


def is_file(text: str) -> bool:
    """Return whether a word names a file; a SMILES may be longer than any name that a system allows.

    Examples
    --------
    >>> is_file("C" * 5000), is_file(__file__)
    (False, True)
    """
    return os.path.isfile(text)  # noqa: PTH113  `Path.is_file` raises for names that are too long


def require_smiles(what: Sequence[str]) -> None:
    """Refuse files where molecules are expected.

    Raises
    ------
    AidrugError
        When one of them is a file, beside others, or is named like one; or a folder, or `-`.

    Examples
    --------
    >>> require_smiles(["CCO", "c1ccccc1"])
    >>> require_smiles(["CCO", "hits.csv"])
    Traceback (most recent call last):
    model_zoo.errors.AidrugError: expected SMILES or one FILE, got 'hits.csv', and there is no such file
    """
    for text in what:
        if is_file(text):
            raise AidrugError(f"expected SMILES or one FILE, got the file {text!r} and more: predict each by itself")
        if text == "-":
            raise AidrugError("expected SMILES or one FILE, got '-': write what comes from a pipe to a file first")
        if os.path.isdir(text):  # noqa: PTH112  as above
            raise AidrugError(f"expected SMILES or one FILE, got {text!r}, which is a folder")
        if "." in text and text.rpartition(".")[2].lower() in FILES:
            raise AidrugError(f"expected SMILES or one FILE, got {text!r}, and there is no such file")


def predict_file(
    url: str,
    path: Path,
    out: Path | None,
    *,
    column: str | None = None,
    sheet: str | None = None,
    endpoints: Sequence[str] | None = None,
    include: Sequence[str] = (),
    stdout_format: str = "csv",
) -> Job:
    """Predict a file as a job: follow it on stderr, write the result to `out` or stdout. Ctrl-C cancels it.

    Raises
    ------
    AidrugError
        When nothing answers, the service refuses, or the job fails.
    """
    if out is not None and out.suffix.lower() not in RESULT_FORMATS:
        raise AidrugError(f"--out: expected a file that ends with one of {', '.join(RESULT_FORMATS)}, got {out.name!r}")
    require_another(path, out)
    require_workbook(path, sheet)
    with advised(url) as client:
        job = finished_job(client, path, column=column, sheet=sheet, endpoints=endpoints, include=include)
        if out is not None:
            client.download(job, out)
        else:
            client.copy_result(job, sys.stdout.buffer, stdout_format)
            sys.stdout.buffer.flush()
    return job


def require_another(path: Path, out: Path | None) -> None:
    """Refuse to write a result over the file that it is made of.

    Raises
    ------
    AidrugError
        When both are one file.
    """
    if out is not None and out.exists() and path.exists() and out.samefile(path):
        raise AidrugError(f"--out: expected another file than {path}, which is read and would be replaced")


def finished_job(
    client: Client,
    path: Path,
    *,
    column: str | None = None,
    sheet: str | None = None,
    endpoints: Sequence[str] | None = None,
    include: Sequence[str] = (),
) -> Job:
    """Predict a file as a job, and follow it on stderr to its end. Ctrl-C cancels it.

    Raises
    ------
    JobEndedError
        When it was cancelled or failed.
    """
    job = client.submit_file(path, column=column, sheet=sheet, endpoints=endpoints, include=include)
    try:
        job = client.wait(job, _progress(sys.stderr.write, terminal=sys.stderr.isatty()))
    except KeyboardInterrupt:
        client.cancel(job)
        raise JobEndedError("cancelled; nothing is kept") from None
    if job.status != "done":
        raise JobEndedError(job.error.detail if job.error else f"the job was {job.status}")
    return job


@contextmanager
def advised(url: str) -> Iterator[Client]:
    """Yield a client; where it is not answered, or not by the service, or refused, say what to do.

    Raises
    ------
    AidrugError
        When nothing answers, or the service refuses; with its own explanation.
    """
    try:
        client = Client(url)
    except ValueError as error:
        raise AidrugError(f"AIDRUG_SERVICE_URL or AIDRUG_API_KEY: {error}") from None
    try:
        yield client
    except NotReachableError as error:
        raise AidrugError(
            f"{error}. Start it with `make run`, or set AIDRUG_SERVICE_URL or AIDRUG_SERVICE_PORT."
        ) from error
    except ServiceError as error:
        if error.code in FOREIGN:
            raise AidrugError(
                f"{error}. Another program may answer at {url}: set AIDRUG_SERVICE_URL or AIDRUG_SERVICE_PORT."
            ) from error
        if error.status == UNAUTHORIZED:
            raise AidrugError(f"{error}. Set AIDRUG_API_KEY to a key of this service.") from error
        raise


def require_workbook(path: Path, sheet: str | None) -> None:
    """Refuse a sheet of what is no workbook, which would be read as if nothing were said.

    Raises
    ------
    AidrugError
        When a sheet is named, and the file is another kind of file.
    """
    if sheet is not None and not is_workbook(path):
        raise AidrugError(f"--sheet: expected an Excel workbook (.xlsx), got {path}, which is none")


def as_text(predictions: Sequence[Prediction]) -> str:
    """Format predictions for people: a block per molecule, a line per endpoint."""
    lines = []
    for item in predictions:
        lines.append(item.smiles)
        if item.error is not None:
            lines.append(f"  {item.error.code}: {item.error.detail}")
        for name, estimate in item.endpoints.items():
            amount, unit, interval = estimate.value, estimate.unit, estimate.interval
            if estimate.display_value is not None and estimate.display_unit is not None:
                low, high = estimate.display_interval or (None, None)
                interval = None if low is None or high is None else (low, high)
                amount, unit = estimate.display_value, estimate.display_unit
            value, *shown = _numbers(amount, *(interval or ()))
            word = "perhaps" if estimate.reliability and estimate.usual_error is None else "about 90 % interval"
            span = f"  {word} {' to '.join(shown)}" if shown else ""
            if estimate.no_interval:
                span = f"  {estimate.no_interval}"
            trust = f"  {estimate.reliability} reliability" if estimate.reliability else ""
            lines.append(f"  {name:<24} {value:>8} {unit:<12} {estimate.champion}{span}{trust}")
        lines += [f"  {name:<24} no value: {fault.detail}" for name, fault in item.failed.items()]
        lines += [f"  note: {note.detail}" for note in item.notes]
    return "\n".join(lines)


def _numbers(*values: float) -> list[str]:
    """Write numbers of one unit alike: two decimals, or three digits where these would make a number zero.

    Examples
    --------
    >>> _numbers(0.5, -0.2, 3.0), _numbers(0.0004, 0.00001, 0.2)
    (['0.50', '-0.20', '3.00'], ['0.0004', '1e-05', '0.2'])
    """
    small = (max(map(abs, values)) < SMALL and any(values)) or any(0 < abs(value) < LOST for value in values)
    return [f"{value:.3g}" if small else f"{value:.2f}" for value in values]


def as_json(predictions: Sequence[Prediction], include: Sequence[str] = ()) -> dict[str, Json]:
    """Return predictions in the shape of `POST /v1/predict`: either `endpoints` or `error`, nothing not asked for."""
    optional = {"neighbours", "explanation", "alerts", "columns"} - set(include)
    shown = {"display_value", "display_interval", "display_unit"}

    def shaped(item: Prediction) -> dict[str, Json]:
        content = asdict(item)
        for estimate in content["endpoints"].values():
            for name in (optional | (shown if estimate["display_unit"] is None else set())) & set(estimate):
                del estimate[name]
            for near in estimate.get("neighbours") or ():
                if estimate.get("display_unit") is None:
                    del near["display_value"]
        absent = optional | ({"endpoints", "alerts"} if item.error is not None else {"error"})
        absent |= {name for name in ("notes", "failed") if not content[name]}
        return {name: value for name, value in content.items() if name not in absent}

    return {"predictions": [shaped(item) for item in predictions]}


def _progress(write: Callable[[str], object], *, terminal: bool) -> Callable[[int, int, int], None]:
    """Return a line about the progress of a job: rewritten on a terminal, now and then a new one elsewhere."""
    began, reported = time.monotonic(), -1

    def tell(done: int, total: int, failed: int) -> None:
        nonlocal reported
        tenth = 10 * done // max(1, total)
        if not terminal and tenth == reported:
            return
        reported = tenth
        rate = done / max(0.001, time.monotonic() - began)
        text = f"{done:,} of {total:,} rows, {failed:,} without a prediction, {rate:,.0f} rows/s"
        write(f"\r{text:<78}{chr(10) if done == total else ''}" if terminal else f"{text}\n")

    return tell
