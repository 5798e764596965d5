"""Where measurements come from: one interface over package files, CSV, DVC-tracked files and benchmark folders.

Belongs here: finding the files of a source, their digests, and reading them into one raw table.
Does not belong here: what a file of some format holds (see `source_files.py`), judging a row (see `curation.py`),
choosing a split (see `splits.py`).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_zoo.data.source_files import RAW_COLUMNS, Layout, raw, read_file, records
from model_zoo.data.tables.form import Form, Format
from model_zoo.errors import DataError
from model_zoo.io.digests import file_digest

if TYPE_CHECKING:
    import pandas as pd


class SourceFile(BaseModel):
    """One file of a source that is laid out otherwise than the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    format: Format | None = None
    encoding: Literal["utf-8", "utf-16", "cp1252", "latin-1"] | None = None
    delimiter: str | None = None
    header: bool | None = None
    skip_rows: int | None = Field(default=None, ge=0)
    sheet: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal["", ",", ".", " ", "'"] | None = None
    smiles_column: str | None = None
    value_column: str | None = None
    relation_column: str | None = None
    unit: str | None = None
    unit_column: str | None = None
    date_column: str | None = None
    group_column: str | None = None
    split_column: str | None = None
    split: Literal["train", "test"] | None = None
    where: dict[str, str | tuple[str, ...]] | None = None
    values_file: str | None = None
    id_column: str | None = None


File = str | SourceFile


class _Files(Layout):
    """Files, and how they are laid out."""

    files: tuple[File, ...] = Field(min_length=1)
    """Names of files, or, for one that is laid out otherwise, its name as `file` with what differs."""

    @model_validator(mode="after")
    def _each_layout(self) -> Self:
        _ = self.layouts
        return self

    @property
    def layouts(self) -> dict[str, Layout]:
        """How each file is laid out, by its name."""
        shared = {name: getattr(self, name) for name in Layout.model_fields}
        found: dict[str, Layout] = {}
        for item in self.files:
            own = {} if isinstance(item, str) else item.model_dump(exclude={"file"}, exclude_none=True)
            fields = dict(shared)
            if own.keys() & {"unit", "unit_column"}:
                fields |= {"unit": None, "unit_column": None}
            if own.get("format", "smi") != "smi":
                fields |= {"values_file": None, "id_column": None}
            name = item if isinstance(item, str) else item.file
            if name in found:
                raise ValueError(f"files: expected each file once, got {name!r} twice")
            found[name] = Layout.model_validate({**fields, **own})
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files, those that hold the values of others last."""
        layouts = self.layouts
        values = (layout.values_file for layout in layouts.values() if layout.values_file is not None)
        return tuple(dict.fromkeys((*layouts, *values)))


class PackageSource(_Files):
    """Files inside an installed package, located without importing it."""

    kind: Literal["package"]
    package: str = Field(pattern=r"^[A-Za-z_]\w*$")
    """A top-level package: to locate one inside another, Python would import the outer one."""

    def paths(self, root: Path) -> dict[str, Path]:
        """Return the files by a name that does not depend on the machine."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise DataError(
                f"the package {self.package!r} is not installed; it holds the measurements. Run `make setup`."
            )
        folder = Path(next(iter(spec.submodule_search_locations)))
        return {f"{self.package}/{name}": folder / name for name in self.names}

    def digests(self, root: Path) -> dict[str, str]:
        """Return the SHA-256 of each file."""
        return {name: file_digest(_existing(path)) for name, path in self.paths(root).items()}


class CsvSource(_Files):
    """Files in the checkout (or anywhere, by absolute path)."""

    kind: Literal["csv"]

    def paths(self, root: Path) -> dict[str, Path]:
        """Return the files by their names in the configuration."""
        return {name: root / name for name in self.names}

    def digests(self, root: Path) -> dict[str, str]:
        """Return the SHA-256 of each file."""
        return {name: file_digest(_existing(path)) for name, path in self.paths(root).items()}


class DvcSource(CsvSource):
    """Files tracked by DVC: their digests are those of the `.dvc` pointers, so nothing is pulled to compare."""

    kind: Literal["dvc"]  # type: ignore[assignment]

    def digests(self, root: Path) -> dict[str, str]:
        """Return the hash that each `.dvc` pointer records."""
        return {name: f"md5:{pointer_md5(path)}" for name, path in self.paths(root).items()}


class BenchmarkSource(BaseModel):
    """One set of a benchmark folder: `<folder>/<set>/train_val.csv` and `test.csv` (`Drug_ID,Drug,Y`).

    The pipeline's folder is named by the environment variable `AIDRUG_BENCHMARK_FOLDER`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["benchmark"]
    set: str

    def paths(self, root: Path) -> dict[str, Path]:
        """Return the two official files."""
        return {f"{self.set}/{part}.csv": root / self.set / f"{part}.csv" for part in ("train_val", "test")}

    def digests(self, root: Path) -> dict[str, str]:
        """Return the SHA-256 of each file."""
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
            for number, cells in records(_existing(path), Form("csv"), ("Drug", "Y")):
                rows.append(raw(name, number, cells["Drug"], cells["Y"], split=part))
    else:
        if isinstance(source, DvcSource):
            for path in paths.values():
                require_pulled(path)
        inside = f"{source.package}/" if isinstance(source, PackageSource) else ""
        for name, layout in source.layouts.items():
            values = None if layout.values_file is None else _existing(paths[inside + layout.values_file])
            key = inside + name
            rows.extend(read_file(_existing(paths[key]), key, layout, values))
    return pd.DataFrame(rows, columns=list(RAW_COLUMNS))


def require_there(source: PackageSource | CsvSource | DvcSource | BenchmarkSource, root: Path) -> None:
    """Refuse a source of which a file, or its `.dvc` pointer, is not there.

    Raises
    ------
    DataError
        With what is missing.
    """
    for path in source.paths(root).values():
        if isinstance(source, DvcSource):
            pointer_md5(path)
        else:
            _existing(path)


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
    """Refuse a DVC-tracked file that is absent or differs from its pointer."""
    expected = pointer_md5(path)
    if not path.is_file():
        raise DataError(f"{path}: tracked by DVC but not here. Run `aidrug data pull`.")
    got = file_digest(path, "md5")
    if got != expected:
        raise DataError(
            f"{path}: its content (md5 {got}) differs from its DVC pointer (md5 {expected}). Run `aidrug data add` to "
            "track the change, or delete the file and run `aidrug data pull` to take it back."
        )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: expected a file of measurements, got none")
    return path
