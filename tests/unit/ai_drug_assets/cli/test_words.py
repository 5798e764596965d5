"""What a command is asked for and cannot do is refused in a sentence, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from ai_drug_assets.cli import aidrug
from ai_drug_assets.settings import PostgresServer, Settings
from model_zoo.errors import ConfigError
from tests.command_factory import Installation

Command = Callable[..., Result]


def said(result: Result) -> str:
    """Return the sentence of a fault."""
    assert result.exit_code != 0
    return result.output if isinstance(result.exception, SystemExit) else str(result.exception)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("plan", "LogP"), "logp"),
        (("plan", "--model", "RF"), "rf"),
        (("curate", "logpp"), "logp"),
        (("accept", "Logp"), "logp"),
        (("feedback", "LOGP", "--out", "values.csv"), "logp"),
        (("endpoint", "remove", "LogP"), "logp"),
        (("search", "RF"), "rf"),
        (("panel", "add", "TDC-ADMET"), "tdc_admet"),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else words,
)
def test_the_name_that_was_meant_is_suggested(words: tuple[str, ...], meant: str, command: Command) -> None:
    """Whatever its case: a list of two hundred endpoints is a poor answer to one wrong letter."""
    assert f"did you mean {meant!r}?" in said(command(*words))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("plan", "--json", "--markdown"), "got both"),
        (("retire", "logp", "--undo", "--reason", "wrong"), "not to --undo"),
        (("pretrain", "--column", "SMILES"), "say --structures FILE too"),
        (("endpoint", "new", "logp.csv", "--decimal", ",", "--thousands", ","), "for both"),
        (("endpoint", "new", "logp.csv", "--sheet", "a"), "expected an Excel workbook"),
        (("endpoint", "new", "logp.csv", "--encoding", "utf-16"), "its text is not utf-16"),
        (("data", "remote", " "), "got an empty text"),
        (("keys", "create", "two\nlines", "--scope", "predict"), "expected one line"),
        (("mcp", "--url", "nowhere"), "expected an address"),
        (("backup", "--to", ""), "--to: expected a folder or an address"),
        (("restore", "--from", " "), "--from: expected a folder or an address"),
        (("panel", "add", "tdc_admet", "--from", ""), "--from: expected a folder or an address"),
        (("plan", "--ledger", ""), "--ledger: expected a folder or an address"),
        (("plan", "--ledger", "s3:/bucket"), "expected a folder or s3://bucket/prefix"),
        (("suggest", "logp.csv", "--exploration", "nan"), "got nan"),
        (("promote", "nothing"), "no champion serves endpoint 'nothing'"),
    ],
    ids=lambda words: " ".join(words[:2]) if isinstance(words, tuple) else None,
)
def test_what_cannot_be_meant_is_refused(
    words: tuple[str, ...], why: str, made: Installation, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was typed is left out of account without a word."""
    monkeypatch.chdir(made.folder)
    assert why in said(command(*words))


def test_endpoints_are_removed_all_or_none(made: Installation, command: Command) -> None:
    """One unknown name among them, or no reason for those who ask for them, and every one stays."""
    file = made.folder / "configs" / "endpoints" / "logp.yaml"
    assert "got 'nope'" in said(command("endpoint", "remove", "logp", "nope"))
    assert file.exists()
    assert "expected the reason that callers see" in said(command("endpoint", "remove", "logp", "--reason", " "))
    assert file.exists()


def test_a_set_of_a_benchmark_stays_in_its_folder(made: Installation, command: Command) -> None:
    """Its name is that of a folder and of an endpoint, and no way out of the benchmark's."""
    words = ("benchmark-set", str(made.folder / "logp.csv"), str(made.folder / "sets"), "--smiles", "smiles")
    result = command(*words, "--value", "value", "--name", "../elsewhere")
    assert "expected a name of lower-case letters" in said(result)
    assert not (made.folder / "elsewhere").exists()


def test_an_encoding_that_a_file_is_not_in_is_said_of_its_endpoint(made: Installation, command: Command) -> None:
    """Python has an error of its own for utf-16 without a mark."""
    file = made.folder / "configs" / "endpoints" / "logp.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("kind: csv", "kind: csv\n  encoding: utf-16"), encoding="utf-8")
    assert "logp: the text of its files is not in the encoding" in said(command("curate", "logp"))


def test_where_no_endpoint_is_that_is_said(made: Installation, command: Command) -> None:
    """With the folder, which may be the wrong one."""
    (made.folder / "configs" / "endpoints" / "logp.yaml").unlink()
    assert str(made.folder / "configs") in command("endpoint", "list").output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIDRUG_SERVICE_URL", "http://"),
        ("AIDRUG_SERVICE_URL", "http://localhost:eight"),
        ("AIDRUG_SERVICE_URL", "http://local host"),
        ("AIDRUG_SERVICE_URL", " http://localhost"),
        ("AIDRUG_HOME", __file__),
        ("AIDRUG_CONFIGS", __file__),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_as_it_was_given(name: str, value: str) -> None:
    """Before anything is read: a file in place of the folder of all state looked like a damaged entry in it."""
    with pytest.raises(ConfigError, match=f"^{name}: expected .*{value}"):
        Settings.from_env({name: value})


def test_two_servers_do_not_get_one_port(made: Installation) -> None:
    """Else the one that comes second is started again and again."""
    environment = {**made.environment, "AIDRUG_UI_PORT": "3001", "AIDRUG_SERVICE_PORT": "3001"}
    result = CliRunner().invoke(aidrug, ["up"], env=environment)
    assert "expected two ports, got 3001 for both" in said(result)


def test_the_port_of_a_database_is_a_port() -> None:
    """As every other one."""
    server = {f"AIDRUG_POSTGRES_{name}": "x" for name in ("HOST", "USER", "PASSWORD")}
    with pytest.raises(ConfigError, match="AIDRUG_POSTGRES_PORT: expected a port"):
        PostgresServer.from_env({**server, "AIDRUG_POSTGRES_PORT": "five"})
