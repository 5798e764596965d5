"""Which champions are served by earlier versions of the rules than the newest."""

from __future__ import annotations

from collections.abc import Mapping

from model_zoo.bundles.manifest import FILE, parse_manifest
from model_zoo.bundles.store import Store, parse_pointer
from model_zoo.errors import AidrugError


def earlier_rules(store: Store) -> dict[str, tuple[str, ...]]:
    """Return the earlier rules of each champion that has some, by endpoint.

    Raises
    ------
    StoreError
        When the store cannot be read.
    BundleError
        When a champion needs rules that are not here any more: it is refused at the next restart of the service.
    """
    pointer = parse_pointer(store.read_pointer_bytes())
    found = {}
    for endpoint, now in pointer.endpoints.items():
        content = store.read_manifest_bytes(endpoint, now.version)
        manifest = parse_manifest(content, f"{endpoint}/{now.version}/{FILE}")
        if rules := manifest.policies.earlier(manifest.features):
            found[endpoint] = rules
    return found


def warnings(store: Store) -> list[str]:
    """Say it in words, a line for each champion; one line where that is unknown."""
    try:
        found: Mapping[str, tuple[str, ...]] = earlier_rules(store)
    except AidrugError as error:
        return [f"the rules by which champions are served cannot be read: {error}"]
    return [
        f"{endpoint} is served by earlier rules ({', '.join(rules)}): train it again before they end"
        for endpoint, rules in found.items()
    ]
