"""What the README says of models, data and commands is so."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from ai_drug_assets.cli import aidrug
from ai_drug_assets.operations.examples import EXAMPLES
from model_zoo.config.files import Configs, load_configs


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    """Return its text."""
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def configs(root: Path) -> Configs:
    """Return the configuration of the checkout."""
    return load_configs(root / "configs")


def rows(readme: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    section = readme.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


def test_the_table_of_models_is_the_catalog(readme: str, configs: Configs, root: Path) -> None:
    """Every model is in it once; those compete everywhere, or in groups, whose YAML restricts them to no endpoint."""
    table = {name: row[-1] for row in rows(readme, "Models") for name in re.findall(r"`(\w+)`", row[0])}
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (root / "configs" / "models").glob("*.yaml")}
    free = {name for name, text in texts.items() if not re.search("^endpoints:", text, re.MULTILINE)}
    joint = {name for name, model in configs.models.items() if model.is_joint}

    assert table.keys() == configs.models.keys() == texts.keys()
    assert {name for name, where in table.items() if where == "everywhere"} == free - joint
    assert {name for name, where in table.items() if "a group" in where} == free & joint


def test_the_table_of_data_is_that_of_the_examples(readme: str) -> None:
    """Every embedded endpoint is in it, whether or not a lab removed some of them or has others of its own."""
    assert {row[0].strip("`") for row in rows(readme, "Embedded data")} == set(EXAMPLES)


def test_every_command_exists(readme: str) -> None:
    """Each `aidrug ...` is a command, and its options are options of it."""
    lines = re.findall(r"(?:\.venv/bin/)?aidrug ((?:[a-z-]+ ?)+)([^`\n#]*)", readme)
    listed = [name for row in rows(readme, "Commands") for name in re.findall(r"`(?:aidrug )?([a-z ]+)`", row[0])]

    assert lines
    for words, rest in [*lines, *((name, "") for name in listed)]:
        command: click.Command = aidrug
        for word in words.split():
            if isinstance(command, click.Group):
                assert word in command.commands, f"aidrug {words}"
                command = command.commands[word]
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) - {"--help"} <= known, f"aidrug {words}{rest}"


def test_every_picture_is_shown(root: Path, tracked: list[str]) -> None:
    """Each picture of the documents is shown by one of them."""
    shown = {
        picture
        for name in tracked
        if name.endswith(".md")
        for picture in re.findall(r"!\[[^\]]+\]\((?:docs/)?images/([^)]+)\)", (root / name).read_text(encoding="utf-8"))
    }

    assert {Path(name).name for name in tracked if name.startswith("docs/images/")} == shown
