"""From the name of a bundle store to the store itself.

Belongs here: deciding which kind of store a text means. Dagster's side uses it too, so it does not import Litestar.
Does not belong here: the stores (see `model_zoo/bundles/store.py` and `s3_store.py`).
"""

from __future__ import annotations

from pathlib import Path

from model_zoo.bundles.store import FolderStore, Store
from model_zoo.io.s3_address import s3_address
from serving.storage.s3_store import S3Store


def open_store(url_or_path: str | Path, cache_folder: Path) -> Store:
    """Open the store that a folder or an `s3://bucket/prefix` names. Nothing is contacted yet.

    Raises
    ------
    ConfigError
        When it is a URL of another kind, or names no bucket.

    Examples
    --------
    >>> open_store("/srv/store", Path("/tmp/cache"))
    FolderStore('/srv/store')
    """
    address = s3_address(str(url_or_path), "AIDRUG_STORE")
    if address is None:
        return FolderStore(Path(url_or_path))
    return S3Store(address.bucket, address.prefix, cache_folder)
