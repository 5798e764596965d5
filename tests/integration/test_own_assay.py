"""The guide "Bring your own assay": its commands take files to served predictions, in a fresh home."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from model_zoo.bundles.store import FolderStore, parse_pointer
from tests.project_factory import measurements, molecules

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "own-assay.md"


def commands() -> list[list[str]]:
    """Return the guide's two commands, as words."""
    block = re.search(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return [line.partition("#")[0].split()[1:] for line in block[1].splitlines()]


@pytest.mark.slow(sibling="test_own_assays::test_guesses_are_shown_and_written_only_when_they_are_taken")
def test_the_guide_takes_a_file_to_a_served_endpoint(tmp_path: Path) -> None:
    """A European file of seventy molecules; two commands, no edit, and the bundle store serves the endpoint."""
    smiles = molecules()
    rows = "".join(
        f"{number};{text};{str(value).replace('.', ',')}\n"
        for number, (text, value) in enumerate(zip(smiles, measurements("logp", smiles), strict=True))
    )
    (tmp_path / "my_assay.csv").write_bytes(f"Nr;SMILES;logP (µ-Methode)\n{rows}".encode("cp1252"))
    models = tmp_path / "configs" / "models"
    models.mkdir(parents=True)
    for path in (ROOT / "configs" / "models").glob("*.yaml"):
        (models / path.name).write_bytes(path.read_bytes())
    env = {**os.environ, "AIDRUG_CONFIGS": str(tmp_path / "configs"), "AIDRUG_HOME": str(tmp_path / "home")}
    new, run = commands()
    for words in ([*new, "--yes"], ["curate", "my_assay"], [*run, "--quick"]):
        aidrug = [sys.executable, "-m", "ai_drug_assets", *words]
        done = subprocess.run(aidrug, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])

    store = FolderStore(tmp_path / "home" / "store")
    pointer = parse_pointer(store.read_pointer_bytes())
    assert set(pointer.endpoints) == {"my_assay"}
    card = json.loads(
        (store.fetch_bundle("my_assay", pointer.endpoints["my_assay"].version) / "card.json").read_bytes()
    )
    assert card["endpoint"]["unit"] == "log P"
