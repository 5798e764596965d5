"""Blocks of features on disk: every bit comes back, and large sets are worked on in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_zoo import featurizers
from model_zoo.chemistry import stored_molecules
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.stored_molecules import StoredMolecules
from model_zoo.features import rows
from model_zoo.features.blocks import compact, read_blocks, width_of, write_block
from model_zoo.features.cache import FeatureCache
from model_zoo.type_aliases import Numbers

ROOT = Path(__file__).parents[4]
AWKWARD: dict[str, Any] = {
    "counts": np.array([[0, 1, 255]], dtype=np.float32),
    "more than a byte": np.array([[0, 256]], dtype=np.float32),
    "fractions": np.array([[0.1, 0.3 + 0.3 + 0.3]], dtype=np.float32),
    "a zero with a sign": np.array([[-0.0, 1.0]], dtype=np.float32),
    "no numbers": np.array([[np.nan, np.inf, 1.0]], dtype=np.float32),
    "negative": np.array([[-1.0, 3.0]], dtype=np.float64),
    "tokens": np.array([[0, 300, 7]], dtype=np.int64),
    "small tokens": np.array([[0, 30, 7]], dtype=np.int64),
    "no rows": np.empty((0, 3), dtype=np.float32),
    "columns apart": np.arange(12, dtype=np.float32).reshape(3, 4).T,
}


@pytest.mark.parametrize("name", AWKWARD)
def test_every_bit_comes_back(tmp_path: Path, name: str) -> None:
    """Type, shape and bits of one block; two side by side are what joining them gives."""
    matrix = AWKWARD[name]
    write_block(tmp_path / "one", matrix)
    found = read_blocks([tmp_path / "one"])[:]
    assert (found.dtype, found.shape, found.tobytes()) == (matrix.dtype, matrix.shape, matrix.tobytes())
    assert width_of(tmp_path / "one") == matrix.shape[1]

    other = np.full((len(matrix), 2), 0.5, dtype=np.float32)
    write_block(tmp_path / "two", other)
    joined = featurizers.join([matrix, other])
    both = read_blocks([tmp_path / "one", tmp_path / "two"])[:]
    assert (both.dtype, both.tobytes()) == (joined.dtype, joined.tobytes())


def test_rows_are_those_of_the_whole(tmp_path: Path) -> None:
    """By a part, a mask, or places in any order: what the joined matrix gives."""
    one: Numbers = np.arange(30, dtype=np.float32).reshape(10, 3)
    known: dict[str, Numbers] = {"one": one, "two": np.linspace(0, 1, 20).reshape(10, 2)}
    for name, matrix in known.items():
        write_block(tmp_path / name, matrix)
    for names in (["one"], ["two"], ["one", "two"]):
        whole = featurizers.join([known[name] for name in names])
        found = read_blocks([tmp_path / name for name in names])
        assert (found.shape, len(found)) == (whole.shape, 10)
        for part in (slice(2, 5), slice(9, 40), np.arange(10) % 3 == 0, np.array([7, 1, 1]), np.zeros(10) > 0):
            assert (found[part].dtype, found[part].tolist()) == (whole.dtype, whole[part].tolist())


def test_counts_take_a_byte_each() -> None:
    """What a fingerprint counts is a quarter as large in memory, before it is compressed."""
    matrix = featurizers.get("morgan_count").featurize(StoredMolecules(["CCO", "c1ccccc1C"]))
    assert compact(matrix).nbytes * 4 == matrix.nbytes


def test_a_large_set_is_kept_in_parts_and_parsed_as_little_as_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed between two parts continues after the first; what is on disk needs no parsing; repeats
    and order over the edges of parts are kept.
    """
    parsed: list[str] = []
    real = stored_molecules._parsed

    def watched(smiles: str) -> Molecule:
        parsed.append(smiles)
        return real(smiles)

    monkeypatch.setattr(stored_molecules, "_parsed", watched)
    monkeypatch.setattr(rows, "BLOCK", 4)
    texts = ["CCO", "CCN", "CCO", "c1ccccc1", "CCN", "CCCC", "CCF", "CCO", "CCS", "CCCC"]
    cache, molecules = FeatureCache(tmp_path, ROOT), StoredMolecules(texts)
    write, written = rows._write, list[object]()

    def killed(*given: Any) -> None:
        if written:
            raise KeyboardInterrupt
        write(*given)
        written.append(given)

    with monkeypatch.context() as patch:
        patch.setattr(rows, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.featurize("erg", molecules)
    parsed.clear()
    expected = featurizers.get("erg").featurize([real(text) for text in texts])
    assert cache.featurize("erg", molecules).tobytes() == expected.tobytes()
    assert sorted(parsed) == ["CCCC", "CCF", "CCS"]
    parsed.clear()
    assert cache.featurize("erg", molecules).tobytes() == expected.tobytes()
    assert parsed == []


def test_stored_molecules_are_a_sequence() -> None:
    """Length, order, parts and single ones are those of the texts."""
    known = StoredMolecules(["CCO", "CCN", "CCC"])
    assert [each.smiles for each in known[1:]] == ["CCN", "CCC"]
    assert known[-1].smiles == "CCC"
    assert known[::-1].smiles == ("CCC", "CCN", "CCO")
    assert "mol" in known[0].__slots__
    with pytest.raises(IndexError):
        known[3]
