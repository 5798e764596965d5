"""`aidrug rollback` and `aidrug promote`: another version serves, because somebody says so."""

from __future__ import annotations

from model_zoo.bundles.pointer import Pointer
from model_zoo.bundles.store import Store, read_card
from model_zoo.config.similar_names import did_you_mean
from model_zoo.errors import StoreError

from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.bundles import open_bundle_store
from ai_drug_assets.tracking import Tracking


def roll_back(settings: Settings, endpoint: str) -> str:
    """Make the previous champion current, hold the present one, and move the registry's alias; say so in a sentence.

    Raises
    ------
    StoreError
        When the endpoint serves nothing, or has no earlier champion.
    """
    store = open_bundle_store(settings)
    pointer = store.update_pointer(lambda before: before.roll_back(endpoint, by="aidrug rollback"))
    now = pointer.endpoints[endpoint]
    tell_registry(Tracking(settings), store, endpoint, now.version)
    return f"{endpoint} is served by {now.version} again; {now.blocked_version} does not return by itself"


def promote(settings: Settings, endpoint: str) -> str:
    """Make the challenger on trial current, and move the registry's alias; say so in a sentence.

    Raises
    ------
    StoreError
        When the endpoint serves nothing, or no challenger is on trial.
    """
    store = open_bundle_store(settings)

    def promoted(before: Pointer) -> Pointer:
        if endpoint not in before.names:
            known = f"endpoints that serve are {', '.join(before.endpoints) or 'none'}"
            raise StoreError(
                f"no champion serves endpoint {endpoint!r}: {known}{did_you_mean(endpoint, before.endpoints)}"
            )
        return before.promote(endpoint, by="aidrug promote")

    pointer = store.update_pointer(promoted)
    now = pointer.endpoints[endpoint]
    tell_registry(Tracking(settings), store, endpoint, now.version)
    return f"{endpoint} is served by {now.version} now; {now.superseded_version} does not return by itself"


def tell_registry(tracking: Tracking, store: Store, endpoint: str, version: str) -> None:
    """Point the registry's champion alias at the model of a version, when its run is known."""
    run_id = tracking.find_finished(read_card(store, endpoint, version).signature)
    if run_id is not None:
        tracking.set_aliases(endpoint, {"champion": run_id})
