"""The files of one job: its rows as they came, and what was predicted for them, in chunks.

Layout::

    <folder>/<job>/upload             as it was sent; deleted once it is read
    <folder>/<job>/rows/000000.gz     rows 0 to 499: cells, structure, fault found while reading
    <folder>/<job>/results/000000.gz  the entries of the same rows, as `POST /v1/predict` gives them
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from model_zoo.data.tables.row import Row
from model_zoo.io.files import draft_of
from model_zoo.type_aliases import Json
from serving.http.schemas import MoleculePrediction

T = TypeVar("T")
_rows_decoder = msgspec.json.Decoder(list[Row])
# Not typed: a job may have begun under an earlier release of the service, whose entries had fewer fields.
_results_decoder = msgspec.json.Decoder(list[dict[str, Any]])


class JobFolder:
    """The files of one job."""

    def __init__(self, root: Path, job: str) -> None:
        self.path = root / job
        self.upload = self.path / "upload"

    def make(self) -> None:
        """Make the folders, for this user alone: structures are confidential."""
        for folder in (self.path, self.path / "rows", self.path / "results"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write_rows(self, chunk: int, rows: Sequence[Row]) -> int:
        """Write a chunk of rows; give its size in bytes."""
        return _write(self.path / "rows", chunk, msgspec.json.encode(rows))

    def read_rows(self, chunk: int) -> list[Row]:
        """Read a chunk of rows."""
        return _rows_decoder.decode(_read(self.path / "rows", chunk))

    def write_results(self, chunk: int, entries: Sequence[MoleculePrediction]) -> int:
        """Write a chunk of results; give its size in bytes."""
        return _write(self.path / "results", chunk, msgspec.json.encode(entries))

    def read_results(self, chunk: int) -> list[dict[str, Json]]:
        """Read a chunk of results."""
        return _results_decoder.decode(_read(self.path / "results", chunk))

    def read_results_as(self, chunk: int, decoder: msgspec.json.Decoder[T]) -> T:
        """Read of a chunk of results what a decoder wants of it: a third of the time of reading all."""
        return decoder.decode(_read(self.path / "results", chunk))

    def remove_results(self) -> None:
        """Delete what was predicted, and keep the folder."""
        for path in (self.path / "results").glob("*"):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.path, ignore_errors=True)


def _write(folder: Path, chunk: int, content: bytes) -> int:
    """Write a chunk whole or not at all, and force it to disk: the table may say that it is there."""
    packed = gzip.compress(content, compresslevel=1, mtime=0)
    with draft_of(folder / f"{chunk:06d}.gz") as stream:
        stream.write(packed)
    return len(packed)


def _read(folder: Path, chunk: int) -> bytes:
    return gzip.decompress((folder / f"{chunk:06d}.gz").read_bytes())
