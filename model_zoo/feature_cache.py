"""Features on disk by content: a molecule is featurized once for all endpoints, benchmark sets and runs.

Belongs here: keeping and finding rows of features by (featurizer's signature, standardised SMILES), spreading what is
missing over processes, and clearing what is old.
Does not belong here: the featurizers.

A featurizer has one folder per signature of its code and libraries, so that changed code never finds old numbers. Its
files are written once, each under a temporary name and then renamed: writers side by side at worst store a molecule
twice, and a killed one leaves nothing that is read. A file holds digests of SMILES and rows of numbers: no structures,
and no pickle. One that cannot be read counts as absent.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, signature
from model_zoo.digests import file_digest
from model_zoo.molecules import Molecule

KEY_BYTES = 16
CHUNK = 250
WORTH_A_PROCESS = 1000
"""Molecules that must be missing before processes are started: each costs about a second to begin."""
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

_log = logging.getLogger(__name__)


class FeatureCache:
    """A folder of features.

    Parameters
    ----------
    folder
        Holds `<featurizer>-<signature>/<content>.npz`.
    code_root
        Folder that holds the first-party packages whose code is signed: now, while it is the code that is loaded.
    processes
        How many featurize at once where many molecules are missing.
    """

    def __init__(self, folder: Path, code_root: Path, processes: int = 1) -> None:
        self.folder, self._root, self._processes = folder, code_root, processes
        self._code = {name: _Code.of(name, code_root) for name in featurizers.names()}

    def featurize(self, name: str, molecules: Sequence[Molecule]) -> NDArray[Any]:
        """Give what `featurizers.get(name).featurize(molecules)` gives, computing only what is not on disk.

        Returns
        -------
        ndarray
            `n x d`, a row per molecule in the order given, equal to the last bit however it came about.
        """
        featurizer = featurizers.get(name)
        if not molecules:
            return featurizer.featurize(molecules)
        code = self._code[name]
        place = self.folder / f"{name}-{code.signature}"
        keys = [_key(molecule.smiles) for molecule in molecules]
        rows = _read(place, set(keys))
        missing = {key: molecule for key, molecule in zip(keys, molecules, strict=True) if key not in rows}
        if missing:
            computed = self._compute(name, list(missing.values()))
            if code.is_unchanged(self._root):  # else nobody can say which code computed them
                _write(place, list(missing), computed)
            rows.update(zip(missing, computed, strict=True))
        return np.stack([rows[key] for key in keys])

    def joined(self, names: Sequence[str], molecules: Sequence[Molecule]) -> NDArray[Any]:
        """Give the columns of several featurizers, side by side."""
        return featurizers.join([self.featurize(name, molecules) for name in names])

    def _compute(self, name: str, molecules: Sequence[Molecule]) -> NDArray[Any]:
        featurizer = featurizers.get(name)
        if self._processes < 2 or len(molecules) < WORTH_A_PROCESS:
            return featurizer.featurize(molecules)
        texts = [molecule.smiles for molecule in molecules]
        chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        return np.concatenate(list(_spread(name, chunks, self._processes)))


@dataclass(frozen=True)
class _Code:
    """A featurizer's signature, and the content of its files when that was computed."""

    signature: str
    files: Mapping[str, str]

    @classmethod
    def of(cls, name: str, root: Path) -> _Code:
        modules = [f"model_zoo.featurizers.{name}"]
        code, libraries = signature.code_part(modules, root), signature.library_part(modules, root)
        digest = signature.signature({"code": dict(code), "library": dict(libraries)})[:16]
        return cls(digest, {path: file_digest(root / path) for path in code})

    def is_unchanged(self, root: Path) -> bool:
        return all((root / path).is_file() and file_digest(root / path) == kept for path, kept in self.files.items())


def prune(folder: Path, *, days: int, limit_bytes: int) -> int:
    """Delete files not read for a number of days, and the longest unread ones above a size; give how many.

    Temporary files that killed writers left go after a day.
    """
    now = time.time()
    files = sorted((file for file in folder.glob("*/*") if file.is_file()), key=lambda file: -file.stat().st_mtime)
    total = doomed = 0
    for file in files:
        known = file.stat()
        total += known.st_size
        age_days = (now - known.st_mtime) / 86400
        if total > limit_bytes or age_days > (days if file.suffix == ".npz" else 1):
            file.unlink(missing_ok=True)
            doomed += 1
    for place in folder.glob("*/"):
        if not any(place.iterdir()):
            shutil.rmtree(place, ignore_errors=True)
    return doomed


def _key(smiles: str) -> bytes:
    return hashlib.sha256(smiles.encode()).digest()[:KEY_BYTES]


def _read(place: Path, wanted: set[bytes]) -> dict[bytes, NDArray[Any]]:
    """Give the rows that are on disk, by key."""
    rows: dict[bytes, NDArray[Any]] = {}
    for file in sorted(place.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as content:
                keys = [key.tobytes() for key in content["keys"]]
                found = {key: row for row, key in enumerate(keys) if key in wanted and key not in rows}
                if found:
                    matrix = content["rows"]
                    rows.update({key: matrix[row] for key, row in found.items()})
                    os.utime(file)  # tells `prune` that it is of use
        except UNREADABLE as error:
            _log.warning("%s: not readable, computed anew: %s", file.name, error)
    return rows


def _write(place: Path, keys: Sequence[bytes], matrix: NDArray[Any]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    packed = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), KEY_BYTES)
    content = hashlib.sha256(packed.tobytes()).hexdigest()[:32]
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=place)
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, keys=packed, rows=matrix)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(place / f"{content}.npz")
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _spread(name: str, chunks: Sequence[Sequence[str]], processes: int) -> Iterator[NDArray[Any]]:
    """Featurize chunks in processes of their own, in order.

    Fresh ones, never forks: the process that asks may have threads, and a fork of those can hang.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_featurize_texts, [name] * len(chunks), chunks)


def _featurize_texts(name: str, texts: Sequence[str]) -> NDArray[Any]:
    """Featurize standardised SMILES; reading one back gives the molecule that standardising gave."""
    from rdkit import Chem

    return featurizers.get(name).featurize([Molecule(text, Chem.MolFromSmiles(text)) for text in texts])
