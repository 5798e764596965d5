"""`aidrug rollback`: an endpoint's previous champion serves again.

Belongs here: moving the pointer back and telling the registry. Does not belong here: the pointer's rules
(see `model_zoo.store`).
"""

from __future__ import annotations

import json

from ai_drug_assets.settings import Settings
from ai_drug_assets.tracking import Tracking


def roll_back(settings: Settings, endpoint: str) -> str:
    """Make the previous champion current, hold the present one, and move the registry's alias; say so in a sentence.

    Raises
    ------
    StoreError
        When the endpoint serves nothing, or has no earlier champion.
    """
    from serving.stores import open_store

    store = open_store(settings.store, settings.folder("bundle_cache"))
    pointer = store.update_pointer(lambda before: before.roll_back(endpoint, by="aidrug rollback"))
    now = pointer.endpoints[endpoint]
    card = json.loads((store.fetch_bundle(endpoint, now.version) / "card.json").read_bytes())
    tracking = Tracking(settings)
    run_id = tracking.find_finished(card["signature"])
    if run_id is not None:
        tracking.set_aliases(endpoint, {"champion": run_id})
    return f"{endpoint} is served by {now.version} again; {now.held} is held and does not come back by itself"
