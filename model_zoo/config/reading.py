"""A YAML file under `configs/`, and a folder of them, read and checked: a fault is one error with file and key."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.faults import fault
from model_zoo.config.group import Group
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.panel import Panel
from model_zoo.config.screen import Screen
from model_zoo.errors import AidrugError, ConfigError
from model_zoo.io.strict_yaml import check, read_yaml
from model_zoo.type_aliases import Json

T = TypeVar("T", "Endpoint", "ModelSpec", "Panel", "Screen", "Group")


def yaml_files(folder: Path) -> list[Path]:
    """List the YAML files of a folder; hidden ones, which editors and file managers leave behind, are none."""
    return sorted(path for path in folder.glob("[!.]*") if path.suffix in (".yaml", ".yml"))


def read_folder(folder: Path, schema: type[T]) -> list[T]:
    """Read and check every YAML of a folder, each named after what it holds."""
    paths = yaml_files(folder)
    if not paths:
        raise ConfigError(f"{folder}: expected at least one YAML file, got none")
    found: dict[str, Path] = {}
    items = []
    for path in paths:
        item = read_config(path, schema)
        if item.name in found:
            raise ConfigError(f"{path}: the name {item.name!r} is already taken by {found[item.name]}")
        if item.name != path.stem:
            raise ConfigError(f"{path}: expected name: {path.stem} (the file's own), got {item.name!r}")
        found[item.name] = path
        items.append(item)
    return items


def read_config(path: Path, schema: type[T]) -> T:
    """Read and check one YAML file."""
    content = read_mapping(path)
    try:
        return check(schema, content)
    except ValidationError as error:
        faults = "; ".join(fault(detail, schema) for detail in error.errors())
        raise ConfigError(f"{path}: {faults}") from error
    except AidrugError as error:
        raise ConfigError(f"{path}: {error}") from error


def read_mapping(path: Path) -> dict[str, Json]:
    """Read what a YAML file says, unchecked.

    Raises
    ------
    ConfigError
        When it is no mapping.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        got = "nothing" if content is None else type(content).__name__
        raise ConfigError(f"{path}: expected keys and values, got {got}")
    return content
