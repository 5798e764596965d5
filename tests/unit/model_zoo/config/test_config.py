"""Configuration: every fault is one error that names file and key, what was expected and what came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ai_drug_assets.settings import ROOT, Settings
from model_zoo import models
from model_zoo.config.files import Configs, load_configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.search_range import Range
from model_zoo.errors import ConfigError
from model_zoo.io.digests import canonical_json
from model_zoo.provenance.records import trained_model_record

ENDPOINT: dict[str, Any] = {
    "name": "logs",
    "title": "Solubility",
    "description": "How much dissolves.",
    "task": "regression",
    "unit": "log10 mol/L",
    "source": {"kind": "csv", "files": ["logs.csv"]},
    "champion": {"metric": "rmse"},
}
MODEL: dict[str, Any] = {"name": "rf", "description": "A forest.", "features": ["descriptors"]}


class Folder:
    """A `configs/` folder with one endpoint and one model."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.endpoint()
        self.model()

    def endpoint(self, name: str = "logs", **changes: Any) -> None:
        """Write an endpoint with changes; a value of `...` takes the key out."""
        self._write(f"endpoints/{name}.yaml", {**ENDPOINT, "name": name, **changes})

    def model(self, name: str = "rf", **changes: Any) -> None:
        """Write a model with changes; a value of `...` takes the key out."""
        self._write(f"models/{name}.yaml", {**MODEL, "name": name, **changes})

    def text(self, name: str, text: str | bytes) -> None:
        """Write a file as it is."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def _write(self, name: str, content: dict[str, Any]) -> None:
        kept = {key: value for key, value in content.items() if value is not ...}
        self.text(name, yaml.safe_dump(kept, sort_keys=False))

    def load(self) -> Configs:
        """Read it."""
        return load_configs(self.path)

    def fault(self) -> str:
        """Return the one error that reading it raises."""
        with pytest.raises(ConfigError) as caught:
            self.load()
        return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a valid folder to spoil."""
    return Folder(tmp_path / "configs")


def test_the_committed_configuration_is_valid() -> None:
    """The repository's own configuration loads."""
    configs = load_configs(ROOT / "configs")

    assert set(configs.models) == {path.stem for path in (ROOT / "configs" / "models").glob("*.yaml")}
    assert all(configs.models_of(endpoint) for endpoint in configs.endpoints)


def test_a_small_configuration_is_valid(folder: Folder) -> None:
    """Defaults make an endpoint of seven keys and a model of three."""
    configs = folder.load()

    assert (list(configs.endpoints), list(configs.models)) == (["logs"], ["rf"])
    assert [model.name for model in configs.models_of("logs")] == ["rf"]


ENDPOINT_FAULTS = {
    "unknown key": ({"sorce_unit": "nM"}, ["sorce_unit", "unknown key", "expected one of", "source_unit"]),
    "unknown key of a section": ({"split": {"fold": 3}}, ["split.fold", "unknown key", "expected one of", "folds"]),
    "unknown key of a source": (
        {"source": {"kind": "csv", "files": ["a.csv"], "column": "y"}},
        ["source.column", "unknown key", "expected one of", "value_column"],
    ),
    "unknown key two deep": (
        {"curation": {"standardise": {"salts": True}}},
        ["curation.standardise.salts", "unknown key", "expected one of", "largest_fragment"],
    ),
    "missing key": ({"task": ...}, ["task", "missing"]),
    "laboratories that are not apart": ({"between_laboratories": 0}, ["between_laboratories", "greater than 0"]),
    "laboratories of a class": (
        {"task": "binary", "unit": "probability", "between_laboratories": 0.6},
        ["between_laboratories: expected none: a binary endpoint has no intervals"],
    ),
    "missing source": ({"source": ...}, ["source", "missing"]),
    "missing key of a section": ({"champion": {"minimum": {}}}, ["champion.metric", "missing"]),
    "missing files": ({"source": {"kind": "csv"}}, ["source.files", "missing"]),
    "no files": ({"source": {"kind": "csv", "files": []}}, ["source.files", "at least 1"]),
    "missing kind": (
        {"source": {"files": ["a.csv"]}},
        ["source.kind", "missing", "package", "csv", "dvc", "benchmark"],
    ),
    "unknown kind": (
        {"source": {"kind": "sql", "files": ["a"]}},
        ["source.kind", "'package'", "'csv'", "'dvc'", "'benchmark'", "'sql'"],
    ),
    "source is a text": ({"source": "logs.csv"}, ["source", "logs.csv"]),
    "a value where a section belongs": ({"curation": 5}, ["curation", "got 5"]),
    "unknown task": ({"task": "rank"}, ["task", "'regression' or 'binary'", "'rank'"]),
    "wrong type": ({"lower": "low"}, ["lower", "number", "'low'"]),
    "wrong type two deep": ({"curation": {"max_spread": "wide"}}, ["curation.max_spread", "number", "'wide'"]),
    "wrong type in a list": ({"curation": {"valid_range": [0, "x"]}}, ["curation.valid_range.1", "number", "'x'"]),
    "not finite": ({"lower": float("nan")}, ["lower", "finite number", "nan"]),
    "not finite two deep": (
        {"curation": {"max_spread": float("inf")}},
        ["curation.max_spread", "finite number", "inf"],
    ),
    "not finite gate": (
        {"champion": {"metric": "rmse", "minimum": {"rmse": float("nan")}}},
        ["champion.minimum.rmse", "finite number", "nan"],
    ),
    "range upside down": ({"curation": {"valid_range": [5, 1]}}, ["curation", "low < high", "5", "1"]),
    "bounds upside down": ({"lower": 2, "upper": 1}, ["lower < upper", "2.0", "1.0"]),
    "out of range": ({"split": {"folds": 1}}, ["split.folds", "greater than or equal to 2", "got 1"]),
    "unknown metric": (
        {"champion": {"metric": "accuracy"}},
        ["champion", "unknown metric 'accuracy'", "expected one of mae, rmse, r2, spearman"],
    ),
    "metric of the other task": ({"task": "binary"}, ["unknown metric 'rmse'", "auroc, auprc, brier"]),
    "unknown metric in a gate": (
        {"champion": {"metric": "rmse", "minimum": {"f1": 1}}},
        ["champion", "unknown metric 'f1'", "expected one of"],
    ),
    "unknown unit": (
        {"source_unit": "furlong"},
        ["source_unit", "'furlong'", "'log10 mol/L'", "M, mM, uM, nM, pM"],
    ),
    "unit of a probability": (
        {"task": "binary", "champion": {"metric": "auroc"}, "unit": "pIC50"},
        ["unit: expected 'probability'", "got 'pIC50'"],
    ),
    "transform of a probability": (
        {"task": "binary", "champion": {"metric": "auroc"}, "transform": "log10"},
        ["binary endpoint takes no transform"],
    ),
    "smi without values": (
        {"source": {"kind": "csv", "files": ["a.smi"], "format": "smi"}},
        ["source", "values_file", "id_column"],
    ),
    "package with a dot": (
        {"source": {"kind": "package", "package": "rdkit.Chem", "files": ["a.csv"]}},
        ["source.package", "rdkit.Chem"],
    ),
    "name is not the file's": ({"name": "logd"}, ["expected name: logs", "'logd'"]),
    "name with a blank": ({"name": "log s"}, ["name", "pattern", "'log s'"]),
}


@pytest.mark.parametrize(("changes", "parts"), ENDPOINT_FAULTS.values(), ids=ENDPOINT_FAULTS)
def test_a_fault_in_an_endpoint(folder: Folder, changes: dict[str, Any], parts: list[str]) -> None:
    """A fault in an endpoint's file is one error naming the file, the key, what was expected and what came."""
    folder._write("endpoints/logs.yaml", {**ENDPOINT, **changes})
    fault = folder.fault()

    assert fault.startswith(f"{folder.path / 'endpoints' / 'logs.yaml'}: ")
    assert [part for part in parts if part not in fault] == []
    assert "\n" not in fault


MODEL_FAULTS = {
    "unknown key": ({"hyper": {}}, ["hyper", "unknown key", "expected one of", "overrides"]),
    "unknown hyper-parameter": (
        {"config": {"trees": 10}},
        ["config.trees", "unknown key", "expected one of", "n_estimators"],
    ),
    "wrong type": ({"config": {"n_estimators": "many"}}, ["config.n_estimators", "integer", "'many'"]),
    "out of range": ({"config": {"max_features": 2}}, ["config.max_features", "less than or equal to 1", "got 2"]),
    "not finite": ({"config": {"max_features": float("nan")}}, ["config.max_features", "nan"]),
    "missing key": ({"features": ...}, ["features", "missing"]),
    "no features": ({"features": []}, ["features", "at least one"]),
    "features is a text": ({"features": "descriptors"}, ["features", "'descriptors'"]),
    "unknown featurizer": (
        {"features": ["ecfp9"]},
        ["features", "unknown featurizer 'ecfp9'", "avalon_count, chemnet, descriptors", "rdkit_descriptors, tokens"],
    ),
    "featurizer twice": ({"features": ["tokens", "tokens"]}, ["features", "'tokens'", "once"]),
    "the task": ({"config": {"task": "binary"}}, ["config.task", "comes from the endpoint"]),
    "the task in an override": ({"overrides": {"logs": {"task": "binary"}}}, ["task", "comes from the endpoint"]),
    "wrong override": (
        {"overrides": {"logs": {"n_estimators": 0}}},
        ["overrides.logs.n_estimators", "greater than or equal to 1", "got 0"],
    ),
    "auxiliary endpoints of a recipe that learns one": (
        {"auxiliary": "all"},
        ["auxiliary: expected none", "rf learns from its own endpoint alone"],
    ),
    "no auxiliary endpoints of a recipe that needs them": (
        {"recipe": "multitask", "config": {}},
        ["auxiliary: missing", "expected `all` or a list", "multitask learns from other endpoints too"],
    ),
    "unknown word for endpoints": ({"endpoints": "most"}, ["endpoints", "'most'", "'all'"]),
    "name is not the file's": ({"name": "xgb"}, ["expected name: rf", "'xgb'"]),
}


@pytest.mark.parametrize(("changes", "parts"), MODEL_FAULTS.values(), ids=MODEL_FAULTS)
def test_a_fault_in_a_model(folder: Folder, changes: dict[str, Any], parts: list[str]) -> None:
    """A fault in a model's file is one error naming the file, the key, what was expected and what came."""
    folder._write("models/rf.yaml", {**MODEL, **changes})
    fault = folder.fault()

    assert fault.startswith(f"{folder.path / 'models' / 'rf.yaml'}: ")
    assert [part for part in parts if part not in fault] == []
    assert "\n" not in fault


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("overrides", {"overrides": {"logd": {}}}),
        ("endpoints", {"endpoints": ["logs", "logd"]}),
        ("auxiliary", {"recipe": "multitask", "config": {}, "auxiliary": ["logd"]}),
    ],
)
def test_an_endpoint_that_is_not_there_is_a_warning(folder: Folder, key: str, changes: dict[str, Any]) -> None:
    """So that removing an endpoint's file needs no other edit; the one that a misspelt name means is named."""
    folder._write("models/rf.yaml", {**MODEL, **changes})
    (warning,) = folder.load().warnings

    assert warning.startswith(f"{folder.path / 'models' / 'rf.yaml'}: {key}: there is no endpoint 'logd'")
    assert warning.endswith("did you mean 'logs'?")


def test_overrides_of_a_model_that_does_not_compete_are_warned_of(folder: Folder) -> None:
    """They change nothing, and who wrote them thinks that they do."""
    folder.model("xgb")
    folder.endpoint(models=["rf"], overrides={"xgb": {"n_estimators": 5}, "rf": {"n_estimators": 5}})
    (warning,) = folder.load().warnings

    assert warning.endswith("logs.yaml: overrides: 'xgb' does not compete on 'logs', so this is of no effect")


@pytest.mark.parametrize("changes", [{"overrides": {"xgbb": {}}}, {"models": ["xgbb", "xgb"]}])
def test_a_model_that_is_not_there_is_a_warning(folder: Folder, changes: dict[str, Any]) -> None:
    """So that taking a model out of a project needs no edit of its endpoints; the others compete as before."""
    folder.endpoint(**changes)
    folder.model("xgb", recipe="xgb", config={})
    configs = folder.load()
    (key,) = changes

    start = f"{folder.path / 'endpoints' / 'logs.yaml'}: {key}: there is no model 'xgbb'"
    assert [each for each in configs.warnings if each.startswith(start) and each.endswith("did you mean 'xgb'?")]
    assert configs.models["xgb"].applies_to("logs")


def test_an_endpoint_adds_a_model_to_those_that_compete_everywhere(folder: Folder) -> None:
    """`default` spares the list of all others: who competes everywhere tomorrow competes here too."""
    folder.model("naive", recipe="naive", config={})
    folder.model("extra", recipe="xgb", config={}, endpoints=[])
    folder.model("elsewhere", recipe="xgb", config={}, endpoints=[])
    names = [model.name for model in folder.load().models_of("logs")]
    folder.endpoint(models=["default", "extra"])
    configs = folder.load()

    assert configs.warnings == ()
    assert {model.name for model in configs.models_of("logs")} == {*names, "extra"}


def test_a_list_of_models_without_the_baseline_is_a_warning(folder: Folder) -> None:
    """It takes a gate away: a model that is worse than a constant may serve. Saying nothing keeps the baseline."""
    folder.model("naive", recipe="naive", config={})
    assert folder.load().warnings == ()
    folder.endpoint(models=["naive", "rf"])
    assert folder.load().warnings == ()
    folder.endpoint(models=["rf"])
    (warning,) = folder.load().warnings

    assert warning.startswith(f"{folder.path / 'endpoints' / 'logs.yaml'}: models: expected 'naive' among them")


def test_two_files_may_use_one_recipe(folder: Folder) -> None:
    """A file that names another model's recipe has its own name, and that recipe's hyper-parameters and code."""
    folder.model("grove", recipe="rf", config={"n_estimators": 7})
    configs = folder.load()
    known = configs.models
    rf, grove = (trained_model_record(configs.endpoints["logs"], known[name], {}, ROOT) for name in ("rf", "grove"))

    assert known["rf"].recipe == "rf"
    assert known["grove"].settings() == known["rf"].settings().model_copy(update={"n_estimators": 7})
    assert "models.rf.train" in grove.code
    assert {part for part, content in rf.signed.items() if content != grove.signed[part]} == {"config"}
    folder.model("grove", recipe="glade")
    assert f"unknown model 'glade': expected one of {', '.join(models.names())}" in folder.fault()


def test_an_unknown_model_names_the_known_ones(folder: Folder) -> None:
    """A configuration without a module says which modules there are."""
    folder.model("nothing")
    fault = folder.fault()

    assert str(folder.path / "models" / "nothing.yaml") in fault
    assert f"unknown model 'nothing': expected one of {', '.join(models.names())}" in fault


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name: [logs", ["not valid YAML", "line 1"]),
        ("name: logs\n\tunit: x\n", ["not valid YAML", "line 2"]),
        (b"name: \xff\xfe", ["not valid YAML"]),
        ("title: !!timestamp 2020-13-45\n", ["not valid YAML", "timestamp"]),
        ("? [a]\n: 1\n", ["not valid YAML", "key"]),
        ("- name\n- unit\n", ["expected keys and values", "got list"]),
        ("logs", ["expected keys and values", "got str"]),
        ("", ["expected keys and values", "got nothing"]),
        ("# only a comment\n", ["expected keys and values", "got nothing"]),
        ("name: logs\nunit: a\nunit: b\n", ["'unit'", "twice", "line 3"]),
        ("name: logs\nsource:\n  kind: csv\n  kind: dvc\n", ["'kind'", "twice"]),
        ("base: &base {a: 1}\nname:\n  <<: *base\n", ["merge keys (`<<`)", "write the keys out", "line 3"]),
        ("name: logs\n1: a\n", ["expected a text as key, got 1", "line 2"]),
        ("name: !!int 030\n", ["'int'", "'030'"]),
        ("name: &a [*a]\n", ["alias inside what it names"]),
        ("name: logs\n---\nname: logs\n", ["expected a single document"]),
    ],
)
@pytest.mark.parametrize("name", ["endpoints/logs.yaml", "models/rf.yaml"])
def test_a_file_that_is_not_a_mapping(folder: Folder, name: str, text: str | bytes, parts: list[str]) -> None:
    """Broken YAML, a list, nothing at all and a repeated key are faults of the file, with the place."""
    folder.text(name, text)
    fault = folder.fault()

    assert fault.startswith(f"{folder.path / name}: ")
    assert [part for part in parts if part not in fault] == []


@pytest.mark.parametrize(
    ("written", "came"),
    [
        ("true", "True"),
        ("yes", "'yes'; truth values are `true` and `false`"),
        ("030", "'030'; numbers are decimal"),
        ("0x1E", "'0x1E'; numbers are decimal"),
        ("0o36", "'0o36'; numbers are decimal"),
        ("1_000", "'1_000'; numbers are decimal"),
        ("1:30", "'1:30'; numbers are decimal"),
        ("'30'", "'30'"),
        ("30.0", "30.0"),
        ("~", "None"),
        ("2024-01-31", "'2024-01-31'"),
    ],
)
def test_only_a_number_is_a_number(folder: Folder, written: str, came: str) -> None:
    """What YAML 1.1 or a lenient reader takes for a number is refused, with what came and how a number is written."""
    folder.text("models/rf.yaml", f"{yaml.safe_dump(MODEL)}config: {{n_estimators: {written}}}\n")
    fault = folder.fault()

    assert "config.n_estimators: Input should be a valid integer" in fault
    assert f"got {came}" in fault


@pytest.mark.parametrize("written", ["yes", "on", "1", "'true'"])
def test_only_true_and_false_are_truth_values(folder: Folder, written: str) -> None:
    """A word or number that lenient readers take for true is refused."""
    folder.text("models/rf.yaml", f"{yaml.safe_dump(MODEL)}cheap: {written}\n")

    assert "cheap: Input should be a valid boolean, got" in folder.fault()


@pytest.mark.parametrize(("written", "depth"), [("1e-3", 1e-3), ("1", 1.0), ("5.0e-2", 0.05), (".5", 0.5)])
def test_numbers_are_those_of_json(folder: Folder, written: str, depth: float) -> None:
    """An exponent needs no dot, and a whole number is a number of any kind."""
    folder.text("models/rf.yaml", f"{yaml.safe_dump(MODEL)}config: {{max_features: {written}}}\n")

    assert folder.load().models["rf"].settings("logs").model_dump()["max_features"] == depth


def test_words_that_mean_something_elsewhere_are_text(folder: Folder) -> None:
    """A title of `no`, a date or a clock time is the text that is there."""
    others = yaml.safe_dump({key: ENDPOINT[key] for key in ENDPOINT if key != "title"})
    for word in ("no", "2024-01-31", "12:30", "0123", "="):
        folder.text("endpoints/logs.yaml", f"{others}title: {word}\n")
        assert folder.load().endpoints["logs"].title == word


@pytest.mark.parametrize("name", [".#rf.yaml", "._rf.yaml", ".rf.yaml.yml"])
def test_hidden_files_are_no_configuration(folder: Folder, name: str) -> None:
    """Lock files of an editor, which point nowhere, and what file managers leave behind are no configuration."""
    (folder.path / "models" / name).symlink_to("nobody@nowhere.1:2")
    (folder.path / "endpoints" / name).write_bytes(b"\x00\x05\x16")

    assert set(folder.load().models) == {"rf"}


def test_a_file_that_cannot_be_read(folder: Folder) -> None:
    """A link that points nowhere is a fault of that file, not a crash."""
    (folder.path / "models" / "xgb.yaml").symlink_to("nowhere")

    assert (
        folder.fault() == f"{folder.path / 'models' / 'xgb.yaml'}: expected a readable file: No such file or directory"
    )


def test_an_empty_folder(folder: Folder) -> None:
    """Without any model the error names the folder; a project may begin without an endpoint, and lose its last."""
    for path in (folder.path / "endpoints").iterdir():
        path.unlink()
    assert folder.load().endpoints == {}
    (folder.path / "endpoints").rmdir()
    assert folder.load().endpoints == {}
    for path in (folder.path / "models").iterdir():
        path.unlink()
    assert folder.fault() == f"{folder.path / 'models'}: expected at least one YAML file, got none"


def test_a_name_that_stands_twice(folder: Folder) -> None:
    """A copy of a file under another name says the name that it should have."""
    folder._write("endpoints/other.yaml", ENDPOINT)

    assert folder.fault() == (
        f"{folder.path / 'endpoints' / 'other.yaml'}: expected name: other (the file's own), got 'logs'"
    )


def test_the_same_file_under_two_suffixes(folder: Folder) -> None:
    """`logs.yaml` beside `logs.yml` is a duplicate name."""
    folder.text("endpoints/logs.yml", (folder.path / "endpoints" / "logs.yaml").read_bytes())

    assert "already taken" in folder.fault()


def test_an_endpoint_without_a_model(folder: Folder) -> None:
    """An endpoint on which no model competes is a fault of its file."""
    folder.endpoint("logd")
    folder.model(endpoints=["logs"])

    assert folder.fault() == f"{folder.path / 'endpoints' / 'logd'}.yaml: no model competes on endpoint 'logd'"
    assert set(load_configs(folder.path, keep_rest=True).endpoints) == {"logs"}


def test_several_faults_of_a_file_are_told_at_once(folder: Folder) -> None:
    """One error holds every fault of a file: nobody has to correct them one run at a time."""
    folder.endpoint(task="rank", bogus=1, lower="low")
    fault = folder.fault()

    assert all(key in fault for key in ("task", "bogus", "lower"))


def test_a_model_whose_module_is_broken(folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A syntax error in a model's module is a fault of that file, said in one error, not a traceback."""
    (tmp_path / "broken.py").write_text("def train(:\n", encoding="utf-8")
    (tmp_path / "bare.py").write_text('"""No recipe."""\n', encoding="utf-8")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    monkeypatch.setattr(models, "_is_known", {"bare", "broken", "rf"}.__contains__)
    folder.model("broken")
    assert "model_zoo/models/broken.py" in folder.fault()
    assert "SyntaxError" in folder.fault()

    (folder.path / "models" / "broken.yaml").unlink()
    folder.model("bare")
    assert "model_zoo/models/bare.py: expected `Config` and `train`" in folder.fault()


def test_form_is_not_content(folder: Folder) -> None:
    """Key order, YAML style, comments and defaults spelled out mean the same configuration."""
    before = folder.load()
    folder.text(
        "endpoints/logs.yaml",
        "# rewritten\nchampion: {metric: rmse, alpha: 5.0e-2}\nsource: {files: ['logs.csv'], kind: csv, format: csv}\n"
        "unit: 'log10 mol/L'\ntask: \"regression\"\ndescription: >-\n  How much\n  dissolves.\ntitle: Solubility\n"
        "name: logs\nsplit: {}\ncuration: {replicates: median}\n",
    )
    folder.text("models/rf.yaml", "config: {n_estimators: 200}\n" + yaml.safe_dump(MODEL))
    after = folder.load()

    assert after.endpoints["logs"] == before.endpoints["logs"]
    assert after.models["rf"].settings("logs") == before.models["rf"].settings("logs")


def test_overrides_count_on_their_endpoint_only(folder: Folder) -> None:
    """Hyper-parameters of one endpoint are laid over those of all."""
    folder.endpoint("logd")
    folder.model(config={"n_estimators": 50, "max_depth": 3}, overrides={"logd": {"n_estimators": 70}})
    model = folder.load().models["rf"]

    assert [model.settings(name).model_dump()["n_estimators"] for name in ("logs", "logd", None)] == [50, 70, 50]
    assert model.settings("logd").model_dump()["max_depth"] == 3


def test_a_model_may_compete_on_some_endpoints_only(folder: Folder) -> None:
    """`endpoints` names where a model competes; `all` is the default."""
    folder.endpoint("logd")
    folder.model("naive", endpoints=["logd"])
    configs = folder.load()

    assert [model.name for model in configs.models_of("logs")] == ["rf"]
    assert [model.name for model in configs.models_of("logd")] == ["naive", "rf"]


def test_what_decides_a_snapshot_can_be_signed(folder: Folder) -> None:
    """The sections that enter signatures are plain JSON."""
    endpoint = folder.load().endpoints["logs"]

    assert canonical_json(endpoint.dataset.model_dump(mode="json"))
    assert canonical_json(endpoint.target.model_dump(mode="json"))
    assert endpoint.dataset.source_unit == "log10 mol/L"


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    """Every place has a default under one home, and a variable that moves it."""
    settings = Settings.from_env({"AIDRUG_HOME": str(tmp_path), "AIDRUG_SERVICE_PORT": "8123", "AIDRUG_STORE": ""})

    assert (settings.home, settings.service_port, settings.ui_port) == (tmp_path, 8123, 3000)
    assert settings.store == str(tmp_path / "store")
    assert settings.tracking_uri == f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    assert settings.folder("a", "b").is_dir()


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80.5", "²"])
def test_a_port_is_a_number(text: str) -> None:
    """A port that is none is one error naming the variable and what came."""
    with pytest.raises(ConfigError, match="AIDRUG_UI_PORT: expected a port from 1 to 65535, got"):
        Settings.from_env({"AIDRUG_UI_PORT": text})


def test_a_block_is_as_wide_as_its_featurizer() -> None:
    """The settings are those of a file that says the widths; one that says others is heard, and refused in training."""
    features = ("morgan_count", "erg", "rdkit_descriptors")
    known: dict[str, Any] = {"name": "gp", "description": "d", "features": features}
    blocks: list[dict[str, Any]] = [{"largest": 8}, {"per_count": 0.3}, {"distance": "rank"}]
    widths = [{"columns": columns, **block} for columns, block in zip((1024, 315, 217), blocks, strict=True)]

    made = ModelSpec(**known, config={"blocks": blocks})
    assert made.settings() == ModelSpec(**known, config={"blocks": widths}).settings()
    other = ModelSpec(**known, config={"blocks": [{"columns": 7}, *blocks[1:]]}).settings().model_dump()
    assert [block["columns"] for block in other["blocks"]] == [7, 315, 217]
    for wrong in (blocks[:2], "blocks", [1, 2, 3]):
        with pytest.raises(ValidationError, match="blocks"):
            ModelSpec(**known, config={"blocks": wrong})
    searched = ModelSpec(**known, config={"blocks": blocks}, search={"max_rows": Range(choices=(100, 200))})
    assert searched.settings(changed={"max_rows": 200}).model_dump()["max_rows"] == 200
