"""What the client does with batch jobs: submitting, following, downloading, and choosing what to measure next."""

from __future__ import annotations

import csv
import io
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlencode

from serving.client.answers import Job, Prediction
from serving.client.measuring import Suggestion
from serving.client.transport import LONGEST_PAUSE_SECONDS, NotReachableError, Transport, lines, pieces, understood

READ_BYTES_PER_SECOND = 200_000
"""How fast a busy service reads an upload, at the slowest: a million rows took it a minute."""
RESULT_FORMATS = {".csv": "csv", ".parquet": "parquet", ".sdf": "sdf", ".ndjson": "ndjson", ".jsonl": "ndjson"}


@dataclass(frozen=True)
class JobPage:
    """Some jobs, newest first, and the address of those before them."""

    jobs: list[Job]
    next: str | None


@dataclass(frozen=True)
class JobProgress:
    """How far a job is."""

    status: str
    done: int
    total: int
    failed: int


class Jobs:
    """The part of `Client` that is about batch jobs."""

    _transport: Transport
    _retries: int

    def submit(
        self,
        smiles: Sequence[str],
        ids: Sequence[str] | None = None,
        endpoints: Sequence[str] | None = None,
        include: Sequence[str] = (),
    ) -> Job:
        """Submit molecules as a batch job; names in `ids` come back with them."""
        smiles, text = listed("smiles", smiles), io.StringIO(newline="")
        writer = csv.writer(text)
        if ids is None:
            writer.writerows([["smiles"], *([each] for each in smiles)])
        else:
            writer.writerows([["id", "smiles"], *zip(listed("ids", ids), smiles, strict=True)])
        content = text.getvalue().encode()
        fields: dict[str, str | None] = {"format": "csv", "delimiter": "comma", "header": "true", "column": "smiles"}
        return self._submit(lambda: io.BytesIO(content), len(content), fields, endpoints, include)

    def submit_file(
        self,
        path: str | Path,
        *,
        column: str | None = None,
        format: str | None = None,  # noqa: A002  the interface's own word
        delimiter: str | None = None,
        header: bool | None = None,
        sheet: str | None = None,
        endpoints: Sequence[str] | None = None,
        include: Sequence[str] = (),
    ) -> Job:
        """Submit a CSV, TSV, SMILES or SDF file, also packed by gzip, or a workbook (XLSX), as a batch job.

        Parameters
        ----------
        column
            The column of SMILES, where the service cannot recognise it.
        format, delimiter
            `csv`, `tsv`, `smi` or `sdf`; `comma`, `tab`, `semicolon`, `pipe` or one character: where it cannot
            recognise them.
        header
            Whether the first row names the columns, where it cannot recognise it.
        sheet
            The sheet of a workbook, where it has several.
        """
        path = Path(path)
        first = None if header is None else str(header).lower()
        fields = {"name": path.name, "column": column, "format": format, "delimiter": delimiter}
        fields |= {"header": first, "sheet": sheet}
        return self._submit(lambda: path.open("rb"), path.stat().st_size, fields, endpoints, include)

    def job(self, job: Job | str) -> Job:
        """Return a job as it is now."""
        return self._transport.read(Job, "GET", f"/v1/jobs/{_id(job)}", again=True)

    def jobs(self, limit: int = 20) -> list[Job]:
        """List the newest jobs, newest first."""
        found: list[Job] = []
        address: str | None = f"/v1/jobs?limit={min(limit, 200)}"
        while address is not None and len(found) < limit:
            page = self._transport.read(JobPage, "GET", address, again=True)
            found += page.jobs
            address = page.next
        return found[:limit]

    def cancel(self, job: Job | str) -> None:
        """Cancel a job, or remove a finished one with its result."""
        self._transport.send("DELETE", f"/v1/jobs/{_id(job)}", again=True).close()

    def wait(self, job: Job | str, progress: Callable[[int, int, int], None] | None = None) -> Job:
        """Wait until a job is over.

        Parameters
        ----------
        progress
            Called with rows done, rows in all, and rows failed, whenever they change.
        """
        last_id, broken = "", 0
        while True:
            try:
                for event, seen, now in self._events(_id(job), last_id):
                    last_id, broken = seen, 0
                    if progress is not None:
                        progress(now.done, now.total, now.failed)
                    if event == "done":
                        return self.job(job)
            except NotReachableError:
                if broken >= self._retries:
                    raise
            broken += 1
            time.sleep(min(0.5 * broken, LONGEST_PAUSE_SECONDS))

    def download(self, job: Job | str, path: str | Path, format: str | None = None) -> Path:  # noqa: A002  the same
        """Write a job's result to a file: CSV, Parquet, SDF or NDJSON, by `format` or the file's name.

        The file is there whole or not at all.
        """
        path = Path(path)
        form = format or RESULT_FORMATS.get(path.suffix.lower())
        if form is None:
            raise ValueError(f"expected a file that ends with one of {', '.join(RESULT_FORMATS)}, got {path.name!r}")
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                self.copy_result(job, stream, form)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return path

    def copy_result(self, job: Job | str, stream: IO[bytes], format: str) -> None:  # noqa: A002  the same
        """Copy a job's result, piece by piece, into a stream of bytes."""
        with self._transport.send("GET", f"/v1/jobs/{_id(job)}/result?format={quote(format)}", again=True) as answer:
            for piece in pieces(answer):
                stream.write(piece)

    def results(self, job: Job | str, start: int | None = None, rows: int | None = None) -> Iterator[Prediction]:
        """Yield a job's result row by row, without holding it whole.

        Parameters
        ----------
        start, rows
            The first row, from 0, and how many at most (10,000 at a time): also of a job that is still running, as far
            as it is done.
        """
        query = _query({"format": "ndjson", "start": start, "rows": rows})
        with self._transport.send("GET", f"/v1/jobs/{_id(job)}/result?{query}", again=True) as answer:
            rest = b""
            for piece in pieces(answer):
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    yield understood(Prediction, line)

    def suggestion(
        self,
        job: Job | str,
        batch: int | None = None,
        endpoints: Sequence[str] | None = None,
        exploration: float | None = None,
    ) -> Suggestion:
        """Choose, among a finished job's molecules, those to measure next.

        Parameters
        ----------
        batch
            How many; 24 when omitted.
        endpoints
            Those that count; all of the job's when omitted.
        exploration
            How much uncertainty counts: 1 when omitted, 0 takes the best as it is.
        """
        names = None if endpoints is None else ",".join(listed("endpoints", endpoints))
        query = _query({"batch": batch, "endpoints": names, "exploration": exploration})
        return self._transport.read(Suggestion, "GET", f"/v1/jobs/{_id(job)}/suggestion?{query}", again=True)

    def _submit(
        self,
        body: Callable[[], IO[bytes]],
        size: int,
        fields: dict[str, str | None],
        endpoints: Sequence[str] | None,
        include: Sequence[str],
    ) -> Job:
        """Send an upload as it is; its key makes it safe to send it again."""
        if endpoints is not None:
            fields = {**fields, "endpoints": ",".join(listed("endpoints", endpoints))}
        if include:
            fields = {**fields, "include": ",".join(listed("include", include))}
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Idempotency-Key": uuid.uuid4().hex,
        }
        extra = size / READ_BYTES_PER_SECOND
        path = f"/v1/jobs?{_query(fields)}"
        with self._transport.send("POST", path, body, headers, again=True, extra_seconds=extra) as answer:
            return understood(Job, b"".join(pieces(answer)))

    def _events(self, job: str, last_id: str) -> Iterator[tuple[str, str, JobProgress]]:
        """Yield a job's events until the connection ends: kind, id, content; of the kinds that we know."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        with self._transport.send("GET", f"/v1/jobs/{job}/events", headers=headers, again=True) as answer:
            fields: dict[str, str] = {}
            for line in lines(answer):
                name, _, value = line.partition(":")
                if line:
                    fields[name] = value.removeprefix(" ")
                else:
                    if "data" in fields and fields.get("event") in ("progress", "done"):
                        yield fields["event"], fields.get("id", ""), understood(JobProgress, fields["data"])
                    fields = {}


def listed(name: str, texts: Iterable[str]) -> list[str]:
    """Return texts as a list; one text alone would be taken for a list of its letters, and `CCO` for three molecules.

    Raises
    ------
    TypeError
        When it is a single text.
    """
    if isinstance(texts, str | bytes):
        raise TypeError(f"{name}: expected a list of texts, got the text {texts!r}: write [{texts!r}]")
    return list(texts)


def _query(given: Mapping[str, str | float | None]) -> str:
    return urlencode({name: value for name, value in given.items() if value is not None})


def _id(job: Job | str) -> str:
    return quote(job if isinstance(job, str) else job.id, safe="")
