"""Features on disk, in one folder per featurizer and signature: changed code never finds old numbers.

Belongs here: signing featurizers, naming their folders, and clearing what is old.
Does not belong here: keeping and finding rows (see `rows.py`), the featurizers.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_zoo import featurizers
from model_zoo.features.rows import FeatureRows
from model_zoo.io.digests import file_digest, json_digest
from model_zoo.provenance.records import featurizer_makers
from model_zoo.provenance.signed_code import sign, signed_files


class FeatureCache(FeatureRows):
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
        super().__init__(processes)
        self.folder, self._root = folder, code_root
        names = [name for name in featurizers.names() if name.isidentifier()]  # an editor's lock file is none
        self._code = {name: _Code.of(name, code_root) for name in names}

    def place(self, name: str) -> Path:
        """Return the folder of a featurizer's rows."""
        return self.folder / f"{name}-{self._code[name].signature}"

    def may_keep(self, name: str) -> bool:
        """Return whether the files are those that were signed."""
        return self._code[name].is_unchanged(self._root)


@dataclass(frozen=True)
class _Code:
    """A featurizer's signature, and the content of its files when that was computed."""

    signature: str
    files: Mapping[str, str]

    @classmethod
    def of(cls, name: str, root: Path) -> _Code:
        makers = featurizer_makers(name)
        signed = sign(makers, root)
        digest = json_digest({part: signed[part] for part in ("code", "library")})
        return cls(digest[:16], {path: file_digest(root / path) for path in signed_files(makers, root)})

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
