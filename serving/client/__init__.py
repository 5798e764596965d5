"""The Python client of the service.

Nothing but the standard library is imported::

    from serving.client import Client

    client = Client("http://127.0.0.1:8000")
    for prediction in client.predict(["CCO", "c1ccccc1"]):
        print(prediction.smiles, prediction.endpoints["solubility_logs"].value)
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from serving.client.answers import Champion, Endpoint, Job, Leaderboard, Model, Prediction, read
from serving.client.frames import Progress, bar, silent, texts_of, with_predictions
from serving.client.frames import Shown as show  # noqa: N813  read as a verb: show(frame)
from serving.client.transport import NotReachableError, ServiceError, Transport, lines, pieces

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Client", "NotReachableError", "ServiceError", "show"]

READ_BYTES_PER_SECOND = 200_000
"""How fast a busy service reads an upload, at the slowest: a million rows took it a minute."""
BATCH = 200
"""Molecules in one request for predictions; longer lists are cut."""
RESULT_FORMATS = {".csv": "csv", ".parquet": "parquet", ".sdf": "sdf", ".ndjson": "ndjson", ".jsonl": "ndjson"}


class Client:
    """A client of one service. Safe between threads: it keeps no connection.

    Parameters
    ----------
    url
        Address of the service; `AIDRUG_SERVICE_URL`, else port 8000 of this machine, when omitted.
    api_key
        Key to show; `AIDRUG_API_KEY`, else none, when omitted.
    timeout_seconds
        How long one answer may take to begin or to continue.
    retries
        How often a request is sent again that found the service busy or out of reach. The service says when; what
        changes something is sent again only where that is safe.
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, timeout_seconds: float = 60.0, retries: int = 4
    ) -> None:
        address = url or os.environ.get("AIDRUG_SERVICE_URL") or "http://127.0.0.1:8000"
        key = api_key or os.environ.get("AIDRUG_API_KEY") or None
        self._retries = retries
        self._transport = Transport(address.rstrip("/"), key, timeout_seconds, retries)

    @property
    def url(self) -> str:
        """Address of the service."""
        return self._transport.url

    @property
    def transport(self) -> Transport:
        """What its requests go through."""
        return self._transport

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def predict(
        self, smiles: Sequence[str], endpoints: Sequence[str] | None = None, include: Sequence[str] = ()
    ) -> list[Prediction]:
        """Predict molecules: one prediction per SMILES, in order, a bad one with its `error`.

        For more than a few thousand, `submit` is kinder to the service and survives a broken connection.
        """
        return self._predict(smiles, endpoints, include, silent)

    async def predict_async(
        self, smiles: Sequence[str], endpoints: Sequence[str] | None = None, include: Sequence[str] = ()
    ) -> list[Prediction]:
        """Predict molecules as `predict` does, while other tasks of the event loop continue."""
        return await asyncio.to_thread(self.predict, smiles, endpoints, include)

    def predict_frame(
        self,
        frame: pd.DataFrame,
        smiles: str = "smiles",
        endpoints: Sequence[str] | None = None,
        *,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Predict the molecules of a table.

        Parameters
        ----------
        frame
            Any table; it is not changed.
        smiles
            Its column of SMILES. A row without one has an error, as has one that cannot be read.
        endpoints
            Which endpoints; all that have a champion when omitted.
        progress
            Whether a bar shows the progress, where tqdm is installed.

        Returns
        -------
        pandas.DataFrame
            The table as it was, with `<endpoint>_value`, `_lower`, `_upper` (the interval), `_flags` (what to know
            before believing the value), `error_code` and `error_detail`; `show` draws it in a notebook. A `ValueError`
            says that a column is missing, or that one of the new ones is there already.
        """
        different = list(dict.fromkeys(texts := texts_of(frame, smiles)))
        known = dict(zip(different, self._predict(different, endpoints, (), bar if progress else silent), strict=True))
        return with_predictions(frame, [known[text] for text in texts])

    async def predict_frame_async(
        self, frame: pd.DataFrame, smiles: str = "smiles", endpoints: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Predict as `predict_frame` does, while other tasks continue."""
        return await asyncio.to_thread(self.predict_frame, frame, smiles, endpoints, progress=False)

    def _predict(
        self, smiles: Sequence[str], endpoints: Sequence[str] | None, include: Sequence[str], progress: Progress
    ) -> list[Prediction]:
        predictions: list[Prediction] = []
        parts = [smiles[start : start + BATCH] for start in range(0, len(smiles), BATCH)]
        for part in progress(parts, len(smiles)):
            start = len(predictions)
            body: dict[str, Any] = {"smiles": list(part)}
            if endpoints is not None:
                body["endpoints"] = list(endpoints)
            if include:
                body["include"] = list(include)
            answer = self._transport.json("POST", "/v1/predict", body, again=True)
            predictions += [
                read(Prediction, {**each, "index": start + each["index"]}) for each in answer["predictions"]
            ]
        return predictions

    def submit(
        self,
        smiles: Sequence[str],
        ids: Sequence[str] | None = None,
        endpoints: Sequence[str] | None = None,
        include: Sequence[str] = (),
    ) -> Job:
        """Submit molecules as a batch job; names in `ids` come back with them."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if ids is None:
            writer.writerows([["smiles"], *([each] for each in smiles)])
        else:
            writer.writerows([["id", "smiles"], *zip(ids, smiles, strict=True)])
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
        endpoints: Sequence[str] | None = None,
        include: Sequence[str] = (),
    ) -> Job:
        """Submit a CSV, TSV, SMILES or SDF file, also packed by gzip, as a batch job.

        Parameters
        ----------
        column
            The column of SMILES, where the service cannot recognise it.
        format, delimiter
            `csv`, `tsv`, `smi` or `sdf`; `comma`, `tab`, `semicolon`, `pipe`: where it cannot recognise them.
        """
        path = Path(path)
        fields = {"name": path.name, "column": column, "format": format, "delimiter": delimiter}
        return self._submit(lambda: path.open("rb"), path.stat().st_size, fields, endpoints, include)

    def job(self, job: Job | str) -> Job:
        """Return a job as it is now."""
        return read(Job, self._transport.json("GET", f"/v1/jobs/{_id(job)}", again=True))

    def jobs(self, limit: int = 20) -> list[Job]:
        """List the newest jobs, newest first."""
        found: list[Job] = []
        address: str | None = f"/v1/jobs?limit={min(limit, 200)}"
        while address is not None and len(found) < limit:
            page = self._transport.json("GET", address, again=True)
            found += [read(Job, each) for each in page["jobs"]]
            address = page["next"]
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
                for event, seen, content in self._events(_id(job), last_id):
                    last_id, broken = seen, 0
                    if progress is not None:
                        progress(content["done"], content["total"], content["failed"])
                    if event == "done":
                        return self.job(job)
            except NotReachableError:
                if broken >= self._retries:
                    raise
            broken += 1
            time.sleep(0.5 * broken)

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

    def results(self, job: Job | str) -> Iterator[Prediction]:
        """Yield a job's result row by row, without holding it whole."""
        with self._transport.send("GET", f"/v1/jobs/{_id(job)}/result?format=ndjson", again=True) as answer:
            rest = b""
            for piece in pieces(answer):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield read(Prediction, json.loads(line))

    def endpoints(self) -> list[Endpoint]:
        """List the endpoints that have a champion."""
        return [read(Endpoint, each) for each in self._transport.json("GET", "/v1/endpoints", again=True)]

    def models(self) -> list[Model]:
        """List the models that answer now."""
        return [read(Model, each) for each in self._transport.json("GET", "/v1/models", again=True)]

    def champion(self, endpoint: str) -> Champion:
        """Return an endpoint's champion with its card and the champions before it."""
        return read(Champion, self._transport.json("GET", f"/v1/champions/{quote(endpoint, safe='')}", again=True))

    def leaderboard(self, endpoint: str) -> Leaderboard:
        """Return all trained models of an endpoint, and why one of them serves."""
        return read(
            Leaderboard, self._transport.json("GET", f"/v1/leaderboards/{quote(endpoint, safe='')}", again=True)
        )

    def roll_back(self, endpoint: str) -> Champion:
        """Put an endpoint's previous champion back. Never sent twice: that would go back two."""
        return read(Champion, self._transport.json("POST", f"/v1/champions/{quote(endpoint, safe='')}/rollback"))

    def promote(self, endpoint: str) -> Champion:
        """Make the challenger on trial an endpoint's champion."""
        return read(Champion, self._transport.json("POST", f"/v1/champions/{quote(endpoint, safe='')}/promote"))

    def review(self, endpoint: str) -> dict[str, Any]:
        """Return what the live record says of an endpoint's champion: drift, accuracy, coverage, the trial."""
        content: dict[str, Any] = self._transport.json("GET", f"/v1/reviews/{quote(endpoint, safe='')}", again=True)
        return content

    def feedback(self, measurements: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Send measured values: each with `smiles`, `endpoint`, `value`, and as you like `unit`, `source`, `name`."""
        content: dict[str, Any] = self._transport.json(
            "POST",
            "/v1/feedback",
            {"measurements": list(measurements)},
            again=True,  # under its key it is stored once, however often it arrives
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        return content

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
            fields = {**fields, "endpoints": ",".join(endpoints)}
        if include:
            fields = {**fields, "include": ",".join(include)}
        query = urlencode({name: value for name, value in fields.items() if value is not None})
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Idempotency-Key": uuid.uuid4().hex,
        }
        extra = size / READ_BYTES_PER_SECOND
        path = f"/v1/jobs?{query}"
        with self._transport.send("POST", path, body, headers, again=True, extra_seconds=extra) as answer:
            return read(Job, json.loads(b"".join(pieces(answer))))

    def _events(self, job: str, last_id: str) -> Iterator[tuple[str, str, Any]]:
        """Yield a job's events until the connection ends: kind, id, content."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        with self._transport.send("GET", f"/v1/jobs/{job}/events", headers=headers, again=True) as answer:
            fields: dict[str, str] = {}
            for line in lines(answer):
                name, _, value = line.partition(":")
                if line:
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"])
                    fields = {}


def _id(job: Job | str) -> str:
    return quote(job if isinstance(job, str) else job.id, safe="")
