"""From a request's body to a job in the queue.

An upload is never whole in memory and never run; its name is shown and never used as a path.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from model_zoo.data.tables.guessing import TableOptions
from model_zoo.data.tables.reading import chunked
from model_zoo.data.tables.row import Row
from serving.http.json_body import decode
from serving.http.once import require_once, said_twice
from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError
from serving.job_settings import JobSettings
from serving.jobs.database import Plan
from serving.jobs.folder import JobFolder
from serving.jobs.reading import understand
from serving.jobs.schemas import JobRequest

FIELDS = ("endpoints", "include", "column", "format", "delimiter", "header", "name", "sheet")
MAX_FIELD_BYTES = 10_000
WRITE_BYTES = 1 << 20
CHUNKS = 200
"""How many chunks a job of middling size has, guessed from the size of its upload."""
MIN_CHUNK_ROWS = 25
TYPICAL_ROW_BYTES = 100


@dataclass(frozen=True)
class Received:
    """An upload on disk, or the molecules of a JSON body.

    Attributes
    ----------
    digest
        SHA-256 of what was sent and said: the same request again has the same one.
    endpoints
        What was asked for; none means all.
    rows, columns
        Of a JSON body; none when the upload is on disk.
    """

    digest: str
    options: TableOptions
    endpoints: tuple[str, ...] | None = None
    include: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] | None = None


async def receive(request: HttpRequest, target: Path, settings: JobSettings, max_json_bytes: int) -> Received:
    """Read a request's body: JSON into memory, anything else onto disk.

    Raises
    ------
    ProblemError
        When it is too large, cannot be read, or says something unknown of itself.
    """
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    require_once(request)
    fields = {name: value for name, value in request.query_params.items() if isinstance(value, str)}
    _require_known(fields)
    if media_type == "application/json":
        return _from_json(b"".join([part async for part in _parts(request, max_json_bytes)]), fields)
    if media_type == "application/x-www-form-urlencoded":
        raise ProblemError(
            "invalid-request",
            "expected JSON, a multipart form or a file under its own content type, got a plain form; with curl: "
            "-F file=@FILE, or --data-binary @FILE -H 'Content-Type: text/csv'",
        )
    digest = hashlib.sha256()
    parts = _parts(request, settings.max_upload_bytes)
    if media_type == "multipart/form-data":
        parts = _file_of_form(parts, options.get("boundary", ""), fields)
    await _save(parts, target, digest)
    _require_known(fields)
    digest.update(repr(sorted(fields.items())).encode())
    digest.update(media_type.encode())
    endpoints = _listed(fields["endpoints"]) if "endpoints" in fields else None
    return Received(digest.hexdigest(), _options(fields, media_type), endpoints, _listed(fields.get("include", "")))


def unpack(received: Received, folder: JobFolder, settings: JobSettings) -> tuple[Plan, int, int]:
    """Write the rows of an upload as chunks; give the plan, the number of rows and the bytes written.

    Raises
    ------
    ProblemError
        When the file cannot be read to its end, or has no row, or too many.
    """
    size = min(settings.chunk_rows, _chunk_rows(received, folder))
    if received.rows is not None:
        plan = Plan(received.columns, "smiles", "json", received.endpoints, received.include, chunk_rows=size)
        rows: Iterator[Row] = iter(received.rows)
    else:
        table = understand(folder.upload, received.options, settings.max_unpacked_bytes)
        plan = Plan(
            table.columns,
            table.smiles_column,
            table.format,
            received.endpoints,
            received.include,
            name=received.options.name,
            encoding=table.encoding.removesuffix("-sig"),
            chunk_rows=size,
        )
        rows = table.rows()
    total = written = 0
    for number, chunk in enumerate(chunked(rows, size)):
        total += len(chunk)
        if total > settings.max_rows:
            raise ProblemError("body-too-large", f"expected at most {settings.max_rows} molecules in one job")
        written += folder.write_rows(number, chunk)
    if not total:
        raise ProblemError("unreadable-upload", "expected at least one molecule, got a header without rows")
    folder.upload.unlink(missing_ok=True)
    return plan, total, written


def _chunk_rows(received: Received, folder: JobFolder) -> int:
    """Return a chunk that lets a small job report its progress, and does not let a large one make files without end."""
    if received.rows is not None:
        return max(MIN_CHUNK_ROWS, len(received.rows) // CHUNKS)
    return max(MIN_CHUNK_ROWS, folder.upload.stat().st_size // (CHUNKS * TYPICAL_ROW_BYTES))


def _from_json(body: bytes, fields: Mapping[str, str]) -> Received:
    if fields:
        raise ProblemError("invalid-request", "expected options of a JSON request in its body, got them in the address")
    try:
        data = msgspec.convert(decode(body), JobRequest)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid-request", f"body: {error}") from error
    if not data.smiles:
        raise ProblemError("invalid-request", "smiles: expected at least one molecule, got an empty list")
    if data.ids is not None and len(data.ids) != len(data.smiles):
        raise ProblemError(
            "invalid-request", f"ids: expected {len(data.smiles)}, one per molecule, got {len(data.ids)}"
        )
    columns: tuple[str, ...]
    if data.ids is None:
        columns, rows = ("smiles",), tuple(Row([text], text) for text in data.smiles)
    else:
        columns = ("id", "smiles")
        rows = tuple(Row([name, text], text) for name, text in zip(data.ids, data.smiles, strict=True))
    endpoints = tuple(data.endpoints) if data.endpoints is not None else None
    digest = hashlib.sha256(body).hexdigest()
    return Received(digest, TableOptions(), endpoints, tuple(data.include), columns, rows)


async def _parts(request: HttpRequest, most: int) -> AsyncIterator[bytes]:
    """Yield a body part by part, and refuse it as soon as it is too large."""
    left = most
    if (request.content_length or 0) > most:
        raise ProblemError("body-too-large", f"expected at most {most} bytes, got {request.content_length}")
    async for part in request.stream():
        left -= len(part)
        if left < 0:
            raise ProblemError("body-too-large", f"expected at most {most} bytes")
        yield part


async def _file_of_form(parts: AsyncIterator[bytes], boundary: str, fields: dict[str, str]) -> AsyncIterator[bytes]:
    """Yield the content of a form's one file part by part; the other fields are added to `fields`."""
    if not boundary:
        raise ProblemError("malformed-request", "multipart/form-data: expected a boundary in the content type")
    files, field, content, said = 0, "", b"", dict[str, str]()
    try:
        with PushMultipartParser(boundary, max_segment_count=len(FIELDS) + 1) as parser:
            async for part in parts:
                for event in parser.parse(part) if part else ():
                    if isinstance(event, MultipartSegment):
                        files += event.filename is not None
                        if event.filename:
                            fields.setdefault("name", event.filename)
                        field, content = "" if event.filename is not None else event.name, b""
                    elif event is None:
                        _add_field(said, field, content)
                    elif not field:
                        yield bytes(event)
                    else:
                        content += bytes(event)
                        if len(content) > MAX_FIELD_BYTES:
                            raise ProblemError("body-too-large", f"{field}: expected at most {MAX_FIELD_BYTES} bytes")
    except MultipartError as error:
        raise ProblemError("malformed-request", f"multipart/form-data: {error}") from error
    if files != 1:
        raise ProblemError("invalid-request", f"expected one file in the form, got {files}")
    fields |= said


def _add_field(said: dict[str, str], field: str, content: bytes) -> None:
    """Add a form's field, when it is one and not the file."""
    if field in said:
        raise said_twice(field)
    if field:
        said[field] = content.decode("utf-8", "replace").strip()


async def _save(parts: AsyncIterator[bytes], target: Path, digest: Any) -> None:
    """Write parts to disk, off the event loop."""
    with target.open("wb") as stream:
        waiting = bytearray()

        def flush() -> None:
            digest.update(waiting)
            stream.write(waiting)
            waiting.clear()

        async for part in parts:
            waiting += part
            if len(waiting) >= WRITE_BYTES:
                await asyncio.to_thread(flush)
        await asyncio.to_thread(flush)


def _require_known(fields: Mapping[str, str]) -> None:
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise ProblemError("invalid-request", f"{unknown[0][:60]}: unknown; expected any of {', '.join(FIELDS)}")


def _options(fields: Mapping[str, str], media_type: str) -> TableOptions:
    header = fields.get("header")
    if header not in (None, "true", "false"):
        raise ProblemError("invalid-request", f"header: expected true or false, got {header[:20]!r}")
    name = fields.get("name")
    return TableOptions(
        format=fields.get("format"),
        delimiter=fields.get("delimiter"),
        column=fields.get("column"),
        header=None if header is None else header == "true",
        name=name[-200:] if name else None,
        media_type=None if media_type == "multipart/form-data" else media_type,
        sheet=fields.get("sheet"),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
