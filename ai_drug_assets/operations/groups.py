"""Groups of new endpoints: which assays of a table share compounds, and the YAML that divides them together.

Belongs here: what `aidrug endpoint new` and `aidrug panel add` write into `configs/groups/`, and what goes with the
last endpoint of a group. Does not belong here: what a group is (see `model_zoo/config/group.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import yaml
from model_zoo.config.endpoint_file import FOLDER as ENDPOINTS
from model_zoo.config.endpoint_file import read_endpoints
from model_zoo.config.files import load_groups
from model_zoo.config.group import Group
from model_zoo.config.grouping import FOLDER, group_of
from model_zoo.data.assays.proposal import Proposal
from model_zoo.data.assays.whole_table import WholeTable
from model_zoo.data.curation import says_no_value
from model_zoo.errors import ConfigError
from model_zoo.io.strict_yaml import check

from ai_drug_assets.operations.shared_compounds import LEAST_SHARED
from ai_drug_assets.settings import Settings

SCHEMA = "# yaml-language-server: $schema=../group.schema.json\n"


def sharing(table: WholeTable, proposals: Sequence[Proposal]) -> list[str]:
    """Name the proposed endpoints that share compounds with another one, by the structures as they are written."""
    structures = table.structures() or [str(row) for row in range(len(table.rows))]  # SDF has one a row
    _, compound = np.unique(np.array(structures, dtype=str), return_inverse=True)
    known = np.array([bool(text) for text in structures])
    measured = np.zeros((compound.max(initial=-1) + 1, len(proposals)))
    for place, proposal in enumerate(proposals):
        cells = table.column(proposal.content["source"]["value_column"])
        filled = known & np.array([bool(cell) and not says_no_value(cell) for cell in cells], dtype=bool)
        measured[compound[filled], place] = 1
    shared = measured.T @ measured
    np.fill_diagonal(shared, 0)
    most = shared.max(axis=1, initial=0)
    return [proposal.name for proposal, count in zip(proposals, most, strict=True) if count >= LEAST_SHARED]


def group_name(settings: Settings, name: str) -> str:
    """Return the name of the group of a file's endpoints.

    It is not the file's own name, which an endpoint may have, now or later.

    Raises
    ------
    ConfigError
        When there is a group or an endpoint of that name already.
    """
    free = f"{name[:50]}_group"
    path = _path(settings, free)
    for taken in (path if path.exists() else None, read_endpoints(settings.configs / ENDPOINTS).files.get(free)):
        if taken:
            raise ConfigError(f"{taken} is there already, and nothing is overwritten: use another --name, or --apart")
    return free


def require_no_group(settings: Settings, endpoints: Collection[str]) -> None:
    """Refuse new endpoints that are called as a group is: nothing could be read any more."""
    for name in endpoints:
        if (path := _path(settings, name)).exists():
            raise ConfigError(f"{path} is a group of that name: use another --name")


def write_group(settings: Settings, name: str, title: str, endpoints: Sequence[str]) -> Path:
    """Write the YAML of a group.

    Raises
    ------
    FileExistsError
        When it is there already: it stays as it is.
    """
    content = {"name": name, "title": title, "endpoints": list(endpoints)}
    check(Group, content)
    path = _path(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(content, sort_keys=False, width=110, allow_unicode=True)
    with path.open("x", encoding="utf-8") as stream:
        stream.write(f"{SCHEMA}# They share compounds: divided together, with joint models.\n{text}")
    return path


def left_by(settings: Settings, name: str) -> str | None:
    """Say what becomes of the group of an endpoint that was removed: with its last endpoint, its file goes too."""
    group = group_of(load_groups(settings.configs / FOLDER), name)
    if group is None:
        return None
    path = _path(settings, group.name)
    if {*group.endpoints} & {*read_endpoints(settings.configs / ENDPOINTS).files}:
        return f"{path} names it still: remove it from `endpoints`"
    path.unlink()
    return f"{path} is removed: none of its endpoints is left"


def _path(settings: Settings, name: str) -> Path:
    return settings.configs / FOLDER / f"{name}.yaml"
