"""Reading some of the configuration again, in a process that read all of it a while ago."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from model_zoo.config import grouping
from model_zoo.config.endpoint_file import FOLDER, read_endpoints
from model_zoo.config.files import Configs, at_endpoints
from model_zoo.config.group import Group
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.reading import read_config, yaml_files


def reload_configs(
    folder: Path, known: Configs, endpoints: Collection[str], models_: Collection[str], groups_: Collection[str] = ()
) -> Configs:
    """Read some of the files again; the others stay as they were known, whatever is in them by now.

    Parameters
    ----------
    folder
        As `load_configs` takes it.
    known
        What it gave before.
    endpoints, models_, groups_
        The names of what is read again; who is gone from the folder is gone from the result.
    """
    anew = read_endpoints(folder / FOLDER, endpoints).require().endpoints
    recipes = {
        path.stem: read_config(path, ModelSpec) for path in yaml_files(folder / "models") if path.stem in models_
    }
    kept = {name: item for name, item in known.endpoints.items() if name in anew or name not in endpoints}
    own = {name: item for name, item in known.own.items() if name in recipes or name not in models_} | recipes
    found = {name: anew.get(name, item) for name, item in kept.items()}
    anew_groups = {
        path.stem: read_config(path, Group) for path in yaml_files(folder / grouping.FOLDER) if path.stem in groups_
    }
    kept_groups = {name: each for name, each in known.groups.items() if name in anew_groups or name not in groups_}
    groups, _ = grouping.checked({**kept_groups, **anew_groups}, found, known.faults, folder)
    found = {name: grouping.placed(each, grouping.group_of(groups, name)) for name, each in found.items()}
    return Configs(found, at_endpoints(own, found, groups), known.faults, own=own, groups=groups)
