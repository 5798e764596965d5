"""Before this version first changes a state that an earlier one wrote: a backup, for the way back.

The version before could not read what it did not know. It reads what it wrote itself: this backup, restored by it.
"""

from __future__ import annotations

from model_zoo.bundles.pointer import is_unsealed, parse_pointer
from model_zoo.bundles.store import Store

from ai_drug_assets.operations.backup import LOCAL, Say, back_up
from ai_drug_assets.settings import Settings


def back_up_before_upgrade(settings: Settings, store: Store, say: Say) -> str | None:
    """Back the state up when an earlier version wrote it; give where to, or none when there was no need.

    It goes to `AIDRUG_BACKUP`, or where that is not set to `AIDRUG_HOME/backups`.

    Raises
    ------
    StoreError
        When the pointer is damaged, or the backup cannot be written: then nothing is changed either.
    """
    content = store.read_pointer_bytes()
    if content is None:
        return None
    parse_pointer(content)
    if not is_unsealed(content):
        return None
    place = settings.backup or str(settings.home / LOCAL)
    say(f"an earlier version wrote this state: it is backed up to {place} before it is changed")
    back_up(settings, place, say)
    return place
