"""Which endpoints of different files share compounds and are in no group: a programme that exports a file per assay.

Belongs here: the comparison of snapshots, and the sentence that says it. Does not belong here: the assays of one table,
which `aidrug endpoint new` groups (see `groups.py`), and endpoints that read one file
(see `model_zoo/config/grouping.py`).
"""

from __future__ import annotations

from itertools import combinations

from model_zoo.config.grouping import FOLDER, group_of

from ai_drug_assets.operations.examples import EXAMPLES
from ai_drug_assets.planning.catalog import Catalog
from ai_drug_assets.planning.remains import place_of

LEAST_SHARED = 50
"""Compounds that two assays of a table must share to be grouped. A joint model needs ten outside of every fold and of
the test split, which fewer than about twenty would not leave; assays that share a handful are other projects."""
LEAST_SHARE = 0.5
"""Share of the smaller endpoint's compounds. Public collections of different labs also have drugs in common."""


def warnings(catalog: Catalog) -> list[str]:
    """Say which endpoints share compounds, by the snapshots that were made; nothing of those that were not.

    The embedded examples and the sets of panels, whose files name their test rows, are left out: they are collections
    of different labs, and joint models of a programme learn from what one lab measured on the same compounds.
    """
    configs = catalog.configs
    compounds = {name: found for name in configs.endpoints if (found := _compounds(catalog, name))}
    groups = {name: group.name for name in compounds if (group := group_of(configs.groups, name))}
    together: dict[str, set[str]] = {name: {name} for name in compounds}
    for one, other in combinations(compounds, 2):
        if one in groups and other in groups:  # two groups are apart because somebody wants it
            continue
        shared = len(compounds[one] & compounds[other])
        if shared >= max(LEAST_SHARED, LEAST_SHARE * min(len(compounds[one]), len(compounds[other]))):
            merged = together[one] | together[other]
            together |= dict.fromkeys(merged, merged)
    said = []
    for names in {frozenset(each) for each in together.values() if len(each) > 1}:
        files = {tuple(sorted(getattr(configs.endpoints[name].source, "names", ()))) for name in names}
        if len(files) == 1:  # said where the configuration is read
            continue
        known = sorted({groups[name] for name in names if name in groups})
        path = catalog.settings.configs / FOLDER / f"{known[0] if known else '<name>'}.yaml"
        apart = ", ".join(sorted(name for name in names if name not in groups))
        said.append(
            f"{apart} share compounds{f' with the group {known[0]}' if known else ''}, and no joint model learns from "
            f"them: name them under `endpoints` in {path} (see docs/programmes.md)"
        )
    return sorted(said)


def _compounds(catalog: Catalog, name: str) -> set[str]:
    endpoint = catalog.configs.endpoints[name]
    if name in EXAMPLES or endpoint.source.kind not in {"csv", "dvc"} or endpoint.split.kind == "official":
        return set()
    path = place_of(catalog.settings.home, catalog.nodes[f"dataset/{name}"]) / "table.parquet"
    if not path.exists():
        return set()
    import pyarrow.parquet as pq  # half a second, since it brings pandas

    try:
        return set(pq.read_table(path, columns=["inchikey"]).column("inchikey").to_pylist())
    except (OSError, ValueError):
        return set()  # damaged: the plan says so
