"""Predicting a whole library: Parquet in, Parquet out, in shards that are done or not done.

Every row of the library is in the result, at its own place, with numbers or with the reason why there are none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model_zoo.bundles.reader import Bundle
from model_zoo.chemistry.molecules import Limits
from model_zoo.config.screen import Screen
from model_zoo.errors import ConfigError, DataError
from model_zoo.inference.answers import Answer, Fault
from model_zoo.inference.predictor import Predictor
from model_zoo.type_aliases import Json

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileSystem

CHUNK = 512
"""Molecules predicted at once: their features fit into memory, and more gain nothing."""
RESULT = 2
"""Version of a result's columns: shards of two never lie in one folder. Reliability came with 2."""
COLUMNS = ("row", "id", "smiles", "error", "notes")
FIELDS = ("low", "high", "similarity", "inside", "reliability", "usual_error")
"""`COLUMNS` and `FIELDS`: those of a result beside the values, and what follows `<endpoint>_` in those of an
endpoint; see `predict_shard`."""
LARGEST = float(np.finfo(np.float32).max)
"""The largest number that the columns of a result can hold."""


@dataclass(frozen=True)
class Shard:
    """Some rows of one file of a library: a part of one row group, or several small ones whole."""

    file: str
    """Its path in the library's file system."""
    row_groups: tuple[int, int]
    start: int
    rows: int
    """`row_groups`, `start` and `rows`: `rows` of them from `start` of Parquet row groups, the first and the end."""
    first: int
    """Place of the first of them in the whole library."""
    id_type: pa.DataType | None = None
    """Type of the ids in the result, the same for all files of the library; none without ids."""


def open_place(place: str) -> tuple[FileSystem, str]:
    """Return the file system and the path that a path or `s3://` address means.

    Raises
    ------
    ConfigError
        When the address is of a kind that is not known.
    """
    from pyarrow import ArrowInvalid
    from pyarrow.fs import FileSystem, LocalFileSystem

    if "://" not in place:
        return LocalFileSystem(), str(Path(place).resolve())
    try:
        system, path = FileSystem.from_uri(place)
    except (ArrowInvalid, OSError) as error:
        raise ConfigError(f"expected a path or s3://bucket/prefix, got {place!r}: {error}") from error
    return system, str(path)


def require_columns(screen: Screen, endpoints: Collection[str]) -> None:
    """Refuse endpoints of which one's name is a column of the result already: one of both would be lost.

    Raises
    ------
    ConfigError
        When there is one.
    """
    taken = {*COLUMNS, *(f"{name}_{field}" for name in endpoints for field in FIELDS)}
    if twice := sorted(taken.intersection(endpoints)):
        raise ConfigError(
            f"screen {screen.name!r}: expected endpoints with columns of their own, got {twice[0]!r}, which is another "
            "column of the result: name the others under `endpoints`, and screen it by itself"
        )


def find_shards(screen: Screen) -> tuple[list[Shard], dict[str, Json]]:
    """Divide a library into shards of at most `rows_per_shard`, and return what identifies the library.

    Names that begin with `_` or `.` are passed over, as readers of Parquet folders do: writers put there what is no
    part of the data, such as copies that were never finished.

    Raises
    ------
    DataError
        When there is no Parquet file, one lacks a column, or ids are of types that no single column can hold.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSelector, FileType

    system, path = open_place(screen.library)
    info = system.get_file_info(path)
    files = [info] if info.type == FileType.File else []
    if info.type == FileType.Directory:
        found = system.get_file_info(FileSelector(path, recursive=True))
        files = [item for item in found if item.extension == "parquet" and not _is_hidden(item.path[len(path) :])]
    files.sort(key=lambda item: item.path)  # S3 lists in any order, and the digest of the library is of this one
    if not files:
        raise DataError(f"screen {screen.name!r}: expected Parquet files at {screen.library}, found none")
    shards: list[Shard] = []
    first = 0
    wanted = [screen.smiles_column, *([screen.id_column] if screen.id_column else [])]
    ids: dict[str, pa.DataType] = {}
    for file in files:
        try:
            with system.open_input_file(file.path) as stream:
                metadata = pq.read_metadata(stream)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"screen {screen.name!r}: {file.base_name} is no Parquet file: {error}") from error
        schema = metadata.schema.to_arrow_schema()
        names = schema.names
        if missing := [name for name in wanted if name not in names]:
            raise DataError(
                f"screen {screen.name!r}: {file.base_name}: expected a column {missing[0]!r}, got {', '.join(names)}"
            )
        if screen.id_column:
            kind = schema.field(screen.id_column).type
            ids[file.path] = kind.value_type if pa.types.is_dictionary(kind) else kind  # only a way of storing values
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        shards += _shards(file.path, counts, screen.rows_per_shard, first)
        first += sum(counts)
    identity: dict[str, Json] = {
        "files": [[item.base_name, item.size, item.mtime_ns] for item in files],
        "columns": wanted,
    }
    if any(end - begin > 1 for begin, end in (shard.row_groups for shard in shards)):
        identity["joined"] = True  # once each row group was a shard: those of both never lie in one folder
    if screen.id_column:
        id_type = _common_type(screen, ids)
        shards = [replace(shard, id_type=id_type) for shard in shards]
    return shards, {**identity, "rows_per_shard": screen.rows_per_shard, "result": RESULT}


def _is_hidden(path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in path.split("/"))


def _common_type(screen: Screen, ids: Mapping[str, pa.DataType]) -> pa.DataType:
    """Return the type that holds the ids of all files: shards of several types cannot be read as one table."""
    import pyarrow as pa

    name = str(screen.id_column)
    first, kind = next(iter(ids.items()))
    for file, other in ids.items():
        try:
            schemas = [pa.schema([(name, each)]) for each in (kind, other)]
            kind = pa.unify_schemas(schemas, promote_options="permissive").field(name).type
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"screen {screen.name!r}: expected ids of one type in {name!r}, got {kind} in {first} and {other} in "
                f"{file}: write them alike"
            ) from error
    return kind


def _shards(file: str, counts: Sequence[int], most: int, first: int) -> Iterator[Shard]:
    """Divide the row groups of a file; small ones that follow each other share a shard.

    A writer that streams leaves groups of a few rows, and a shard costs as much as some hundred rows.

    Examples
    --------
    >>> [(shard.row_groups, shard.start, shard.rows) for shard in _shards("f", [5, 1, 1, 2], 3, 0)]
    [((0, 1), 0, 3), ((0, 1), 3, 2), ((1, 3), 0, 2), ((3, 4), 0, 2)]
    """
    begin = 0
    while begin < len(counts):
        end, rows = begin + 1, counts[begin]
        while end < len(counts) and rows + counts[end] <= most:
            end, rows = end + 1, rows + counts[end]
        for start in range(0, rows, most):
            yield Shard(file, (begin, end), start, min(most, rows - start), first + start)
        begin, first = end, first + rows


def predict_shard(
    screen: Screen, shard: Shard, bundles: Mapping[str, Bundle], limits: Limits | None = None
) -> pa.Table:
    """Predict one shard.

    Parameters
    ----------
    screen, shard
        What to read.
    bundles
        Who predicts, by endpoint.
    limits
        Longest text and largest molecule.

    Returns
    -------
    pyarrow.Table
        One row per row read, in order: `row` (its place in the library), the id, `smiles` as it came, `error` (a code,
        or null; `prediction-failed` also where a single endpoint has no finite number), `notes` (what was left out of
        the structure, or null) and, per endpoint, its value as `<endpoint>`, `<endpoint>_low` and `<endpoint>_high`
        (ends of the 90 % interval; none for a binary endpoint), `<endpoint>_similarity`, `<endpoint>_inside`,
        `<endpoint>_reliability` and `<endpoint>_usual_error` (null where its bundle has none).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    system, _ = open_place(screen.library)
    columns = [screen.smiles_column, *([screen.id_column] if screen.id_column else [])]
    with system.open_input_file(shard.file) as stream:
        groups = pq.ParquetFile(stream).read_row_groups(range(*shard.row_groups), columns=columns)
    table = groups.slice(shard.start, shard.rows)
    texts = [text or "" for text in table.column(screen.smiles_column).cast(pa.string()).to_pylist()]
    made: dict[str, Any] = {"row": np.arange(shard.first, shard.first + len(texts))}
    if screen.id_column:
        made["id"] = table.column(screen.id_column).cast(shard.id_type)
    made["smiles"] = pa.array(texts, pa.string())
    result = _Columns(len(texts), bundles)
    predictor = Predictor(limits or Limits())
    for start in range(0, len(texts), CHUNK):
        for row, answer in enumerate(predictor.predict(bundles, texts[start : start + CHUNK]), start):
            result.fill(row, answer)
    made["error"] = pa.array(result.errors, pa.string())
    made["notes"] = pa.array(result.notes, pa.string())
    return pa.table({**made, **result.columns()})


class _Columns:
    """The columns of a result while they are filled."""

    def __init__(self, rows: int, bundles: Mapping[str, Bundle]) -> None:
        self.errors: list[str | None] = [None] * rows
        self.notes: list[str | None] = [None] * rows
        self._bundles = bundles
        self._numbers = {name: np.full((6, rows), np.nan, dtype=np.float32) for name in bundles}
        self._levels: dict[str, list[str | None]] = {name: [None] * rows for name in bundles}

    def fill(self, row: int, answer: Answer) -> None:
        """Write what was predicted of one molecule, or why nothing was."""
        if isinstance(answer, Fault):
            self.errors[row] = answer.code
            return
        notes = dict.fromkeys(note.detail for estimate in answer.values() for note in estimate.notes)
        self.notes[row] = "; ".join(notes) or None
        for fault in answer.faults.values():
            self.errors[row] = fault.code
        for name, estimate in answer.items():
            ends = (estimate.lower, estimate.upper)
            numbers = (estimate.value, *ends, estimate.similarity, float(estimate.inside), estimate.usual_error)
            if any(number is not None and abs(number) > LARGEST for number in numbers):
                self.errors[row] = "prediction-failed"
            else:
                self._numbers[name][:, row] = [np.nan if number is None else number for number in numbers]
                self._levels[name][row] = estimate.reliability

    def columns(self) -> dict[str, Json]:
        import pyarrow as pa

        columns: dict[str, Any] = {}
        for name, (value, low, high, similarity, inside, usual) in self._numbers.items():
            columns[name] = pa.array(value, mask=np.isnan(value))
            if self._bundles[name].manifest.target.task != "binary":
                columns[f"{name}_low"] = pa.array(low, mask=np.isnan(low))
                columns[f"{name}_high"] = pa.array(high, mask=np.isnan(high))
            columns[f"{name}_similarity"] = pa.array(similarity, mask=np.isnan(similarity))
            columns[f"{name}_inside"] = pa.array(inside == 1, mask=np.isnan(inside))
            columns[f"{name}_reliability"] = pa.array(self._levels[name], pa.string())
            columns[f"{name}_usual_error"] = pa.array(usual, mask=np.isnan(usual))
        return columns
