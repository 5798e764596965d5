"""Every command of the runbooks exists, with options that it has; `make test-images` runs the path itself."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from ai_drug_assets.cli import aidrug


def commands(root: Path) -> list[str]:
    """List the lines of the shell blocks of all runbooks, one command each."""
    lines = []
    for document in sorted((root / "docs" / "operations").glob("*.md")):
        for block in re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL):
            lines += [part.strip() for line in block.splitlines() for part in line.split(" && ")]
    return [line for line in lines if line]


def parse(words: list[str]) -> None:
    """Parse the arguments of `aidrug` as it would, without running it."""
    command: click.Command = aidrug
    while isinstance(command, click.Group):
        assert words, f"{command.name}: which command?"
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"aidrug has no command {words[0]!r}"
        command, words = found, words[1:]
    command.make_context(str(command.name), list(words))


def test_the_runbooks_name_commands_that_exist(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`aidrug` lines parse, and Compose lines name services of infra/compose.yaml and commands that these run."""
    monkeypatch.setenv("AIDRUG_BACKUP", "s3://backups/aidrug")
    services = yaml.safe_load((root / "infra" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    found = commands(root)
    for line in found:
        words = shlex.split(line)
        if words[0] == "aidrug":
            parse(words[1 : words.index(">") if ">" in words else None])
        if words[:2] != ["docker", "compose"] or " run " not in line:
            named = words[2:] if words[:2] == ["docker", "compose"] else []
            assert {word for word in named if re.fullmatch(r"[a-z]+", word)} <= services.keys() | {"up", "stop"}, line
            continue
        service, *arguments = words[words.index("--rm") + 1 :]
        assert service in services, line
        parse(arguments or services[service]["command"])

    assert sum(line.startswith("aidrug ") for line in found) >= 5
    assert sum("docker compose run" in line for line in found) >= 8
