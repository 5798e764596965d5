"""Screening: every row of a library has its place in the result, whatever is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from model_zoo.bundles.reader import Bundle, load_bundle
from model_zoo.config.files import load_screens
from model_zoo.config.screen import Screen
from model_zoo.errors import ConfigError, DataError
from model_zoo.inference.screening import find_shards, open_place, predict_shard
from tests.bundle_factory import write

SMILES = ["CCO", "not a molecule", "", None, "c1ccccc1", "C" * 601, "CCO.[Na+]", "[Xx]"]


def library(folder: Path, smiles: list[str | None], *, group: int = 3, name: str = "a.parquet") -> Path:
    """Write a library in small row groups."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [f"Z{index}" for index in range(len(smiles))]
    pq.write_table(pa.table({"id": numbers, "smiles": smiles, "price": [1.0] * len(smiles)}), folder / name, group)
    return folder


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Bundle]:
    """Return a regression and a binary champion."""
    write(tmp_path / "one", onnx_bias=0.5)
    write(tmp_path / "two", endpoint="bbb", value=0.8, binary=True)
    return {"solubility_logs": load_bundle(tmp_path / "one"), "bbb": load_bundle(tmp_path / "two")}


def screen(folder: Path, **fields: Any) -> Screen:
    """Return a screen of a library."""
    return Screen(name="s", description="s", library=str(folder), **fields)


def test_every_row_has_its_place(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    """Shards cover the library once and in order; bad molecules have a code and no numbers."""
    library(tmp_path / "lib", SMILES)
    library(tmp_path / "lib", ["CCN"], name="b.parquet")
    wanted = screen(tmp_path / "lib", id_column="id", rows_per_shard=2)
    shards, _ = find_shards(wanted)
    assert [(shard.first, shard.rows) for shard in shards] == [(0, 2), (2, 1), (3, 2), (5, 1), (6, 2), (8, 1)]

    table = pa.concat_tables([predict_shard(wanted, shard, bundles) for shard in shards])
    assert table.column("row").to_pylist() == list(range(9))
    assert table.column("id").to_pylist() == [*(f"Z{index}" for index in range(8)), "Z0"]
    assert table.column("smiles").to_pylist() == [text or "" for text in [*SMILES, "CCN"]]
    errors = table.column("error").to_pylist()
    assert [code is not None for code in errors] == [False, True, True, True, False, True, False, True, False]
    for name in ("solubility_logs", "solubility_logs_low", "solubility_logs_similarity", "bbb", "bbb_inside"):
        values = table.column(name).to_pylist()
        assert [value is None for value in values] == [code is not None for code in errors], name
    assert "bbb_low" not in table.column_names
    assert "price" not in table.column_names


def test_tiny_row_groups_share_a_shard(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    """A file of one row in each group, as streaming writers leave them, is a shard or two, each row at its place."""
    rows: list[str | None] = ["C" * (1 + index) for index in range(8)]
    library(tmp_path / "tiny", rows, group=1)
    library(tmp_path / "whole", rows, group=8)
    tiny, whole = (screen(tmp_path / name, rows_per_shard=5) for name in ("tiny", "whole"))
    (shards, identity), (plain, known) = find_shards(tiny), find_shards(whole)
    assert [(shard.first, shard.rows) for shard in shards] == [(shard.first, shard.rows) for shard in plain]
    assert [(shard.first, shard.rows) for shard in shards] == [(0, 5), (5, 3)]
    assert ("joined" in identity, "joined" in known) == (True, False)
    tables = [
        pa.concat_tables([predict_shard(each, shard, bundles) for shard in some])
        for each, some in ((tiny, shards), (whole, plain))
    ]
    assert tables[0].equals(tables[1])


def test_numbers_are_those_of_the_bundle(tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    """A screen says what the service says of the same molecules."""
    from model_zoo.chemistry.molecules import Molecule, parse_molecule

    library(tmp_path / "lib", ["CCO", "c1ccccc1C"])
    wanted = screen(tmp_path / "lib")
    (shard,) = find_shards(wanted)[0]
    table = predict_shard(wanted, shard, bundles)
    bundle = bundles["solubility_logs"]
    molecules = [parse_molecule(text, bundle.manifest.standardise) for text in ("CCO", "c1ccccc1C")]
    expected = bundle.predict([item for item in molecules if isinstance(item, Molecule)])
    assert table.column("solubility_logs").to_pylist() == pytest.approx(expected.value, rel=1e-6)
    assert table.column("solubility_logs_low").to_pylist() == pytest.approx(expected.lower, rel=1e-6)


def test_a_number_that_is_not_finite_is_an_error_and_costs_no_other_endpoint(tmp_path: Path) -> None:
    """Neither infinity nor an empty cell without a reason: the row says so, and other endpoints keep their values."""
    write(tmp_path / "one", onnx_bias=0.0, onnx_weights=[3e36])
    write(tmp_path / "two", endpoint="bbb", value=0.8, binary=True)
    both = {"bad": load_bundle(tmp_path / "one"), "good": load_bundle(tmp_path / "two")}
    library(tmp_path / "lib", ["CCO", "C" * 20, "CCO.[Na+].[Cl-]"])
    wanted = screen(tmp_path / "lib")
    table = predict_shard(wanted, find_shards(wanted)[0][0], both)

    assert table.column("error").to_pylist() == [None, "prediction-failed", None]
    for column in ("bad", "bad_low", "bad_high", "bad_similarity"):
        assert [value is None for value in table.column(column).to_pylist()] == [False, True, False]
    assert table.column("good").to_pylist() == pytest.approx([0.8] * 3)
    assert "left out" in str(table.column("notes").to_pylist()[2])


def test_what_writers_leave_beside_the_data_is_passed_over(tmp_path: Path) -> None:
    """Unfinished copies of Spark and resource forks of macOS are no molecules."""
    folder = library(tmp_path / "lib", ["CCO"])
    known = find_shards(screen(folder))
    library(folder / "_temporary" / "0", ["CCC", "CCN"])
    (folder / "._a.parquet").write_text("no data")
    assert find_shards(screen(folder)) == known

    library(folder / "part=1", ["CCC"])
    shards, identity = find_shards(screen(folder))
    assert [(Path(shard.file).parent.name, shard.first) for shard in shards] == [("lib", 0), ("part=1", 1)]
    assert len(identity["files"]) == 2


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((pa.int32(), pa.int64()), pa.int64()),
        ((pa.null(), pa.string()), pa.string()),
        ((pa.dictionary(pa.int32(), pa.string()), pa.string()), pa.string()),
        ((pa.int64(), pa.string()), None),
    ],
)
def test_ids_of_all_shards_are_of_one_type(
    tmp_path: Path, bundles: dict[str, Bundle], kinds: tuple[pa.DataType, ...], expected: pa.DataType | None
) -> None:
    """Else the result cannot be read as one table; where no type holds all, that is said before any work."""
    for name, kind in zip("ab", kinds, strict=True):
        value = None if kind == pa.null() else 7 if pa.types.is_integer(kind) else "7"
        folder = tmp_path / "lib" / f"part={name}"
        folder.mkdir(parents=True)
        made = pa.table({"id": pa.array([value]).cast(kind), "smiles": ["CCO"]})
        pq.write_table(made, folder / "data.parquet")
    wanted = screen(tmp_path / "lib", id_column="id")
    if expected is None:
        with pytest.raises(DataError, match=r"expected ids of one type in 'id', got int64 in .*a.* and string in .*b"):
            find_shards(wanted)
        return
    tables = [predict_shard(wanted, shard, bundles) for shard in find_shards(wanted)[0]]
    assert pa.concat_tables(tables).column("id").type == expected


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    """No files, another kind of file, a column that is not there: each says what came."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected Parquet files"):
        find_shards(screen(tmp_path / "empty"))
    (tmp_path / "empty" / "x.parquet").write_text("no parquet")
    with pytest.raises(DataError, match=r"x\.parquet is no Parquet file"):
        find_shards(screen(tmp_path / "empty"))
    library(tmp_path / "lib", ["CCO"])
    with pytest.raises(DataError, match="expected a column 'structure', got id, smiles, price"):
        find_shards(screen(tmp_path / "lib", smiles_column="structure"))
    with pytest.raises(ConfigError, match="expected a path or s3"):
        open_place("ftp2://somewhere/else")


def test_screens_are_read_from_their_folder(tmp_path: Path) -> None:
    """A folder that is not there holds no screens; a fault names the file."""
    assert load_screens(tmp_path / "none") == {}
    path = tmp_path / "enamine.yaml"
    path.write_text(yaml.safe_dump({"name": "enamine", "description": "x", "library": "/lib"}))
    assert load_screens(tmp_path)["enamine"].rows_per_shard == 20_000
    path.write_text("name: other\ndescription: x\nlibrary: /lib\n")
    with pytest.raises(ConfigError, match=r"enamine\.yaml: expected name: enamine"):
        load_screens(tmp_path)
    path.write_text("name: enamine\nlibrary: /lib\n")
    with pytest.raises(ConfigError, match=r"(?s)enamine\.yaml.*description"):
        load_screens(tmp_path)
