"""Features on disk: computed once, found again to the last bit, never found under other code."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.features import rows
from model_zoo.features.cache import FeatureCache, prune
from model_zoo.provenance.signature import forget

ROOT = Path(__file__).parents[4]


def molecules(*texts: str) -> list[Molecule]:
    """Parse some SMILES."""
    return [molecule for molecule in map(parse_molecule, texts) if isinstance(molecule, Molecule)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a copy of the code, to be edited."""
    shutil.copytree(ROOT / "model_zoo", tmp_path / "model_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record every molecule that is really featurized."""
    from model_zoo.featurizers import erg

    seen: list[str] = []
    real = erg.featurize

    def watched(wanted: Sequence[Molecule]) -> NDArray[np.float32]:
        seen.extend(molecule.smiles for molecule in wanted)
        return real(wanted)

    monkeypatch.setattr(erg, "featurize", watched)
    return seen


def test_a_molecule_is_featurized_once(root: Path, computed: list[str]) -> None:
    """Rows come in the order asked for, equal to the last bit, and only new molecules are computed."""
    some, more = molecules("CCO", "c1ccccc1", "CCO"), molecules("CCN", "CCO", "CCC")
    first = FeatureCache(root / "cache", root).featurize("erg", some)
    assert computed == ["CCO", "c1ccccc1"]
    second = FeatureCache(root / "cache", root).featurize("erg", more)

    assert computed == ["CCO", "c1ccccc1", "CCN", "CCC"]
    for got, asked in ((first, some), (second, more)):
        expected = featurizers.get("erg").featurize(asked)
        assert got.dtype == expected.dtype
        assert got.tobytes() == expected.tobytes()


def test_changed_code_finds_nothing_old(root: Path, computed: list[str]) -> None:
    """An edit to a featurizer computes again; an edit to another one does not; going back finds the old numbers."""
    asked = molecules("CCO")
    FeatureCache(root / "cache", root).featurize("erg", asked)
    path = root / "model_zoo" / "featurizers" / "erg.py"
    before = path.read_text(encoding="utf-8")
    for text, expected in ((before + "\nassert 1\n", 2), (before, 2)):
        path.write_text(text, encoding="utf-8")
        forget()
        FeatureCache(root / "cache", root).featurize("erg", asked)
        assert len(computed) == expected
    with (root / "model_zoo" / "featurizers" / "tokens.py").open("a", encoding="utf-8") as stream:
        stream.write("\nassert 1\n")
    forget()
    FeatureCache(root / "cache", root).featurize("erg", asked)
    assert len(computed) == 2


def test_code_that_changed_meanwhile_keeps_nothing(root: Path, computed: list[str]) -> None:
    """Numbers are kept only while the files are those that were signed."""
    cache, asked = FeatureCache(root / "cache", root), molecules("CCO")
    with (root / "model_zoo" / "featurizers" / "erg.py").open("a", encoding="utf-8") as stream:
        stream.write("\nassert 1\n")
    assert cache.featurize("erg", asked).tobytes() == featurizers.get("erg").featurize(asked).tobytes()
    assert not list((root / "cache").rglob("*.npz"))


def test_a_damaged_file_is_computed_anew(root: Path, computed: list[str]) -> None:
    """Half a file, as a full disk leaves it, costs time and changes no number; a temporary one is not looked at."""
    cache, asked = FeatureCache(root / "cache", root), molecules("CCO", "CCN")
    expected = cache.featurize("erg", asked)
    (file,) = (root / "cache").rglob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    (file.parent / ".x.part").write_bytes(b"half")

    assert cache.featurize("erg", asked).tobytes() == expected.tobytes()
    assert cache.featurize("erg", asked).tobytes() == expected.tobytes()
    assert len(computed) == 4


def test_no_structure_is_kept(root: Path) -> None:
    """The files hold digests and numbers."""
    FeatureCache(root / "cache", root).featurize("erg", molecules("CC(=O)Oc1ccccc1C(=O)O"))
    (file,) = (root / "cache").rglob("*.npz")

    with np.load(file, allow_pickle=False) as content:
        assert sorted(content) == ["compact", "dtype", "keys"]
        assert (content["keys"].dtype, content["keys"].shape) == (np.uint8, (1, 16))


def test_no_molecule_gives_no_row(root: Path) -> None:
    """An empty list gives an empty matrix of the right width."""
    assert FeatureCache(root / "cache", root).featurize("erg", []).shape == (0, 315)


def test_processes_give_the_same_bits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spread over two processes, the order and every bit stay."""
    monkeypatch.setattr(rows, "WORTH_A_PROCESS", 10)
    monkeypatch.setattr(rows, "CHUNK", 7)
    asked = molecules(*("C" * size + tail for size in range(1, 10) for tail in "ONF"))
    got = FeatureCache(root / "cache", root, processes=2).featurize("morgan_count", asked)

    assert got.tobytes() == featurizers.get("morgan_count").featurize(asked).tobytes()


def test_old_and_excess_files_are_cleared(root: Path) -> None:
    """What was not read for long goes, the longest unread first when there is too much, and leftovers after a day."""
    folder = root / "cache"
    cache = FeatureCache(folder, root)
    for text in ("CCO", "CCN", "CCC"):
        cache.featurize("erg", molecules(text))
    files = sorted(folder.rglob("*.npz"), key=lambda file: file.stat().st_mtime)
    now = time.time()
    for age_days, file in zip((90, 5, 0), files, strict=True):
        os.utime(file, (now - age_days * 86400,) * 2)
    leftover = files[0].parent / ".y.part"
    leftover.write_bytes(b"")
    os.utime(leftover, (now - 2 * 86400,) * 2)

    assert prune(folder, days=60, limit_bytes=10**9) == 2
    assert [file.exists() for file in files] == [False, True, True]
    assert prune(folder, days=60, limit_bytes=files[2].stat().st_size) == 1
    assert [file.exists() for file in files] == [False, False, True]
    assert prune(folder, days=60, limit_bytes=0) == 1
    assert not any(folder.iterdir())


def test_what_was_asked_for_before_is_found_in_one_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others have left files, the molecules of an endpoint are found without opening theirs."""
    cache, opened = FeatureCache(root / "cache", root), list[str]()
    for carbons in range(1, 30):
        cache.featurize("erg", molecules("C" * carbons, "C" * carbons + "O"))
    real = np.load

    def counted(file: Path, **options: Any) -> object:
        opened.append(file.name)
        return real(file, **options)

    monkeypatch.setattr(np, "load", counted)
    cache.featurize("erg", molecules("CCCCC", "CCCCCO", "CCCCC"))
    assert len(opened) == 1


def test_a_damaged_row_of_a_file_is_not_taken_from_it(root: Path, computed: list[str]) -> None:
    """A file that cannot be read whole gives nothing, and what it held is found elsewhere or computed."""
    cache = FeatureCache(root / "cache", root)
    asked = molecules("CCO", "CCN")
    expected = cache.featurize("erg", asked)
    (file,) = cache.place("erg").glob("*.npz")
    file.write_bytes(file.read_bytes()[:-40])
    computed.clear()
    assert cache.featurize("erg", asked).tobytes() == expected.tobytes()
    assert computed == ["CCO", "CCN"]
