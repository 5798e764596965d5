"""Groups that `aidrug endpoint new` writes: endpoints of one table that share compounds, and only those."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from ai_drug_assets.cli import aidrug
from ai_drug_assets.operations.shared_compounds import LEAST_SHARED
from model_zoo.config.files import load_configs

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Return the command, in a home without endpoints."""
    models = Path(__file__).parents[4] / "configs" / "models"
    (tmp_path / "configs" / "models").mkdir(parents=True)
    for path in models.glob("*.yaml"):
        (tmp_path / "configs" / "models" / path.name).write_bytes(path.read_bytes())

    def run(*words: str) -> Result:
        env = {"AIDRUG_CONFIGS": str(tmp_path / "configs"), "AIDRUG_HOME": str(tmp_path / "home")}
        return CliRunner().invoke(aidrug, list(words), env=env)

    return run


def table(path: Path, *assays: tuple[str, Callable[[int], str]], rows: int = 120) -> str:
    """Write a table of alcohols with an assay a column."""
    lines = [",".join(["SMILES", *(name for name, _ in assays)])]
    lines += [",".join([f"{'C' * (row + 1)}O", *(cell(row) for _, cell in assays)]) for row in range(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def number(row: int) -> str:
    """Return a value that differs from row to row."""
    return f"{row % 17 + 0.5}"


def upto(count: int, empty: str = "") -> Callable[[int], str]:
    """Return what only the first rows have."""
    return lambda row: number(row) if row < count else empty


def groups(home: Path) -> dict[str, list[str]]:
    """Return the groups that there are."""
    files = sorted((home / "configs" / "groups").glob("*.yaml"))
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["endpoints"] for path in files}


@pytest.mark.parametrize("together", [[], ["--together"]])
def test_assays_that_share_compounds_become_a_group(tmp_path: Path, command: Command, together: list[str]) -> None:
    """Its joint models compete without an edit; an assay without compounds in common is left to itself."""
    assays = {"logD": upto(60, "n.d."), "HLM (uL/min/mg)": number, "PPB (%)": upto(LEAST_SHARED)}
    path = table(tmp_path / "programme.csv", *assays.items(), ("few", upto(LEAST_SHARED - 1)))
    done = command("endpoint", "new", path, "--yes", "--unit", "%", *together)

    assert done.exit_code == 0, done.output
    assert "group: logd, hlm, ppb share compounds: divided together, and learnt jointly" in done.output
    assert groups(tmp_path) == {"programme_group": ["logd", "hlm", "ppb"]}
    configs = load_configs(tmp_path / "configs")
    assert "mlp_joint" in {model.name for model in configs.models_of("hlm")}
    assert "mlp_joint" not in {model.name for model in configs.models_of("few")}
    assert not configs.warnings


def test_cells_that_say_no_value_are_no_shared_compounds(tmp_path: Path, command: Command) -> None:
    """Two projects in one table, each with *n.d.* where the other was measured, have nothing to learn jointly."""

    def other(row: int) -> str:
        return "n.d." if row < 60 else number(row)

    path = table(tmp_path / "two.csv", ("logD", upto(60, "n.d.")), ("logS", other))
    done = command("endpoint", "new", path, "--yes", "--unit", "log10(mol/L)")
    assert done.exit_code == 0, done.output
    assert groups(tmp_path) == {}
    assert "group" not in done.output


def test_the_same_compound_in_two_rows_is_shared(tmp_path: Path, command: Command) -> None:
    """Files that have a row per measurement repeat the structure."""
    smiles = [f"{'C' * (row + 1)}O" for row in range(80)]
    lines = ["SMILES,logD,logP", *(f"{text},{number(row)}," for row, text in enumerate(smiles))]
    lines += [f"{text},,{number(row)}" for row, text in enumerate(smiles)]
    (tmp_path / "long.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert command("endpoint", "new", str(tmp_path / "long.csv"), "--yes").exit_code == 0
    assert groups(tmp_path) == {"long_group": ["logd", "logp"]}


def test_no_group_where_it_is_not_wanted_and_none_is_overwritten(tmp_path: Path, command: Command) -> None:
    """A group that is there already stops everything before a file is written."""
    path = table(tmp_path / "programme.csv", ("logD", number), ("logP", number))
    assert command("endpoint", "new", path, "--yes", "--apart").exit_code == 0
    assert groups(tmp_path) == {}
    command("endpoint", "remove", "logd", "logp")

    file = tmp_path / "configs" / "groups" / "programme_group.yaml"
    file.parent.mkdir()
    file.write_text("mine", encoding="utf-8")
    refused = command("endpoint", "new", path, "--yes")
    assert f"{file} is there already, and nothing is overwritten" in str(refused.exception)
    assert file.read_text(encoding="utf-8") == "mine"
    assert not list((tmp_path / "configs" / "endpoints").iterdir())


def test_a_group_is_not_called_as_an_endpoint_is_and_goes_with_its_last_one(tmp_path: Path, command: Command) -> None:
    """The table `logd.csv` has an endpoint `logd`, and a later one may be called as a group is."""
    path = table(tmp_path / "logd.csv", ("logD", number), ("logP", number))
    assert command("endpoint", "new", path, "--yes").exit_code == 0
    assert groups(tmp_path) == {"logd_group": ["logd", "logp"]}
    later = table(tmp_path / "logd_group.csv", ("logD", number))
    refused = command("endpoint", "new", later, "--yes")
    assert "logd_group.yaml is a group of that name: use another --name" in str(refused.exception)
    load_configs(tmp_path / "configs")
    assert "names it still" in command("endpoint", "remove", "logd").output
    assert "none of its endpoints is left" in command("endpoint", "remove", "logp").output
    assert groups(tmp_path) == {}
