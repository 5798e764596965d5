"""`aidrug endpoint`, `curate` and `panel`: from files to endpoints, and nothing lost on the way."""

from __future__ import annotations

import hashlib
import http.server
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from ai_drug_assets import settings as places
from ai_drug_assets.cli import aidrug
from ai_drug_assets.execution import runner
from ai_drug_assets.execution.progress import Lines
from ai_drug_assets.operations import own_assays, panels
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.planning.selection import Selection
from ai_drug_assets.settings import Settings
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import load_configs
from model_zoo.config.reading import read_config
from model_zoo.data.sources import read_source

ROOT = Path(__file__).parents[4]
Command = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a fresh home whose models are those of the project, and which has no endpoint."""
    (tmp_path / "configs" / "models").mkdir(parents=True)
    for path in (ROOT / "configs" / "models").glob("*.yaml"):
        (tmp_path / "configs" / "models" / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def command(home: Path) -> Command:
    """Return the command, as somebody types it there who sits at no terminal."""

    def run(*words: str) -> Result:
        env = {"AIDRUG_CONFIGS": str(home / "configs"), "AIDRUG_HOME": str(home / "home")}
        return CliRunner().invoke(aidrug, list(words), env=env)

    return run


def fault_of(result: Result) -> str:
    """Return the fault that a command ends with."""
    assert result.exit_code != 0
    return str(result.exception) if not isinstance(result.exception, SystemExit) else result.output


def file(home: Path, text: str, name: str = "a.csv") -> str:
    """Write a file."""
    (home / name).write_text(text, encoding="utf-8")
    return str(home / name)


def content(home: Path, name: str) -> dict[str, Any]:
    """Read an endpoint's YAML."""
    return dict(yaml.safe_load((home / "configs" / "endpoints" / f"{name}.yaml").read_text(encoding="utf-8")))


POTENCY = "smiles,IC50 (nM)\nCCO,100\nCCN,>10000\nCCC,n.d.\n"


def test_two_readings_are_shown_and_neither_is_taken(home: Path, command: Command) -> None:
    """With --yes too; the option that the message names decides, and both ways are read as said."""
    path = file(home, 'smiles,dose (mg/L)\nCCO,"1,234"\nCCN,"2,500"\n')
    refused = fault_of(command("endpoint", "new", path, "--yes", "--columns", "dose (mg/L)"))
    assert "'1,234' is 1.234 (decimal ',') or 1234 (decimal '.', thousands ',')" in refused
    assert "Say which: --decimal ',' or --decimal '.' --thousands ','" in refused
    assert not (home / "configs" / "endpoints").exists()

    for options, value in ((("--decimal", ","), 1.234), (("--decimal", ".", "--thousands", ","), 1234.0)):
        name = f"dose_{value:.0f}"
        done = command("endpoint", "new", path, "--yes", "--columns", "dose (mg/L)", "--name", name, *options)
        assert done.exit_code == 0, done.output
        curated = command("curate", name, "--out", str(home / "report.csv"))
        assert curated.exit_code == 0, curated.output
        endpoint = read_config(home / "configs" / "endpoints" / f"{name}.yaml", Endpoint)
        raw = read_source(endpoint.source, ROOT)
        assert list(raw["value"]) == ["1,234", "2,500"], "the report shows cells as they came"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            "smiles,species,value\nCCO,human,1\nCCN,rat,2\n",
            "'species' holds 'human' 1x, 'rat' 1x. Which rows are meant?",
        ),
        ("smiles;value\nCCO;1.234\nCCN;2.500\n", "'1.234' is 1.234 (decimal '.') or 1234 (decimal ',', thousands '.')"),
        ("smiles;value\nCCO;1.5\nCCN;2,5\n", "Say which: --decimal '.' or --decimal ','"),
        (
            "smiles,assay,value,unit\nCCO,hERG,9,nM\nCCO,logD,2,\nCCN,hERG,3,nM\nCCN,logD,4,\n",
            "'assay' holds 'hERG' 2x, 'logD' 2x. Which rows are meant?",
        ),
        (
            "smiles,value,unit\nCCO,1,nM\nCCN,2,\n",
            "'value': 1 values such as '2' say no unit, others 'nM' 1x. Which is theirs?",
        ),
        ("smiles,fu\nCCO,51%\nCCN,0.4\n", "'fu': 1 values such as '0.4' say no unit, others '%' 1x."),
        ("smiles,pH,solubility (uM)\nCCO,1.2,5\nCCO,7.4,90\n", "'pH' holds '1.2' 1x, '7.4' 1x. Which rows are meant?"),
        ("smiles,pIC50,pIC50\nCCO,1,2\n", "'pIC50' is there twice: rename one of them"),
        ("smiles,pIC50,smiles,pKi\nCCO,1,CCO,2\n", "there are two columns 'smiles' of structures: rename one of them"),
        ("smiles,a\nInChI=1S/CH4/h1H4,1\n", "expected SMILES in 'smiles', got texts such as 'InChI=1S/CH4/h1H4'"),
        ("smiles,a\nCCO,x\nCCN,y\n", "expected a column of numbers or of two labels, found none"),
        ("a,b\n1,2\n", "none of them looks like SMILES (with --smiles COLUMN)"),
        ("smiles,value\n", "found none among"),
        ("", "expected at least one molecule, got an empty file"),
    ],
)
def test_what_is_open_is_asked_and_nothing_is_written(home: Path, command: Command, text: str, part: str) -> None:
    """Rows that differ, numbers that may be read in two ways, no structures, no values."""
    assert part in fault_of(command("endpoint", "new", file(home, text), "--yes"))
    assert not (home / "configs" / "endpoints").exists()


def test_guesses_are_made_from_the_rows_that_are_meant(home: Path, command: Command) -> None:
    """Of a table with an assay per row, unit, transform and range of one come from its own rows; --unit fills gaps."""
    path = file(home, "smiles,assay,value,unit\nCCO,hERG,1,nM\nCCO,logD,-2,\nCCN,hERG,3000,nM\nCCN,logD,4,\n")
    for assay in ("hERG", "logD"):
        assert command("endpoint", "new", path, "--yes", "--where", f"assay={assay}", "--name", assay).exit_code == 0
    herg, logd = content(home, "herg"), content(home, "logd")
    assert (herg["unit"], herg["source_unit"], herg["source"]["unit_column"]) == ("pIC50", "nM", "unit")
    assert (logd["unit"], "source_unit" in logd, "unit_column" in logd["source"]) == ("log D", False, False)

    command("endpoint", "new", path, "--yes", "--where", "assay=*", "--unit", "uM", "--name", "both")
    raw = read_source(read_config(home / "configs" / "endpoints" / "both.yaml", Endpoint).source, ROOT)
    assert list(raw["unit"]) == ["nM", "", "nM", ""]
    assert content(home, "both")["source_unit"] == "uM"


@pytest.mark.parametrize("rows", [1_999, 2_000])
def test_the_embedding_competes_by_size(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Where an endpoint has many values; not beside joint models, which read it, nor where it is not there."""
    values = "".join(f"{'C' * (row % 90 + 1)}O,{row % 7}.{row}\n" for row in range(rows))
    path = file(home, f"smiles,logD\n{values}")
    assert command("endpoint", "new", path, "--yes", "--name", "big").exit_code == 0
    with monkeypatch.context() as other:
        other.setattr(own_assays, "find_spec", lambda package: None)
        assert command("endpoint", "new", path, "--yes", "--name", "not_installed").exit_code == 0
    (home / "configs" / "models" / "minimol.yaml").unlink()
    assert command("endpoint", "new", path, "--yes", "--name", "without").exit_code == 0

    assert content(home, "big").get("models") == (["default", "minimol"] if rows == 2_000 else None)
    assert "models" not in content(home, "without")
    assert "models" not in content(home, "not_installed")


def test_a_file_outside_of_the_checkout_is_named(home: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its YAML would fail on any other machine, and here once the file is gone."""
    path = file(home, POTENCY)
    outside = command("endpoint", "new", path, "--yes", "--name", "outside")
    monkeypatch.setattr(own_assays, "_file_name", lambda _, each: each.name)
    inside = command("endpoint", "new", path, "--yes", "--name", "inside")

    assert [f"{path} is outside of the checkout" in each.output for each in (outside, inside)] == [True, False]


def test_without_a_group_the_embedding_competes(home: Path, command: Command) -> None:
    """Endpoints that share compounds and are kept apart have no joint model that reads it."""
    rows = "".join(f"{'C' * (1 + row % 60)}{'O' * (1 + row // 60)},{row % 7},{row % 5}\n" for row in range(2_000))
    path = file(home, f"smiles,logD,logP\n{rows}")
    apart = command("endpoint", "new", path, "--yes", "--name", "apart", "--apart")
    joint = command("endpoint", "new", path, "--yes", "--name", "joint")

    assert [content(home, f"{name}_logd").get("models") for name in ("apart", "joint")] == [
        ["default", "minimol"],
        None,
    ]
    assert ("share compounds" in apart.output, "share compounds" in joint.output) == (False, True)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("IC50_1 (nM),IC50_2 (nM)", True), ("IC50 run 1,IC50 run 2", True), ("IC50,IC50.1", True),
        ("IC50 replicate 1 (nM),IC50 replicate 2 (nM)", True),
        ("IC50 (nM),Ki (nM)", False), ("logD 5,logD 7", False), ("CYP1A2 IC50,CYP2C9 IC50", False),
    ],
)  # fmt: skip
def test_columns_that_look_like_runs_of_one_assay_are_named(
    home: Path, command: Command, names: str, said: bool
) -> None:
    """They become an endpoint each, and the owner hears how they would become one."""
    rows = "".join(f"{'C' * (row + 1)},{row + 1.5},{row + 1.7}\n" for row in range(8))
    done = command("endpoint", "new", file(home, f"smiles,{names}\n{rows}"), "--yes", "--unit", "nM")

    assert done.exit_code == 0, done.output
    assert ("is the same measurement again" in done.output) == said, done.output


@pytest.mark.parametrize(
    ("numbers", "unit", "said"),
    [
        ("12,-5,300", "pIC50", "as no amount is: they are left out"),
        ("1.2,-0.3,3.1", "unknown", "say --unit 'log10 nM'"),
        (",".join(f"{4 + place / 7:.2f}" for place in range(25)), "pIC50", "If they are negative logarithms"),
    ],
)
def test_amounts_that_do_not_look_like_some_are_named(
    home: Path, command: Command, numbers: str, unit: str, said: str
) -> None:
    """Beside 300 nM, -5 is a mistake; where all could be logarithms, the unit of the heading is not believed."""
    rows = "".join(f"{'C' * (place + 1)},{number}\n" for place, number in enumerate(numbers.split(",")))
    done = command("endpoint", "new", file(home, f"smiles,IC50 (nM)\n{rows}"), "--yes", "--name", "ic50")

    assert (content(home, "ic50")["unit"], said in done.output) == (unit, True), done.output


@pytest.mark.parametrize(
    ("numbers", "transform"),
    [
        (range(1, 500, 3), "log10"),
        ((0, *range(1, 500, 3)), "identity"),
        ((-2, 0, *range(1, 500, 3)), None),
        (range(-250, 250, 3), None),
        ((0, *range(400, 500)), None),
    ],
)
def test_what_has_no_logarithm_is_named(
    home: Path, command: Command, numbers: Sequence[int], transform: str | None
) -> None:
    """One zero in a column of amounts turned the scale of all; where many are none, nobody expects logarithms."""
    rows = "".join(f"{'C' * (place + 1)},{number}\n" for place, number in enumerate(numbers))
    done = command("endpoint", "new", file(home, f"smiles,CLint (uL/min/mg)\n{rows}"), "--yes", "--name", "clint")

    assert content(home, "clint").get("transform") == transform
    assert ("which has no logarithm" in done.output) == (transform == "identity")


def test_guesses_are_shown_and_written_only_when_they_are_taken(home: Path, command: Command) -> None:
    """Without a terminal and without --yes nothing is written; nothing is ever overwritten."""
    path = file(home, POTENCY, "egfr.csv")
    assert "say --yes to take these guesses" in fault_of(command("endpoint", "new", path))
    done = command("endpoint", "new", path, "--yes")
    assert "unit pIC50 from nM; higher is better" in done.output
    assert "curation.censored: 'drop', 1 value is only known as bounds" in done.output
    before = (home / "configs" / "endpoints" / "egfr.yaml").read_bytes()
    assert "is there already, and nothing is overwritten" in fault_of(command("endpoint", "new", path, "--yes"))

    assert (home / "configs" / "endpoints" / "egfr.yaml").read_bytes() == before
    written = content(home, "egfr")
    assert (written["unit"], written["source_unit"], written["curation"]["valid_range"]) == ("pIC50", "nM", [2, 13])
    assert b"# 1 value is only known as bounds" in before


def test_a_curation_counts_by_reason_and_lists_every_row(home: Path, command: Command) -> None:
    """In words for people, and as a CSV with a row per row; a spreadsheet runs none of its cells."""
    command("endpoint", "new", file(home, POTENCY + "=1+1,5\n", "egfr.csv"), "--yes")
    curated = command("curate", "egfr", "--out", str(home / "report.csv"))

    assert "rows      4: 1 kept, 0 merged, 3 dropped" in curated.output
    assert all(f"1  {kind}\n" in curated.output for kind in ("censored", "not measured", "invalid-smiles"))
    assert "WARNING   75% of the rows with a value are dropped" in curated.output
    report = (home / "report.csv").read_text(encoding="utf-8").splitlines()
    assert len(report) == 5
    assert "'=1+1" in report[4]
    assert "expected one of egfr, got 'other'" in fault_of(command("curate", "other"))


@pytest.mark.parametrize("worth", [0, 10**9])
def test_several_endpoints_are_curated_alike_in_one_process_and_in_many(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch, worth: int
) -> None:
    """In the order that was asked for, each as alone; one that cannot be read is reported, and so are the others."""
    from ai_drug_assets.operations import curating

    command("endpoint", "new", file(home, WIDE, "wide.csv"), "--yes", "--together")
    command("endpoint", "new", file(home, POTENCY, "gone.csv"), "--yes")
    (home / "gone.csv").unlink()
    order = ("ppb", "herg_ic50", "gone", "logd")
    alone = {name: command("curate", name).output for name in order if name != "gone"}
    monkeypatch.setattr(curating, "WORTH_PROCESSES", worth)
    curated = command("curate", *order, "--out", str(home / "report.csv"))

    missing = f"gone: {home}/gone.csv: expected a file of measurements, got none\n"
    assert curated.output == (
        alone["ppb"] + alone["herg_ic50"] + missing + alone["logd"] + f"wrote {home}/report.csv: every row with what "
        "became of it\n"
    )
    assert fault_of(curated).endswith("expected a file of measurements, got none")
    report = pd.read_csv(home / "report.csv")
    assert list(report["endpoint"]) == ["ppb"] * 3 + ["herg_ic50"] * 3 + ["logd"] * 3
    assert list(report["action"]) == ["kept"] * 4 + ["dropped"] + ["kept"] * 4


@pytest.mark.parametrize(
    ("heading", "taken"),
    [("tier", False), ("hERG", False), ("IC50 (nM)", True), ("hERG pIC50", True), ("Papp (10^-6 cm/s)", True)],
)
def test_whole_numbers_again_and_again_are_classes_unless_their_heading_says_a_measurement(
    home: Path, command: Command, heading: str, taken: bool
) -> None:
    """A regression of classes is trained without a fault; rounded values of an assay are what they are."""
    rows = "".join(f"{'C' * (row + 1)}O,{5 + row / 10:g},{5 + row % 3}\n" for row in range(24))
    look = command("endpoint", "new", file(home, f"SMILES,logD,{heading}\n{rows}", "own.csv"), "--yes").output

    assert (f"left out: {heading!r}, for it holds only 5, 6, 7, as classes do" in look) is not taken
    assert (f"regression of {heading!r}" in look) is taken


def test_a_killed_process_ends_curation_with_an_error(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory, the system kills one of them; what waited for its answer would wait for ever."""
    from ai_drug_assets.operations import curating

    command("endpoint", "new", file(home, WIDE, "wide.csv"), "--yes", "--together")
    monkeypatch.setattr(curating, "WORTH_PROCESSES", 0)
    monkeypatch.setattr(curating, "curation_report", lambda *_: os.kill(os.getpid(), signal.SIGKILL))

    assert "was killed, as happens when memory runs out" in fault_of(command("curate", "ppb", "logd"))


def test_the_strong_models_compete_on_an_own_endpoint(home: Path, command: Command) -> None:
    """All that compete anywhere by default; `models` and `overrides` of its YAML say otherwise."""
    command("endpoint", "new", file(home, POTENCY, "egfr.csv"), "--yes")
    competing = {model.name for model in load_configs(home / "configs").models_of("egfr")}
    assert competing == {"naive", "rf", "xgb", "catboost", "gp", "blend"}

    path = home / "configs" / "endpoints" / "egfr.yaml"
    more = "models: [naive, rf, svm]\noverrides: {rf: {n_estimators: 7}}\n"
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    configs = load_configs(home / "configs")
    assert {model.name for model in configs.models_of("egfr")} == {"naive", "rf", "svm"}
    assert configs.models["rf"].settings("egfr").model_dump()["n_estimators"] == 7


def test_a_missing_file_stops_no_other_endpoint(home: Path, command: Command) -> None:
    """The plan of all others is made; it names the one that is left out, and the file that is not there."""
    for name in ("egfr", "herg"):
        command("endpoint", "new", file(home, POTENCY, f"{name}.csv"), "--yes")
    (home / "egfr.csv").unlink()
    settings = Settings.from_env({"AIDRUG_CONFIGS": str(home / "configs"), "AIDRUG_HOME": str(home / "home")})
    catalog = load_catalog(settings)

    assert set(catalog.configs.endpoints) == {"herg"}
    assert catalog.configs.warnings == (
        f"egfr is left out: {home}/egfr.csv: expected a file of measurements, got none",
    )


def test_an_endpoint_is_removed_to_the_last(home: Path, command: Command) -> None:
    """Its YAML goes and its measurements stay; a project without an endpoint is a project."""
    path = file(home, POTENCY, "egfr.csv")
    command("endpoint", "new", path, "--yes")
    assert "expected one of egfr, got 'other'" in fault_of(command("endpoint", "remove", "other"))
    done = command("endpoint", "remove", "egfr")

    assert "is removed; its measurements and its history stay" in done.output
    assert Path(path).exists()
    settings = Settings.from_env({"AIDRUG_CONFIGS": str(home / "configs"), "AIDRUG_HOME": str(home / "home")})
    assert set(load_catalog(settings).nodes) == {"inference_service"}
    assert command("endpoint", "remove", "--examples").exit_code == 0


WIDE = "smiles,hERG IC50 (nM),logD,PPB (%)\nCCO,100,1.2,90\nCCN,>10000,0.3,95\nCCC,2000,-1,99.5\n"


def test_a_wide_table_may_become_one_file(home: Path, command: Command) -> None:
    """What the endpoints have in common is said once; each is as in a file of its own, is listed, and goes alone."""
    path = file(home, WIDE, "wide.csv")
    assert command("endpoint", "new", path, "--yes").exit_code == 0
    apart = dict(load_configs(home / "configs").endpoints)
    for name in apart:
        command("endpoint", "remove", name)
    assert command("endpoint", "new", path, "--yes", "--together").exit_code == 0
    assert load_configs(home / "configs").endpoints == apart
    assert set(apart) == {"herg_ic50", "logd", "ppb"}

    only = home / "configs" / "endpoints" / "wide.yaml"
    assert list(only.parent.iterdir()) == [only]
    text = only.read_text(encoding="utf-8")
    assert text.count("smiles_column") == text.count(path) == 1
    again = command("endpoint", "new", path, "--yes", "--columns", "logD", "--name", "logd")
    assert f"{only} is there already" in fault_of(again)
    assert command("endpoint", "list").output.splitlines()[0] == (f"herg_ic50: hERG IC50; regression, pIC50; {only}")
    done = command("endpoint", "remove", "logd")
    assert f"logd: it is removed from {only}, which keeps herg_ic50, ppb" in done.output
    left = {name: endpoint for name, endpoint in apart.items() if name != "logd"}
    assert load_configs(home / "configs").endpoints == left
    assert "# 1 value is only known as bounds" in only.read_text(encoding="utf-8")
    assert command("curate", "ppb").exit_code == 0
    command("endpoint", "remove", *left)
    assert not only.exists()


def test_a_fault_with_one_endpoint_leaves_the_plan_of_the_others(home: Path, command: Command) -> None:
    """It is shown, exits with 1, and names file and key; asked for by its name, it is the error."""
    path = file(home, WIDE, "wide.csv")
    command("endpoint", "new", path, "--yes", "--together")
    only = home / "configs" / "endpoints" / "wide.yaml"
    only.write_text(only.read_text(encoding="utf-8").replace("title: logD", "titel: logD"), encoding="utf-8")
    planned = command("plan")

    assert planned.exit_code == 1
    assert "stale  dataset/ppb" in planned.output
    assert f"warning  {only}: endpoints.logd.title: missing, expected a value; endpoints.logd.titel: unknown key" in (
        planned.output
    )
    assert "dataset/logd" not in planned.output
    assert f"{only}: endpoints.logd.title: missing" in fault_of(command("plan", "logd"))
    assert "logd: AT FAULT" in command("endpoint", "list").output


def test_a_fault_with_one_endpoint_fails_the_run_of_all_after_the_others(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of the others by their names is none of its business."""
    command("endpoint", "new", file(home, WIDE, "wide.csv"), "--yes", "--together")
    only = home / "configs" / "endpoints" / "wide.yaml"
    only.write_text(only.read_text(encoding="utf-8").replace("title: logD", "titel: logD"), encoding="utf-8")
    monkeypatch.setattr(runner, "open_instance", lambda _settings: nullcontext())
    monkeypatch.setattr(runner, "bring_up_to_date", lambda *_args, **_options: runner.Report())
    settings = Settings.from_env(
        {"AIDRUG_CONFIGS": str(home / "configs"), "AIDRUG_HOME": str(home / "home"), "AIDRUG_WORKERS": "1"}
    )
    silent = Lines(lambda _line: None)

    (fault,) = runner.run_stale(settings, silent).failed
    assert fault.startswith(f"{only}: endpoints.logd.title: missing")
    assert runner.run_stale(settings, silent, Selection(("ppb",))).failed == {}


@contextmanager
def server(folder: Path, cut: int | None = None) -> Iterator[str]:
    """Serve a folder, or only the first bytes of each file."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            whole = (folder / self.path.lstrip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole if cut is None else whole[:cut])

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.fixture
def panel(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a collection of one set, whose panel the project knows."""
    folder = home / "collection" / "small"
    folder.mkdir(parents=True)
    files = []
    for part in ("train", "test"):
        text = f"Drug,Y\n{'CCO' if part == 'train' else 'CCN'},1.5\n".encode()
        (folder / f"{part}.csv").write_bytes(text)
        files.append({"file": f"small/{part}.csv", "sha256": hashlib.sha256(text).hexdigest(), "split": part})
    endpoint = {"title": "Small", "description": "A set.", "task": "regression", "unit": "h", "direction": "higher",
                "smiles_column": "Drug", "value_column": "Y", "split": {"kind": "official"},
                "metric": "mae"}  # fmt: skip
    spec = {"name": "tiny", "title": "One set", "licence": "CC0", "citation": "Nobody 2026", "origin": "here",
            "sets": [{"name": "small", "files": files, "endpoint": endpoint}]}  # fmt: skip
    (home / "configs" / "panels").mkdir()
    (home / "configs" / "panels" / "tiny.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    monkeypatch.setattr(places, "ROOT", home)
    return home / "collection"


def everything(home: Path) -> set[str]:
    """List the files that there are."""
    return {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("served", [False, True])
def test_a_panel_comes_from_a_folder_or_a_server(home: Path, command: Command, panel: Path, served: bool) -> None:
    """Its files are verified and kept, its endpoint says licence, split and unit; added again nothing changes."""
    with server(panel) as address:
        done = command("panel", "add", "tiny", "--from", address if served else str(panel))
    assert done.exit_code == 0, (done.output, done.exception)
    written = content(home, "small")
    raw = read_source(read_config(home / "configs" / "endpoints" / "small.yaml", Endpoint).source, home)

    assert (written["unit"], written["split"], written["licence"]) == ("h", {"kind": "official"}, "CC0 (Nobody 2026)")
    assert list(zip(raw["smiles"], raw["split"], strict=True)) == [("CCO", "train"), ("CCN", "test")]
    before = everything(home)
    assert "is there already, and stays as it is" in command("panel", "add", "tiny", "--from", str(panel)).output
    assert everything(home) == before


def test_a_panel_of_a_wide_table_is_a_group(home: Path, command: Command, panel: Path) -> None:
    """Endpoints that read one file are written with their group, once; without it, the plan says that they lack one."""
    text = b"Drug,A,B\nCCO,1.5,2\nCCN,2.5,3\n"
    (panel / "wide.csv").write_bytes(text)
    shared = {"task": "regression", "unit": "h", "direction": "higher", "smiles_column": "Drug", "metric": "mae"}
    sets: list[dict[str, Any]] = [
        {
            "name": f"wide_{column.lower()}",
            "files": [{"file": "wide.csv", "sha256": hashlib.sha256(text).hexdigest()}],
            "endpoint": {"title": column, "description": "A set.", **shared, "value_column": column},
        }
        for column in ("A", "B")
    ]
    spec = {"name": "wide", "title": "A table", "licence": "CC0", "citation": "Nobody", "origin": "here", "sets": sets}
    (home / "configs" / "panels" / "wide.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    done = command("panel", "add", "wide", "--from", str(panel))
    assert done.exit_code == 0, (done.output, done.exception)

    configs = load_configs(home / "configs")
    assert configs.groups["wide"].endpoints == ("wide_a", "wide_b")
    assert not any("belong into a group" in each for each in configs.warnings)
    before = everything(home)
    command("panel", "add", "wide", "--from", str(panel))
    assert everything(home) == before
    (home / "configs" / "endpoints" / "wide_b.yaml").unlink()
    assert "is there already, and stays as it is" in command("panel", "add", "wide", "--from", str(panel)).output

    (home / "configs" / "groups" / "wide.yaml").unlink()
    (hint,) = [each for each in load_configs(home / "configs").warnings if "belong into a group" in each]
    assert "wide_a, wide_b read data/panels/wide/wide.csv" in hint


def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.mark.parametrize("fault", ["another content", "cut", "no network", "no file", "no place"])
def test_a_fault_leaves_everything_as_it_was(home: Path, command: Command, panel: Path, fault: str) -> None:
    """A wrong digest, a cut download, no network, a missing file: a clear error, and nothing lost."""
    words = {
        "another content": "expected the content with SHA-256",
        "cut": "the download was cut",
        "no network": "could not be fetched",
        "no file": "expected a file of the panel tiny, got none",
        "no place": "expected the folder that holds its files (--from FOLDER)",
    }
    if fault == "another content":
        (panel / "small" / "test.csv").write_bytes(b"Drug,Y\nCCN,15\n")
    if fault == "no file":
        (panel / "small" / "test.csv").unlink()
    before = everything(home)
    with server(panel, cut=4) as cutting:
        nobody = f"http://127.0.0.1:{closed_port()}"
        place = {"cut": cutting, "no network": nobody, "no place": ""}.get(fault, str(panel))
        refused = fault_of(command("panel", "add", "tiny", *(("--from", place) if place else ())))

    assert words[fault] in refused
    assert everything(home) == before


def test_the_panels_of_the_project_are_valid() -> None:
    """Each of their endpoints is one that the schema takes; the group of the ADMET benchmark has 22."""
    known = panels.load_panels(Settings.from_env({}))
    assert len(known["tdc_admet"].sets) == 22
    for name, each in known.items():
        for one in each.sets:
            made = Endpoint.model_validate(one.content(each, f"data/panels/{name}"))
            assert made.name == one.name
