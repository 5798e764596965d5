"""Names molecules in the record of use: by a digest under a key that is beside it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from model_zoo.errors import StoreError

KEY_FILE = "live.key"


class MoleculeHasher:
    """Names molecules for the record.

    Examples
    --------
    >>> namer = MoleculeHasher(b"k" * 32)
    >>> namer("CCO") == namer("CCO"), namer("CCO") == namer("CCN"), len(namer("CCO"))
    (True, False, 16)
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, smiles: str) -> bytes:
        """Return the 16 bytes that represent a standardised SMILES."""
        return hmac.new(self._key, smiles.encode(), hashlib.sha256).digest()[:16]

    @classmethod
    def of(cls, folder: Path) -> MoleculeHasher:
        """Read the key that is in a folder, made there when it is not: the first of several processes wins.

        Raises
        ------
        StoreError
            When the folder cannot be read or written, or the key is not one.
        """
        path = folder / KEY_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                draft = folder / f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
                handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as stream:
                    stream.write(secrets.token_bytes(32))
                try:
                    os.link(draft, path)
                except FileExistsError:
                    pass
                finally:
                    draft.unlink()
            key = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: the key of the live record cannot be read or made: {error.strerror}") from error
        if len(key) != 32:
            raise StoreError(
                f"{path}: expected 32 bytes, got {len(key)}; restore it from a backup, or remove it and the record "
                f"live.db beside it to begin again (the next backup then needs --take-over)"
            )
        return cls(key)
