"""Catalog, ledger and plan: what is stale, why, and what is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ai_drug_assets.planning.catalog import Catalog, current_signature, load_catalog
from ai_drug_assets.planning.ledger import Failure, Ledger, Made, now
from ai_drug_assets.planning.plan import Plan, make_plan
from ai_drug_assets.settings import ROOT, Settings
from model_zoo.errors import ConfigError, StoreError
from model_zoo.provenance import roots

ENDPOINTS = ("logd", "logs")
MODELS = {"naive": ["descriptors"], "rf": ["morgan_count", "descriptors"]}


class Project:
    """A project with two CSV endpoints and two models, and a pretence of making assets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(folder, ROOT, folder / "configs", folder / "home", "", "", "")
        self.ledger = Ledger(self.settings.home / "ledger")
        for name in ENDPOINTS:
            self.write(f"data/{name}.csv", "smiles,value\nCCO,1\n")
            self.configure("endpoints", name, self.endpoint(name))
        for name, features in MODELS.items():
            self.configure("models", name, {"name": name, "description": "d", "features": features})

    @staticmethod
    def endpoint(name: str, **changes: Any) -> dict[str, Any]:
        """Return an endpoint's configuration."""
        return {
            "name": name,
            "title": name,
            "description": "d",
            "task": "regression",
            "unit": "log10 mol/L",
            "source": {"kind": "csv", "files": [f"data/{name}.csv"]},
            "champion": {"metric": "rmse"},
            **changes,
        }

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def configure(self, kind: str, name: str, content: dict[str, Any]) -> None:
        """Write a configuration file."""
        self.write(f"configs/{kind}/{name}.yaml", yaml.safe_dump(content, sort_keys=False))

    def catalog(self) -> Catalog:
        """Load the catalog."""
        return load_catalog(self.settings)

    def plan(self) -> Plan:
        """Plan."""
        return make_plan(self.catalog(), self.ledger)

    def make(self, *keys: str, version: str = "1") -> None:
        """Put into the ledger what making assets (all of them by default) in order would."""
        for key, node in self.catalog().nodes.items():
            if keys and key not in keys:
                continue
            entries = {dep: self.ledger.read(dep).made for dep in node.deps}
            inputs = {dep: made.data_version for dep, made in entries.items() if made}
            self.ledger.record_made(
                key,
                Made(
                    signature=node.signature,
                    record=node.record,
                    data_version=f"{key} {version}",
                    inputs=inputs,
                    run_id="r",
                    git_sha="s",
                    at=now(),
                ),
            )

    def stale(self) -> dict[str, list[tuple[str, str, str]]]:
        """Return each stale asset's reasons."""
        return {item.node.key: [reason[:3] for reason in item.reasons] for item in self.plan().stale}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of which nothing is made."""
    return Project(tmp_path)


@pytest.fixture
def made(project: Project) -> Project:
    """Return a project of which everything is made."""
    project.make()
    return project


def of(endpoint: str, *models: str) -> set[str]:
    """Name the assets of an endpoint that are downstream of its models, and the service."""
    trained = {f"trained_model/{endpoint}/{model}" for model in models}
    return trained | {f"leaderboard/{endpoint}", f"champion_model/{endpoint}", "inference_service"}


def test_the_graph_is_that_of_the_design(project: Project) -> None:
    """Each endpoint has its dataset, a features asset per featurizer, a trained model per model, a leaderboard and a
    champion; one service follows all; upstream is first.
    """
    nodes = project.catalog().nodes

    assert len(nodes) == 2 * (1 + 2 + 2 + 1 + 1) + 1
    assert nodes["trained_model/logs/rf"].deps == (
        "dataset/logs",
        "features/logs/morgan_count",
        "features/logs/descriptors",
    )
    assert nodes["features/logs/descriptors"].deps == ("dataset/logs",)
    assert nodes["leaderboard/logs"].deps == ("trained_model/logs/naive", "trained_model/logs/rf")
    assert nodes["champion_model/logs"].deps == ("leaderboard/logs",)
    assert nodes["inference_service"].deps == ("champion_model/logd", "champion_model/logs")
    order = list(nodes)
    assert all(order.index(dep) < order.index(key) for key, node in nodes.items() for dep in node.deps)


def test_everything_is_new_at_first(project: Project) -> None:
    """Before the first run every asset is stale, because it was never made."""
    stale = project.stale()

    assert set(stale) == set(project.catalog().nodes)
    assert {reason for reasons in stale.values() for reason in reasons} == {("new", "never materialised", "")}


def test_nothing_is_stale_once_all_is_made(made: Project) -> None:
    """After a run the plan is empty."""
    plan = made.plan()

    assert plan.stale == ()
    assert set(plan.fresh) == set(made.catalog().nodes)
    assert plan.as_json() == {"stale": [], "fresh": 15, "warnings": []}
    assert plan.as_text() == "0 stale, 15 fresh"


def test_form_makes_nothing_stale(made: Project) -> None:
    """Key order, comments, YAML style and defaults spelled out are no change."""
    made.write(
        "configs/endpoints/logs.yaml",
        "# reordered\nchampion: {metric: rmse, tie_margin: 0.01}\nsource:\n  files: ['data/logs.csv']\n  kind: csv\n"
        'unit: "log10 mol/L"\ntask: regression\ntitle: logs\ndescription: d\nname: logs\nsource_unit: log10 mol/L\n'
        "split: {kind: scaffold, folds: 5}\ntransform: identity\n",
    )
    made.write(
        "configs/models/rf.yaml",
        "features:\n- morgan_count\n- descriptors\nname: rf\ndescription: d\nconfig: {seed: 0, n_estimators: 200}\n",
    )

    assert made.stale() == {}


def test_data_touches_only_its_endpoint(made: Project) -> None:
    """An edited CSV makes its own endpoint stale, file named, and the service that serves it; nothing else."""
    made.write("data/logs.csv", "smiles,value\nCCO,2\n")
    stale = made.stale()

    assert set(stale) == of("logs", "naive", "rf") | {
        "dataset/logs",
        "features/logs/descriptors",
        "features/logs/morgan_count",
    }
    assert stale["trained_model/logs/rf"] == [("data", "data/logs.csv", "changed")]


def test_a_judging_rule_retrains_nothing(made: Project) -> None:
    """Gates decide who serves, not what is trained: only the champion and the service are stale."""
    made.configure("endpoints", "logs", made.endpoint("logs", champion={"metric": "rmse", "minimum": {"r2": 0.5}}))
    stale = made.stale()

    assert set(stale) == {"champion_model/logs", "inference_service"}
    assert stale["champion_model/logs"] == [("config", "rules.minimum.r2", "added")]


@pytest.mark.parametrize("change", [{"title": "Solubility"}, {"description": "new"}, {"licence": "CC0-1.0"}])
def test_words_retrain_nothing(made: Project, change: dict[str, str]) -> None:
    """What the bundle only shows reaches the bundle and nothing before it."""
    made.configure("endpoints", "logs", made.endpoint("logs", **change))

    assert set(made.stale()) == {"champion_model/logs", "inference_service"}


def test_owners_make_nothing_stale(made: Project) -> None:
    """Owners are only shown in the UI."""
    made.configure("endpoints", "logs", made.endpoint("logs", owners=["team:chem"]))

    assert made.stale() == {}


def test_the_deciding_metric_retrains_nothing(made: Project) -> None:
    """Another deciding metric is judged again from scores that are there."""
    made.configure("endpoints", "logs", made.endpoint("logs", champion={"metric": "mae"}))

    assert set(made.stale()) == of("logs")


def test_bounds_retrain_but_make_no_new_dataset(made: Project) -> None:
    """The scale of training touches the models, not the data."""
    made.configure("endpoints", "logs", made.endpoint("logs", upper=2.0))
    stale = made.stale()

    assert set(stale) == of("logs", "naive", "rf")
    assert stale["trained_model/logs/rf"] == [("config", "target.upper", "None -> 2.0")]


def test_a_hyper_parameter_touches_its_model_everywhere(made: Project) -> None:
    """A model's configuration makes that model stale on every endpoint, key path and values named."""
    made.configure("models", "rf", {"name": "rf", "description": "d", "features": MODELS["rf"], "config": {"seed": 1}})
    stale = made.stale()

    assert set(stale) == of("logs", "rf") | of("logd", "rf")
    assert stale["trained_model/logs/rf"] == [("config", "model.seed", "0 -> 1")]


def test_an_override_touches_one_endpoint(made: Project) -> None:
    """An override makes the model stale where it counts."""
    rf = {"name": "rf", "description": "d", "features": MODELS["rf"], "overrides": {"logd": {"seed": 1}}}
    made.configure("models", "rf", rf)

    assert set(made.stale()) == of("logd", "rf")


def test_a_models_description_retrains_nothing(made: Project) -> None:
    """Words about a model are no change of it; the champions' cards show them."""
    made.configure("models", "rf", {"name": "rf", "description": "other", "features": MODELS["rf"]})
    stale = made.stale()

    assert set(stale) == {"champion_model/logd", "champion_model/logs", "inference_service"}
    assert stale["champion_model/logs"] == [("config", "models.rf", "d -> other")]


def test_a_new_model_is_trained_and_judged_alone(made: Project) -> None:
    """A model more trains itself; the others stay, and the judging that follows is stale."""
    made.configure("models", "xgb", {"name": "xgb", "description": "d", "features": ["morgan_count"]})
    stale = made.stale()

    assert set(stale) == of("logs", "xgb") | of("logd", "xgb")
    assert stale["trained_model/logs/xgb"] == [("new", "never materialised", "")]
    assert stale["leaderboard/logs"] == [("upstream", "trained_model/logs/xgb", "added")]


def test_a_removed_model_is_judged_without(made: Project) -> None:
    """A model less retrains nothing."""
    made.configure("models", "xgb", {"name": "xgb", "description": "d", "features": ["morgan_count"]})
    made.make()
    (made.folder / "configs/models/xgb.yaml").unlink()

    assert set(made.stale()) == of("logs") | of("logd")


def test_a_new_endpoint_touches_no_other(made: Project) -> None:
    """An endpoint is one YAML and one CSV; the others stay."""
    made.write("data/logp.csv", "smiles,value\nCCO,1\n")
    made.configure("endpoints", "logp", made.endpoint("logp"))
    stale = set(made.stale())

    assert {key for key in stale if "logp" not in key} == {"inference_service"}
    assert len(stale) == 8


def test_taking_a_change_back_makes_fresh_again(made: Project) -> None:
    """A revert needs no training: what was made is what is wanted."""
    before = (made.folder / "data/logs.csv").read_text(encoding="utf-8")
    made.write("data/logs.csv", "smiles,value\nCCO,2\n")
    assert made.stale()
    made.write("data/logs.csv", before)

    assert made.stale() == {}


def test_the_catalog_is_read_afresh(made: Project) -> None:
    """A process that loaded the catalog can ask what an asset's signature would be now."""
    catalog = made.catalog()
    key = "trained_model/logs/rf"
    assert current_signature(catalog, key) == catalog.nodes[key].signature
    made.write("data/logs.csv", "smiles,value\nCCO,2\n")

    assert current_signature(catalog, key) not in (None, catalog.nodes[key].signature)
    assert current_signature(catalog, "trained_model/logs/gone") is None


def test_only_what_an_asset_is_made_from_may_stop_it(made: Project) -> None:
    """A file of another model or endpoint that is broken meanwhile does not keep an asset from being labelled; one that
    it is made from does.
    """
    catalog = made.catalog()
    folder, key = catalog.settings.configs, "trained_model/logs/rf"
    for path in (*(folder / "models").glob("*.yaml"), *(folder / "endpoints").glob("*.yaml")):
        if path.stem not in ("rf", "logs"):
            path.write_text("name: [", encoding="utf-8")
    assert current_signature(catalog, key) == catalog.nodes[key].signature
    (folder / "models" / "rf.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rf\.yaml"):
        current_signature(catalog, key)


def test_an_upstream_made_anew_is_a_reason(made: Project) -> None:
    """What was made from another content of the same signature is stale; equal content is not."""
    made.make("trained_model/logs/rf")
    assert made.stale() == {}
    made.make("trained_model/logs/rf", version="2")

    assert made.stale() == {"leaderboard/logs": [("upstream", "trained_model/logs/rf", "was made again")]}


def test_an_upstream_that_arrived_is_a_reason(project: Project) -> None:
    """A leaderboard made while one model failed is stale when that model is there."""
    keys = [key for key in project.catalog().nodes if key != "trained_model/logs/rf"]
    project.make(*keys)
    assert set(project.stale()) == {"trained_model/logs/rf"}
    project.make("trained_model/logs/rf")

    assert project.stale() == {"leaderboard/logs": [("upstream", "trained_model/logs/rf", "is there now")]}


def failed(project: Project, key: str, error: str = "out of memory\nTraceback") -> None:
    """Record a failed attempt under the present signature."""
    signature = project.catalog().nodes[key].signature
    project.ledger.record_failure(key, Failure(signature=signature, error=error, run_id="r", at=now()))


def test_a_failed_attempt_is_shown(project: Project) -> None:
    """The plan says of a stale asset that its last attempt failed, and why."""
    failed(project, "trained_model/logs/rf")
    plan = project.plan()
    (item,) = [item for item in plan.as_json()["stale"] if "failure" in item]

    assert (item["asset"], item["failure"]) == ("trained_model/logs/rf", "out of memory\nTraceback")
    assert "         last attempt failed: out of memory\n" in plan.as_text()


def test_a_failure_of_another_signature_is_history(project: Project) -> None:
    """After a change the failure is not this signature's, and is not shown."""
    failed(project, "trained_model/logs/rf")
    project.write("data/logs.csv", "smiles,value\nCCO,2\n")

    assert not [item for item in project.plan().stale if item.failure]


def test_making_forgets_a_failure_and_failing_keeps_what_was_made(made: Project) -> None:
    """What was made stays on record through a failure; success clears the failure."""
    key = "trained_model/logs/rf"
    failed(made, key)
    entry = made.ledger.read(key)
    assert (entry.made is not None, entry.failure is not None) == (True, True)
    made.make(key)

    assert made.ledger.read(key).failure is None


def test_the_json_has_the_shape_of_the_design(made: Project) -> None:
    """`{"stale": [{"asset", "reasons": [{"kind", "what"}]}], "fresh": n, "warnings": []}`; a reason has a detail."""
    made.write("data/logs.csv", "smiles,value\nCCO,2\n")
    content = json.loads(json.dumps(made.plan().as_json()))

    assert set(content) == {"stale", "fresh", "warnings"}
    assert content["fresh"] == 15 - len(content["stale"])
    assert all(set(item) == {"asset", "reasons"} and item["reasons"] for item in content["stale"])
    kinds = {"new", "code", "config", "data", "library", "upstream"}
    for reason in (reason for item in content["stale"] for reason in item["reasons"]):
        assert set(reason) == {"kind", "what", "detail"}
        assert reason["kind"] in kinds


def test_the_text_names_asset_kind_and_file(made: Project) -> None:
    """People read the same plan, a line per asset and per reason."""
    made.write("data/logs.csv", "smiles,value\nCCO,2\n")
    lines = made.plan().as_text().splitlines()

    assert lines[:2] == ["stale  dataset/logs", "         data     data/logs.csv changed"]
    assert lines[-1] == "8 stale, 7 fresh"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"made": {"signature": 1}}', b'{"bogus": 1}', b"\xff"])
def test_a_broken_ledger_file_is_one_clear_error(made: Project, content: bytes) -> None:
    """An unreadable entry is named, with what to do; it is never taken for an empty one."""
    path = made.settings.home / "ledger" / "trained_model" / "logs" / "rf.json"
    path.write_bytes(content)

    with pytest.raises(StoreError, match=r"rf\.json is not a valid ledger entry.*Remove the file") as caught:
        made.plan()
    assert str(path) in str(caught.value)


def test_a_removed_ledger_file_makes_anew(made: Project) -> None:
    """Removing an entry, as the error advises, makes that asset new."""
    (made.settings.home / "ledger" / "trained_model" / "logs" / "rf.json").unlink()

    assert made.stale() == {"trained_model/logs/rf": [("new", "never materialised", "")]}


def test_a_missing_data_file_stops_its_endpoint_and_no_other(made: Project) -> None:
    """Its fault is reported, with the file; what other endpoints are made from stays as it is."""
    before = made.catalog().nodes
    (made.folder / "data/logs.csv").unlink()
    catalog = made.catalog()

    assert any("logs.csv: expected a file of measurements, got none" in each for each in catalog.configs.warnings)
    assert catalog.nodes.keys() < before.keys()
    assert {before[key].endpoint for key in before.keys() - catalog.nodes.keys()} <= {"logs", None}


def test_a_fault_in_configuration_stops_before_anything(made: Project) -> None:
    """The first fault in configuration is the catalog's error."""
    made.configure("endpoints", "logs", made.endpoint("logs", bogus=1))

    with pytest.raises(ConfigError, match="bogus: unknown key"):
        made.catalog()


def test_a_helper_makes_exactly_its_importers_stale(made: Project, tmp_path: Path) -> None:
    """A change of code in a featurizer is named in the plan of the models that use it."""
    shutil.copytree(ROOT / "model_zoo", tmp_path / "code/model_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    copied = Settings(tmp_path, tmp_path / "code", tmp_path / "configs", tmp_path / "home", "", "", "")
    assert make_plan(load_catalog(copied), made.ledger).stale == ()
    path = tmp_path / "code/model_zoo/featurizers/morgan_count.py"
    path.write_text(path.read_text(encoding="utf-8").replace("RADIUS = 2", "RADIUS = 3"), encoding="utf-8")
    stale = {item.node.key: item.reasons for item in make_plan(load_catalog(copied), made.ledger).stale}

    both = {f"features/{name}/morgan_count" for name in ENDPOINTS}
    assert set(stale) == of("logs", "rf") | of("logd", "rf") | both
    (reason,) = stale["trained_model/logs/rf"]
    assert reason[:3] == ("code", "model_zoo/featurizers/morgan_count.py", "changed")
    assert reason.definition == "model_zoo.featurizers.morgan_count.RADIUS"
    assert reason.via[0] == "model_zoo.featurizers.morgan_count.featurize"
    assert reason.via[-1] == reason.definition


@pytest.fixture
def copied(made: Project, tmp_path: Path) -> Settings:
    """Return a copy of the code, to be edited, for which everything is made."""
    shutil.copytree(ROOT / "model_zoo", tmp_path / "code/model_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    return Settings(tmp_path, tmp_path / "code", tmp_path / "configs", tmp_path / "home", "", "", "")


def test_the_plan_names_the_definition_and_the_way_to_it(made: Project, copied: Settings) -> None:
    """A change of code is described by the definition that changed, its file and line, and the way from the root; for
    machines too.
    """
    path = copied.code_root / "model_zoo/models/rf.py"
    path.write_text(path.read_text(encoding="utf-8").replace("TOLERANCE = 1e-4", "TOLERANCE = 1e-3"), encoding="utf-8")
    line = path.read_text(encoding="utf-8").splitlines().index("TOLERANCE = 1e-3") + 1
    plan = make_plan(load_catalog(copied), made.ledger)
    way = ("model_zoo.models.rf.train", "model_zoo.models.rf.TOLERANCE")

    assert f"code     {way[0]} -> TOLERANCE (model_zoo/models/rf.py:{line}) changed" in plan.as_text()
    (reason,) = next(item["reasons"] for item in plan.as_json()["stale"] if item["asset"] == "trained_model/logs/rf")
    assert reason == {
        "kind": "code",
        "what": "model_zoo/models/rf.py",
        "detail": "changed",
        "definition": way[1],
        "via": way,
        "line": line,
    }


AMONG_FAST_TESTS = ("fitting", "molecules")
STAYS_IN = {"model_zoo.featurizers._rdkit_descriptors.graph": "model_zoo.featurizers"}
"""Importing this package quiets RDKit's log, which the module does not do by itself: moved out of it, importing it does
something else."""


def movable() -> list[str]:
    """Name every module of the model zoo that is no package, recipe or featurizer."""
    found = []
    for path in sorted((ROOT / "model_zoo").rglob("*.py")):
        place = path.relative_to(ROOT).with_suffix("")
        named = place.parent.name in ("models", "featurizers") and not path.stem.startswith("_")
        if path.stem != "__init__" and not named:
            found.append(".".join(place.parts))
    return found


def move(root: Path, old: str, new: str) -> None:
    """Do what `git mv` does, with the files that the module reads beside itself, and correct the imports of others."""
    path, place = (root / f"{name.replace('.', '/')}.py" for name in (old, new))
    place.parent.mkdir(parents=True, exist_ok=True)
    (place.parent / "__init__.py").touch()
    for beside in path.parent.iterdir():
        if beside.is_file() and beside.suffix != ".py" and f'"{beside.name}"' in path.read_text(encoding="utf-8"):
            shutil.copy(beside, place.parent)
    path.rename(place)
    (package, stem), (room, name) = old.rsplit(".", 1), new.rsplit(".", 1)
    for file in root.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        lines = []
        for line in text.replace(f"from {old} import", f"from {new} import").splitlines():
            indent, _, names = line.partition(f"from {package} import ")
            if names and not indent.strip() and stem in names.split(", "):
                left = ", ".join(each for each in names.split(", ") if each != stem)
                lines += [f"{indent}from {package} import {left}"] if left else []
                lines.append(f"{indent}from {room} import {name} as {stem}")
            else:
                lines.append(line)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    "old",
    [
        name
        if name.rpartition(".")[2] in AMONG_FAST_TESTS
        else pytest.param(name, marks=pytest.mark.slow(sibling="test_moving_a_module_leaves_the_plan_empty"))
        for name in movable()
    ],
)
def test_moving_a_module_leaves_the_plan_empty(
    made: Project, copied: Settings, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that is no recipe or featurizer may be moved to another package under another name: nothing is stale."""
    new = f"{STAYS_IN.get(old, 'model_zoo')}.rooms.{old.rpartition('.')[2]}_moved"
    move(copied.code_root, old, new)
    moved = {
        procedure: {role: place.replace(f"{old}.", f"{new}.") for role, place in places.items()}
        for procedure, places in roots.PROCEDURES.items()
    }
    monkeypatch.setattr(roots, "PROCEDURES", moved)

    assert make_plan(load_catalog(copied), made.ledger).stale == ()


HEAVY = ("dagster", "mlflow", "pandas", "sklearn", "torch", "xgboost", "onnxruntime", "litestar")
PLAN = f"""
import sys
from ai_drug_assets.cli import main
sys.argv = ["aidrug", "plan", "--json"]
try:
    main()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


def run_plan(project: Project, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `aidrug plan --json` in a process of its own."""
    environment = {**os.environ, "AIDRUG_HOME": str(home), "AIDRUG_CONFIGS": str(project.folder / "configs")}
    return subprocess.run(
        [sys.executable, "-c", PLAN], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def absolute(project: Project) -> None:
    """Name the CSV files by absolute path, for a process whose checkout is the real one."""
    for name in ENDPOINTS:
        source = {"kind": "csv", "files": [str(project.folder / f"data/{name}.csv")]}
        project.configure("endpoints", name, project.endpoint(name, source=source))


def test_the_plan_imports_no_heavy_library(project: Project, tmp_path: Path) -> None:
    """`aidrug plan` answers without Dagster, MLflow or any model library, prints JSON and exits 2 when stale."""
    absolute(project)
    done = run_plan(project, tmp_path / "home")

    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["fresh"] == 0
    assert done.returncode == 2


def test_the_plans_exit_code_says_fresh_or_error(project: Project, tmp_path: Path) -> None:
    """Exit 0 when nothing is stale, 1 with one line on an error; a fault with one endpoint leaves the others' plan."""
    absolute(project)
    project.make()
    assert run_plan(project, tmp_path / "home").returncode == 0
    project.configure("endpoints", "logs", project.endpoint("logs", bogus=1))
    done = run_plan(project, tmp_path / "home")

    assert done.returncode == 1
    assert {each["asset"] for each in json.loads(done.stdout)["stale"]} == {"inference_service"}
    assert "logs.yaml: bogus: unknown key" in done.stderr
    assert "Traceback" not in done.stderr
