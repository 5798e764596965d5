"""The bundle store of this installation."""

from __future__ import annotations

from model_zoo.bundles.store import Store
from serving.storage.stores import open_store

from ai_drug_assets.settings import Settings


def open_bundle_store(settings: Settings) -> Store:
    """Open the bundle store that the settings name. Nothing is contacted yet."""
    return open_store(settings.store, settings.home / "bundle_cache")
