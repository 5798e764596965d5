"""Which endpoints are grouped: the files of groups against those of endpoints.

Belongs here: what must hold between a group and its endpoints, and what a group says in their place.
Does not belong here: a group's own file (see `group.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.group import COMES_WITH_DATA, Group
from model_zoo.config.no_effect import of_no_effect
from model_zoo.errors import ConfigError

FOLDER = "groups"


def group_of(groups: Mapping[str, Group], endpoint: str) -> Group | None:
    """Return the group of an endpoint; none where it is by itself."""
    return next((group for group in groups.values() if endpoint in group.endpoints), None)


def checked(
    groups: Mapping[str, Group], endpoints: Mapping[str, Endpoint], faulty: Collection[str], folder: Path
) -> tuple[dict[str, Group], list[str]]:
    """Check groups against the endpoints; give those that have an effect, and what to warn of.

    Parameters
    ----------
    groups, endpoints
        As their files say them.
    faulty
        Names of endpoints whose files cannot be read at present: a group waits for its own.
    folder
        The folder `configs/`, for messages.

    Raises
    ------
    ConfigError
        When a group is called as an endpoint is, an endpoint is in two groups, or the endpoints of one would
        distinguish molecules by different rules.
    """
    known, warnings, kept = {*endpoints, *faulty}, list[str](), dict[str, Group]()
    for name, group in groups.items():
        path = folder / FOLDER / f"{name}.yaml"
        if name in known:
            raise ConfigError(f"{path}: name: expected one that no endpoint has, got {name!r}")
        for other in kept.values():
            if both := sorted({*group.endpoints} & {*other.endpoints}):
                raise ConfigError(f"{path}: endpoints: expected each in one group, {both[0]!r} is in {other.name} too")
        warnings += of_no_effect(path, "endpoint", {"endpoints": group.endpoints}, known)
        there = [each for each in group.endpoints if each in known]
        if len(there) < 2:
            warnings.append(f"{path}: expected two endpoints or more, got {len(there)}: this group is of no effect")
            continue
        members = [endpoints[each] for each in there if each in endpoints]
        _require_one_rule(members, path)
        warnings += [
            f"{path}: its split takes the place of the one that endpoint {each.name!r} says"
            for each in members
            if "split" in each.model_fields_set and placed(each, group).split != each.split
        ]
        kept[name] = group
    return kept, warnings


def suggestions(groups: Mapping[str, Group], endpoints: Mapping[str, Endpoint], folder: Path) -> list[str]:
    """Say which endpoints read the same file and are in no group: such a table is one of shared compounds."""
    reading: dict[str, list[str]] = {}
    for name, endpoint in endpoints.items():
        if endpoint.source.kind in ("csv", "dvc") and group_of(groups, name) is None:
            for file in endpoint.source.names:
                reading.setdefault(file, []).append(name)
    return [
        f"{_some(names)} read {file}: endpoints that share compounds belong into a group, or a molecule is trained on "
        f"at one and tested at another. Name them in {folder / FOLDER}/<name>.yaml (see docs/programmes.md)"
        for file, names in reading.items()
        if len(names) > 1
    ]


def placed(endpoint: Endpoint, group: Group | None) -> Endpoint:
    """Return an endpoint with the split that its molecules really have, and with a category."""
    if group is None:
        return endpoint
    split = endpoint.split if endpoint.split.kind in COMES_WITH_DATA else group.split
    return endpoint.model_copy(update={"split": split, "category": endpoint.category or group.title[:60]})


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _require_one_rule(members: Collection[Endpoint], path: Path) -> None:
    rules = {each.curation.standardise for each in members}
    if len(rules) > 1:
        names = ", ".join(each.name for each in members)
        raise ConfigError(
            f"{path}: expected endpoints with the same `curation.standardise`, got {len(rules)} different ones among "
            f"{names}: whether two compounds are one would depend on who asks"
        )
