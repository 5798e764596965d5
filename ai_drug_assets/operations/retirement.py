"""`aidrug retire`: an endpoint is served no longer, because somebody says so, and the way back."""

from __future__ import annotations

from model_zoo.config.endpoint_file import FOLDER, read_endpoints

from ai_drug_assets.operations.rollback import tell_registry
from ai_drug_assets.settings import Settings
from ai_drug_assets.storage.bundles import open_bundle_store
from ai_drug_assets.tracking import Tracking

BY = "aidrug retire"


def retire(settings: Settings, endpoint: str, reason: str) -> str:
    """Withdraw an endpoint: requests for it are answered with the date and the reason. Return a sentence.

    Raises
    ------
    StoreError
        When nothing serves it, or no reason is given.
    """
    store = open_bundle_store(settings)
    pointer = store.update_pointer(lambda before: before.withdraw(endpoint, BY, reason))
    Tracking(settings).set_aliases(endpoint, {"champion": None, "challenger": None})
    message = f"{endpoint} is no longer served: {pointer.withdrawn[endpoint].reason}. Its history is kept, and "
    message += f"`aidrug retire --undo {endpoint}` brings it back"
    if endpoint in read_endpoints(settings.configs / FOLDER).files:
        message += f"\nit is still trained: `aidrug endpoint remove {endpoint}` ends that too"
    return message


def bring_back(settings: Settings, endpoint: str) -> str:
    """Serve a withdrawn endpoint again, by what served it last; say so in a sentence.

    Raises
    ------
    StoreError
        When it was not withdrawn.
    """
    store = open_bundle_store(settings)
    pointer = store.update_pointer(lambda before: before.reinstate(endpoint, BY))
    version = pointer.endpoints[endpoint].version
    tell_registry(Tracking(settings), store, endpoint, version)
    message = f"{endpoint} is served by {version} again"
    folder = settings.configs / FOLDER
    there = endpoint in read_endpoints(folder).files
    return message if there else f"{message}; nothing trains it, for no file in {folder} declares it"
