"""Rows of features by content: a molecule is featurized once, and its row is found again to the last bit.

Belongs here: everything about features on disk that can change a number: keeping and finding rows by the digest of a
standardised SMILES, and spreading what is missing over processes. Signatures cover it.
Does not belong here: which folder belongs to which featurizer's signature (see `cache.py`), the featurizers.

Files are written once, each under a temporary name and then renamed: writers side by side at worst store a molecule
twice, and a killed one leaves nothing that is read. A file holds digests of SMILES and rows of numbers: no structures,
and no pickle. One that cannot be read counts as absent.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.stored_molecules import StoredMolecules, smiles_of
from model_zoo.features.blocks import compact
from model_zoo.io.processes import spread
from model_zoo.type_aliases import Numbers

KEY_BYTES = 16
BLOCK = 50_000
"""Molecules of a file: of a larger set so many are computed, kept and given at once."""
CHUNK = 250
WORTH_A_PROCESS = 1000
"""Molecules that must be missing before processes are started: each costs about a second to begin."""
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

_log = logging.getLogger(__name__)


class FeatureRows:
    """Features of molecules, from disk where they are."""

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes

    def place(self, name: str) -> Path:
        """Return the folder of a featurizer's rows: another one for every code that may compute others."""
        raise NotImplementedError

    def may_keep(self, name: str) -> bool:
        """Return whether the code that is loaded is still the one that the featurizer's folder is named after."""
        raise NotImplementedError

    def featurize(self, name: str, molecules: Sequence[Molecule]) -> Numbers:
        """Return what `featurizers.get(name).featurize(molecules)` gives, computing only what is not on disk.

        Returns
        -------
        ndarray
            `n x d`, a row per molecule in the order given, equal to the last bit however it came about.
        """
        featurizer = featurizers.get(name)
        if not molecules:
            return featurizer.featurize(molecules)
        texts = smiles_of(molecules)
        whole: NDArray[Any] | None = None
        for start in range(0, len(texts), BLOCK):
            some = slice(start, start + BLOCK)
            keys = [_key(smiles) for smiles in texts[some]]
            rows = self._rows(name, keys, molecules[some])
            if whole is None:
                first = rows[keys[0]]
                whole = np.empty((len(texts), *first.shape), dtype=first.dtype)
            for row, key in enumerate(keys, start):
                whole[row] = rows[key]
        assert whole is not None
        return whole

    def _rows(self, name: str, keys: Sequence[bytes], molecules: Sequence[Molecule]) -> dict[bytes, Numbers]:
        place = self.place(name)
        rows = _read(place, list(dict.fromkeys(keys)))
        missing = {key: row for row, key in enumerate(keys) if key not in rows}
        if missing:
            whole = len(missing) == len(molecules)
            computed = self._compute(name, molecules if whole else [molecules[row] for row in missing.values()])
            if self.may_keep(name):  # else nobody can say which code computed them
                _write(place, list(missing), computed)
            rows.update(zip(missing, computed, strict=True))
        return rows

    def joined(self, names: Sequence[str], molecules: Sequence[Molecule]) -> Numbers:
        """Return the columns of several featurizers, side by side."""
        return featurizers.join([self.featurize(name, molecules) for name in names])

    def _compute(self, name: str, molecules: Sequence[Molecule]) -> Numbers:
        featurizer = featurizers.get(name)
        if self._processes < 2 or len(molecules) < WORTH_A_PROCESS:
            return featurizer.featurize(molecules)
        texts = smiles_of(molecules)
        chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        return np.concatenate(list(spread(partial(_featurize_texts, name), chunks, self._processes, least=2)))


def _key(smiles: str) -> bytes:
    return hashlib.sha256(smiles.encode()).digest()[:KEY_BYTES]


def _read(place: Path, wanted: Sequence[bytes]) -> dict[bytes, Numbers]:
    """Return the rows that are on disk, by key.

    A file is named after its keys: one that was written for the same molecules is looked at first, and once all are
    found no other is opened. Each endpoint leaves a file, and hundreds would be read for each.
    """
    rows: dict[bytes, NDArray[Any]] = {}
    missing, own = set(wanted), place / _name_of(wanted)
    for file in (own, *(each for each in sorted(place.glob("*.npz")) if each != own)):
        if not missing:
            break
        try:
            with np.load(file, allow_pickle=False) as content:
                keys = [key.tobytes() for key in content["keys"]]
                found = {key: row for row, key in enumerate(keys) if key in missing}
                if found:
                    matrix = content["compact"].astype(str(content["dtype"]), copy=False)
                    rows.update({key: matrix[row] for key, row in found.items()})
                    missing -= found.keys()
                    os.utime(file)  # shows `prune` that it is in use
        except FileNotFoundError:  # nobody asked for exactly these before, or it was pruned
            continue
        except UNREADABLE as error:
            _log.warning("%s: not readable, computed again: %s", file.name, error)
    return rows


def _name_of(keys: Sequence[bytes]) -> str:
    """Return the name of the file that holds the rows of these keys, in this order."""
    return f"{hashlib.sha256(b''.join(keys)).hexdigest()[:32]}.npz"


def _write(place: Path, keys: Sequence[bytes], matrix: Numbers) -> None:
    place.mkdir(parents=True, exist_ok=True)
    packed = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), KEY_BYTES)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=place)
    try:
        with os.fdopen(handle, "wb") as stream:
            dtype = np.array(matrix.dtype.str)
            np.savez_compressed(stream, allow_pickle=False, keys=packed, compact=compact(matrix), dtype=dtype)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(place / _name_of(keys))
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _featurize_texts(name: str, texts: Sequence[str]) -> Numbers:
    return featurizers.get(name).featurize(StoredMolecules(texts))
