"""The configuration files, and what is generated from their schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_zoo import models
from model_zoo.config.files import load_configs
from model_zoo.config.schema import as_text, schemas


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schemas_are_up_to_date(root: Path, name: str) -> None:
    """The JSON Schemas in `configs/` are what `aidrug schema` writes."""
    assert (root / "configs" / name).read_text(encoding="utf-8") == as_text(schemas()[name])


@pytest.mark.parametrize("kind", ["endpoint", "model"])
def test_every_file_names_its_schema(root: Path, kind: str) -> None:
    """Every YAML names its schema for editors in its first line."""
    for path in (root / "configs" / f"{kind}s").glob("*.yaml"):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first == f"# yaml-language-server: $schema=../{kind}.schema.json", path


def test_every_model_has_its_file_and_its_yaml(root: Path) -> None:
    """Each module has a YAML of its own name, each further YAML names the module it uses, and all are valid."""
    known = load_configs(root / "configs").models

    assert [name for name, model in known.items() if model.recipe == name] == models.names()
