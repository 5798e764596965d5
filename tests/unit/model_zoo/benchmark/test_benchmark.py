"""Benchmark: champions by folds alone, the official protocol to the letter, results that change only with a cause."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rdkit import Chem
from rdkit.Chem import Crippen
from rdkit.Chem.Scaffolds import MurckoScaffold

from ai_drug_assets.cli import aidrug
from ai_drug_assets.operations.benchmarks import DOCUMENT, POTENCY_DOCUMENT, POTENCY_RESULTS, RESULTS, document
from ai_drug_assets.settings import BENCHMARK_FOLDER
from model_zoo.benchmark import protocol
from model_zoo.benchmark import references as benchmark_references
from model_zoo.benchmark.boards import competitors, pretraining_data
from model_zoo.benchmark.candidates import Snapshot
from model_zoo.benchmark.layout import SetDescription, lay_out
from model_zoo.benchmark.potency_report import potency_text
from model_zoo.benchmark.protocol import MISSING, OfficialRows, predict_test_rows, score_predictions
from model_zoo.benchmark.report import mean_and_deviation, read_goals, report_text
from model_zoo.benchmark.results import read_results
from model_zoo.benchmark.runner import Job, benchmark_run_of, choose, run_benchmark, stale_boards
from model_zoo.benchmark.sets import BenchmarkConfig, Scale, load_benchmark_config, read_sets
from model_zoo.config.files import load_configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.sources import CsvSource
from model_zoo.data.targets import Target
from model_zoo.errors import ConfigError, DataError
from model_zoo.features.cache import FeatureCache
from model_zoo.featurizers import descriptors
from model_zoo.models import get, rf, xgb
from model_zoo.provenance.signature import forget
from model_zoo.selection.election import paired_p_value
from model_zoo.training.cross_validation import cross_validate

ROOT = Path(__file__).parents[4]
RINGS = (
    "c1ccccc1",
    "c1ccncc1",
    "C1CCCCC1",
    "C1CCOCC1",
    "c1ccsc1",
    "C1CCNC1",
    "c1ccoc1",
    "C1CCCC1",
    "C1CCNCC1",
    "C1CCC1",
)
TEST_RINGS = ("c1cnccn1", "C1CCSCC1", "c1cocn1", "c1ccc2ccccc2c1")
TAILS = ("C", "CC", "CCO", "CN", "CCC", "FC")
MODELS: Mapping[str, dict[str, Any]] = {
    "naive": {"features": ["descriptors"]},
    "rf": {"features": ["descriptors"], "config": {"n_estimators": 4, "max_features": 1.0}},
    "xgb": {"features": ["morgan_count"], "config": {"n_estimators": 10}},
    "blend": {"members": ["rf", "xgb"]},
}
SEEDS = ["seed 1 rf", "seed 2 rf"]
CONFIG = BenchmarkConfig(models=("naive", "rf"), seeds=2, targets={"clear_*": Scale(transform="log10")})
INDEX = (
    "benchmark,task,metric,y_meaning_or_unit\nlogp,regression,MAE,log10 ratio\ngreasy,classification,ROC-AUC,1 = so\n"
)


def smiles(rings: Sequence[str]) -> list[str]:
    """Return each ring with each tail."""
    return [tail + ring for ring in rings for tail in TAILS]


def logp(text: str) -> float:
    """Return a value that a model can learn."""
    return round(float(Crippen.MolLogP(Chem.MolFromSmiles(text))), 4)  # type: ignore[attr-defined]


def write(path: Path, rows: Sequence[tuple[str, float]]) -> None:
    """Write one official file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"d{number},{text},{value}\n" for number, (text, value) in enumerate(rows)]
    path.write_text("Drug_ID,Drug,Y\n" + "".join(lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a benchmark folder of two sets, one test row of which no program can read."""
    place = tmp_path / "sets"
    for name in ("logp", "greasy"):
        for part, rings in (("train_val", RINGS), ("test", TEST_RINGS)):
            rows = [(text, logp(text)) for text in smiles(rings)]
            rows = [(text, float(value > 1.2)) for text, value in rows] if name == "greasy" else rows
            write(place / name / f"{part}.csv", rows)
    with (place / "logp" / "test.csv").open("a", encoding="utf-8") as stream:
        stream.write("odd,C1CC(,9.5\n")
    (place / "endpoints.csv").write_text(INDEX, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a copy of the code, which is read once for all tests; who edits it takes a copy."""
    folder = tmp_path_factory.mktemp("code")
    shutil.copytree(ROOT / "model_zoo", folder / "model_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, code: Path) -> FeatureCache:
    """Return one cache of features for all tests: their molecules are the same."""
    return FeatureCache(tmp_path_factory.mktemp("features"), code)


@pytest.fixture
def job(
    folder: Path,
    code: Path,
    features: FeatureCache,
    tmp_path: Path,
    without_importances: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Job:
    """Return a run of the baseline and a forest, signed by a copy of the code."""
    monkeypatch.setattr(protocol, "RESAMPLES", 20)
    monkeypatch.setattr(benchmark_references, "RESAMPLES", 100)
    out, kept = tmp_path / "results.json", tmp_path / "kept"
    return Job(folder, models("naive", "rf"), code, out, kept, features, seeds=2)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record every cross-validation and every official fit that really happens."""
    done: list[str] = []
    validate, predict = cross_validate, predict_test_rows

    def validated(name: str, *args: Any) -> Any:
        done.append(f"cv {name}")
        return validate(name, *args)

    def predicted(name: str, config: Any, *args: Any) -> Any:
        done.append(f"seed {config.seed} {name}")
        return predict(name, config, *args)

    monkeypatch.setattr("model_zoo.benchmark.candidates.cross_validate", validated)
    monkeypatch.setattr("model_zoo.benchmark.candidates.predict_test_rows", predicted)
    return done


def models(*names: str, **changes: Any) -> list[ModelSpec]:
    """Return small models; `changes` go into the last one's configuration."""
    files = [ModelSpec.model_validate({"name": name, "description": name, **MODELS[name]}) for name in names]
    return [*files[:-1], files[-1].model_copy(update={"config": {**files[-1].config, **changes}})]


def run(job: Job, *only: str, lines: list[str] | None = None) -> dict[str, str]:
    """Run the benchmark as the command does."""
    printed = [] if lines is None else lines
    return run_benchmark(job, read_sets(job.folder, CONFIG, only), printed.append)


def entries(job: Job) -> dict[str, dict[str, Any]]:
    """Return the results by set."""
    return {entry["set"]: entry for entry in read_results(job.out)}


def test_a_result_says_what_the_board_needs(job: Job) -> None:
    """A set's entry names champion, official metric and one score per seed, and no folder of the machine."""
    assert run(job) == {}
    found = entries(job)

    assert list(found) == ["greasy", "logp"]
    for name, metric in (("logp", "mae"), ("greasy", "auroc")):
        entry = found[name]
        assert (entry["board"], entry["champion"], entry["metric"]) == ("strict", "rf", metric)
        assert len(entry["scores"]) == 2
        assert entry["interval"][0] <= np.mean(entry["scores"]) <= entry["interval"][1]
        assert entry["train_s"] > 0
        assert entry["ms_per_molecule"] > 0
        assert [item["model"] for item in entry["candidates"]] == ["naive", "rf"]
        assert entry["cv"] == next(item["cv"] for item in entry["candidates"] if item["model"] == "rf")
        assert "test" not in json.dumps(entry["candidates"])
    assert str(job.folder.parent) not in job.out.read_text(encoding="utf-8")


def test_a_model_under_another_name_is_known_and_has_its_name(job: Job, trained: list[str]) -> None:
    """What was computed under one name is not computed under another, and is reported by the name it has now."""
    run(job, "logp")
    del trained[:]
    (forest,) = models("rf")
    run(replace(job, models=[*models("naive"), forest.model_copy(update={"name": "grove"})]), "logp")

    assert trained == []
    assert [item["model"] for item in entries(job)["logp"]["candidates"]] == ["naive", "grove"]
    assert entries(job)["logp"]["champion"] == "grove"


def test_what_did_not_change_is_not_computed_again(job: Job, trained: list[str]) -> None:
    """A second run trains nothing and leaves the file as it is."""
    run(job, "logp")
    assert trained == ["cv naive", "cv rf", *SEEDS]
    before, lines = job.out.read_bytes(), list[str]()
    run(job, "logp", lines=lines)

    assert trained == ["cv naive", "cv rf", *SEEDS]
    assert lines == ["logp: nothing changed"]
    (endpoint,) = read_sets(job.folder, CONFIG, ["logp"])
    assert stale_boards(job, endpoint) == []
    assert stale_boards(replace(job, models=models("naive")), endpoint) == ["strict"]
    assert job.out.read_bytes() == before


def test_only_a_changed_model_is_computed_again(job: Job, trained: list[str], tmp_path: Path) -> None:
    """A hyper-parameter or the code of one model makes that model's results stale, and no other's."""
    own = shutil.copytree(job.code_root, tmp_path / "code")
    job = replace(job, code_root=own, features=FeatureCache(tmp_path / "features", own))
    run(job, "logp")
    before = entries(job)["logp"]
    trained.clear()
    run(replace(job, models=models("naive", "rf", n_estimators=5)), "logp")
    assert trained == ["cv rf", *SEEDS]
    assert entries(job)["logp"]["signature"] != before["signature"]

    trained.clear()
    with (job.code_root / "model_zoo" / "models" / "naive.py").open("a", encoding="utf-8") as stream:
        stream.write("\nassert 1\n")
    forget()
    run(replace(job, models=models("naive", "rf", n_estimators=5)), "logp")
    assert trained == ["cv naive"]


def test_changed_data_is_computed_again(job: Job, trained: list[str]) -> None:
    """Another value in a file makes every model of its set stale, and the other set's none."""
    run(job)
    trained.clear()
    path = job.folder / "logp" / "train_val.csv"
    path.write_text(path.read_text(encoding="utf-8") + "more,CCCCc1ccccc1,3.1\n", encoding="utf-8")
    run(job)

    assert trained == ["cv naive", "cv rf", *SEEDS]


def test_more_seeds_repeat_the_protocol_alone(job: Job, trained: list[str]) -> None:
    """The number of seeds is part of the protocol, not of the choice; a seed that was fitted is not fitted again."""
    run(job, "logp")
    trained.clear()
    run(replace(job, seeds=3), "logp")

    assert trained == ["seed 3 rf"]
    assert len(entries(job)["logp"]["scores"]) == 3


def test_an_interrupted_run_continues(job: Job, trained: list[str]) -> None:
    """What was computed before an interruption is not computed again."""

    class StoppedError(Exception):
        pass

    def say(line: str) -> None:
        if "rf cv" in line:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_benchmark(job, read_sets(job.folder, CONFIG, ["logp"]), say)
    assert trained == ["cv naive", "cv rf"]
    assert entries(job) == {}  # the board shows whole results only
    trained.clear()
    run(job, "logp")

    assert trained == SEEDS


def test_a_run_is_repeatable(job: Job) -> None:
    """Two runs from nothing have equal scores and signatures."""
    run(job)
    first = entries(job)
    job.out.unlink()
    run(job)

    for name, entry in entries(job).items():
        for key in ("scores", "cv", "signature", "champion", "interval"):
            assert entry[key] == first[name][key]


def test_an_unreadable_test_row_still_gets_a_number(job: Job) -> None:
    """A test SMILES that cannot be parsed counts: it is given the mean of the training values."""
    run(job, "logp")
    assert entries(job)["logp"]["official"]["unreadable"] == 1

    y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0])
    rows = OfficialRows(np.array([0, 1, MISSING, 3]), np.array([MISSING, 5]), np.array([0.0, 0.0]))
    target = Target(task="regression", upper=2.5)
    raw = predict_test_rows("naive", get("naive").Config(), target, np.zeros((6, 1)), y, rows)
    official = score_predictions(target, rows, [raw, raw], "mae")
    assert raw.tolist() == [pytest.approx(7 / 3)] * 2
    assert official["scores"] == [pytest.approx(7 / 3, abs=1e-6)] * 2
    assert (official["train_rows"], official["unreadable"]) == (3, 1)


def test_an_unreadable_training_row_is_left_out(job: Job) -> None:
    """A training SMILES that cannot be parsed is learned by nobody and stops nothing."""
    path = job.folder / "logp" / "train_val.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([head, "odd,C1CC(,1.0\n", *lines]), encoding="utf-8")
    assert run(job, "logp") == {}

    assert entries(job)["logp"]["official"]["train_rows"] == len(lines)


def test_the_best_on_the_test_rows_is_not_chosen_for_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is best on the test rows and worse in cross-validation does not become champion."""
    texts = smiles(TEST_RINGS)
    write(job.folder / "logp" / "test.csv", [(text, -logp(text)) for text in texts])  # the opposite of what was learned
    answers = np.array([-logp(text) for text in texts])
    cheat = models("xgb")[0].model_copy(update={"features": ("descriptors",)})

    def planted(X_train: Any, y_train: Any, config: Any) -> Any:
        from model_zoo.chemistry.molecules import parse_molecule
        from model_zoo.featurizers import featurize

        molecules = [parse_molecule(text) for text in texts]
        return rf.train(featurize(["descriptors"], molecules), answers, rf.Config(n_estimators=50, max_features=1.0))  # type: ignore[arg-type]

    monkeypatch.setattr(xgb, "train", planted)
    contested = replace(job, models=[*job.models, cheat])
    (endpoint,) = read_sets(job.folder, CONFIG, ["logp"])
    snapshot = Snapshot(endpoint, job.folder, job.features)
    contest = benchmark_run_of(contested, snapshot, contested.models)
    mae = {
        name: score_predictions(endpoint.target, snapshot.rows, contest.official(name, 1)[0], "mae")["scores"][0]
        for name in ("rf", "xgb")
    }
    run(contested, "logp")
    entry = entries(job)["logp"]

    assert mae["xgb"] < mae["rf"] / 2  # the plant works
    assert entry["champion"] == "rf"
    assert {item["model"] for item in entry["candidates"]} == {"naive", "rf", "xgb"}


def test_a_busy_machine_decides_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A latency that was measured while others had the processor costs no model its title."""
    monkeypatch.setattr("model_zoo.benchmark.candidates.latency_ms", lambda model, X: 4000.0)
    run(job, "logp")

    assert entries(job)["logp"]["champion"] == "rf"


def test_the_strict_board_never_sees_an_open_model(
    job: Job, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model whose features come from weights that saw labels is on the open board alone, with what they saw; the
    strict row stays as it is, and what both boards need is computed once.
    """
    monkeypatch.setattr("model_zoo.featurizers.avalon_count.PRETRAINING_DATA", "everything", raising=False)
    run(job, "logp")
    strict = entries(job)["logp"]
    informed = models("xgb")[0].model_copy(
        update={"features": ("avalon_count", "descriptors"), "config": {"n_estimators": 100}}
    )
    both = replace(job, models=[*job.models, informed])
    trained.clear()
    run(replace(both, boards=["open"]), "logp")
    assert trained[0] == "cv xgb"
    assert set(trained) <= {"cv xgb", "seed 1 xgb", "seed 2 xgb"}
    before = list(trained)
    run(both, "logp")

    rows = {entry["board"]: entry for entry in read_results(job.out)}
    assert rows["strict"] == strict
    assert [item["model"] for item in rows["open"]["candidates"]] == ["naive", "rf", "xgb"]
    assert rows["open"]["saw"] == ({"avalon_count": "everything"} if rows["open"]["champion"] == "xgb" else {})
    assert trained == before


def test_what_weights_saw_decides_the_board() -> None:
    """A head on a pretrained embedding and a pretrained network are on the open board alone; all others on both."""
    zoo = list(load_configs(ROOT / "configs").models.values())
    strict = {model.name for model in competitors(zoo, "strict")}

    open_only = {"minimol", "gp_chemnet", "gp_minimol", "mlp_joint", "multitask", "tabpfn"}
    assert {model.name for model in zoo} - strict == open_only
    assert "PubChem" in pretraining_data(next(model for model in zoo if model.name == "minimol"))["minimol"]
    assert competitors(zoo, "open") == zoo
    assert competitors([model for model in zoo if model.name in strict], "open") == []


def test_a_champion_is_compared_with_references_on_the_same_rows(job: Job, trained: list[str]) -> None:
    """A reference never competes; the difference to it comes with an interval over the test molecules."""
    plain = {"clueless": models("naive")[0]}
    run(replace(job, references=plain), "logp")
    entry = entries(job)["logp"]

    (compared,) = entry["official"]["references"]
    assert compared["name"] == "clueless"
    assert compared["difference"] == pytest.approx(np.mean(entry["scores"]) - np.mean(compared["scores"]), abs=1e-5)
    assert compared["interval"][0] <= compared["difference"] <= compared["interval"][1]
    assert [item["model"] for item in entry["candidates"]] == ["naive", "rf"]
    trained.clear()
    run(replace(job, references=plain), "logp")
    assert trained == []


def test_a_blend_is_a_candidate_made_of_the_others(job: Job, trained: list[str]) -> None:
    """A blend fits nothing of its own: it weighs what was cross-validated, and mixes its members' official fits."""
    blended = replace(job, models=models("naive", "rf", "xgb", "blend"))
    assert run(blended) == {}
    for name, entry in entries(job).items():
        found = {item["model"]: item for item in entry["candidates"]}
        shares = found["blend"]["shares"]
        assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
        assert set(shares) <= {"rf", "xgb"}
        assert len(found["blend"]["folds"][entry["metric"]]) == len(found["rf"]["folds"][entry["metric"]]), name
    assert [item for item in trained if item.startswith("cv")] == ["cv naive", "cv rf", "cv xgb"] * 2


def test_the_holder_of_the_title_stays_unless_beaten(job: Job) -> None:
    """A model named as holder stays when another scores better by luck alone; nobody by that name changes nothing."""
    run(replace(job, models=models("naive", "rf", "xgb")), "logp")
    found = {item["model"]: item for item in entries(job)["logp"]["candidates"]}
    best, other = sorted(("rf", "xgb"), key=lambda name: float(found[name]["cv"]))
    significant = (
        paired_p_value(found[best]["folds"]["mae"], found[other]["folds"]["mae"], higher_is_better=False) < 0.05
    )
    assert entries(job)["logp"]["champion"] == best

    run(replace(job, models=models("naive", "rf", "xgb"), holder=other), "logp")
    assert entries(job)["logp"]["champion"] == (best if significant else other)
    run(replace(job, models=models("naive", "rf", "xgb"), holder="naive"), "logp")
    assert entries(job)["logp"]["champion"] == best


def test_a_changed_member_makes_its_blend_stale(job: Job, trained: list[str]) -> None:
    """A blend's signature covers those of its members; the other members are not fitted again."""
    run(replace(job, models=models("naive", "rf", "xgb", "blend")), "logp")
    before = {item["model"]: item["signature"] for item in entries(job)["logp"]["candidates"]}
    trained.clear()
    changed = [*models("naive", "rf", "xgb", n_estimators=5), *models("blend")]
    run(replace(job, models=changed), "logp")
    after = {item["model"]: item["signature"] for item in entries(job)["logp"]["candidates"]}

    assert {name for name in after if after[name] != before[name]} == {"xgb", "blend"}
    assert [item for item in trained if item.startswith("cv")] == ["cv xgb"]


def test_a_blend_finds_its_members_again_or_fits_them(job: Job, trained: list[str]) -> None:
    """Without the kept predictions of a finished run, a new blend has its members cross-validated again."""
    run(replace(job, models=models("naive", "rf", "xgb")), "logp")
    shutil.rmtree(job.kept)
    trained.clear()
    run(replace(job, models=models("naive", "rf", "xgb", "blend")), "logp")

    assert [item for item in trained if item.startswith("cv")] == ["cv rf", "cv xgb"]


def test_a_model_that_fails_loses_and_is_tried_again(
    job: Job, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed training is on record with its reason, the others continue, and the next run tries it again."""
    three = replace(job, models=models("naive", "rf", "xgb"))
    with monkeypatch.context() as patch:
        patch.setattr(xgb, "train", lambda *_: (_ for _ in ()).throw(RuntimeError("diverged")))
        assert run(three, "logp") == {}
    entry = entries(job)["logp"]
    assert entry["champion"] == "rf"
    assert "xgb: its library raised RuntimeError: diverged (given 60" in entry["candidates"][2]["failed"]

    trained.clear()
    run(three, "logp")
    assert trained[0] == "cv xgb"
    assert "failed" not in entries(job)["logp"]["candidates"][2]


def test_one_bad_set_does_not_stop_the_others(job: Job) -> None:
    """A set without files is named in the answer; the others are done."""
    shutil.rmtree(job.folder / "logp")
    failed = run(job)

    assert list(failed) == ["logp"]
    assert list(entries(job)) == ["greasy"]


def test_a_test_row_without_a_value_is_one_clear_error(job: Job) -> None:
    """A test row that nothing can be compared with is refused."""
    with (job.folder / "logp" / "test.csv").open("a", encoding="utf-8") as stream:
        stream.write("odd,CCO,unknown\n")

    assert "expected a number in every row" in run(job, "logp")["logp"]


def test_the_folder_setting_is_left_as_it_was(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run names its own folder while it runs, and no longer."""
    monkeypatch.delenv(BENCHMARK_FOLDER, raising=False)
    run(job, "greasy")
    assert BENCHMARK_FOLDER not in os.environ
    monkeypatch.setenv(BENCHMARK_FOLDER, "elsewhere")
    run(replace(job, seeds=1), "greasy")

    assert os.environ[BENCHMARK_FOLDER] == "elsewhere"


def test_sets_are_endpoints(folder: Path) -> None:
    """Task, official metric and scale come from the index and from the configuration by the set's name."""
    index = folder / "endpoints.csv"
    index.write_text(INDEX + "clear_cells,regression,Spearman,uL/min\n", encoding="utf-8")
    logp_set, greasy, clear = read_sets(folder, CONFIG)

    assert (logp_set.task, logp_set.champion.metric, logp_set.transform) == ("regression", "mae", "identity")
    assert (greasy.task, greasy.champion.metric, greasy.unit) == ("binary", "auroc", "probability")
    assert (clear.champion.metric, clear.transform) == ("spearman", "log10")
    assert logp_set.curation.replicates == "keep"
    assert logp_set.split.kind == "official"


def test_a_pattern_of_set_names_adds_models_and_references() -> None:
    """Sets of a kind have further competitors and references; others do not."""
    recipe = {"name": "rf", "features": ["morgan_count"]}
    config = BenchmarkConfig.model_validate(
        {
            "models": ["naive"],
            "further": {"*_pic50": ["xgb", "naive"]},
            "references": {"rf_ecfp": {"sets": ["*_pic50"], "recipe": recipe}},
        }
    )

    assert config.competing("bace_pic50") == ("naive", "xgb")
    assert config.competing("herg") == ("naive",)
    reference = config.references["rf_ecfp"]
    assert reference.recipe.features == ("morgan_count",)
    assert (reference.stands_for("bace_pic50"), reference.stands_for("herg")) == (True, False)


def test_bad_input_is_one_clear_error(folder: Path, tmp_path: Path) -> None:
    """A missing index, an unknown set, metric, model or configuration is named."""
    with pytest.raises(DataError, match="expected the index"):
        read_sets(tmp_path, CONFIG)
    with pytest.raises(DataError, match="unknown set 'nothing', expected one of logp, greasy"):
        read_sets(folder, CONFIG, ["nothing"])
    (folder / "endpoints.csv").write_text("benchmark,task,metric\nlogp,regression,luck\n", encoding="utf-8")
    with pytest.raises(DataError, match="got 'regression' and 'luck'"):
        read_sets(folder, CONFIG)
    with pytest.raises(ConfigError, match="unknown model 'svm'"):
        choose({"rf": models("rf")[0]}, ["svm"])
    with pytest.raises(ConfigError, match="expected the benchmark's configuration"):
        load_benchmark_config(tmp_path / "benchmark.yaml")
    (tmp_path / "odd.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="expected results of a benchmark"):
        read_results(tmp_path / "odd.json")


def test_a_file_becomes_a_set(tmp_path: Path) -> None:
    """`aidrug benchmark-set` lays a CSV out as a set: replicates merged, scaffolds never divided, 80 to 20; the index
    keeps its other sets.
    """
    lines = [f"{text},{logp(text)}" for text in smiles((*RINGS, *TEST_RINGS))]
    file, sets = tmp_path / "assay.csv", tmp_path / "laid"
    file.write_text("\n".join(["s,v", *lines, "C1CC(,1.0", "CCO,1.0", "OCC,3.0"]) + "\n", encoding="utf-8")
    for name in ("other", "assay", "assay"):
        arguments = ["benchmark-set", str(file), str(sets), "--name", name, "--smiles", "s", "--value", "v"]
        done = CliRunner().invoke(aidrug, arguments)
        assert done.exit_code == 0, done.output
    assert done.output == "assay: 87 measurements, 1 dropped, 67 train_val, 18 test\n"

    parts = {}
    for part in ("train_val", "test"):
        with (sets / "assay" / f"{part}.csv").open(encoding="utf-8", newline="") as stream:
            parts[part] = {row["Drug"]: float(row["Y"]) for row in csv.DictReader(stream)}
    assert {**parts["train_val"], **parts["test"]}["CCO"] == 2.0
    scaffolds = {part: {MurckoScaffold.MurckoScaffoldSmiles(text) for text in rows} for part, rows in parts.items()}  # type: ignore[no-untyped-call]
    assert not (scaffolds["train_val"] & scaffolds["test"]) - {""}
    found = read_sets(sets, CONFIG)
    assert [(item.name, item.champion.metric, item.unit) for item in found] == [
        ("other", "rmse", "pIC50"),
        ("assay", "rmse", "pIC50"),
    ]


def test_a_file_that_makes_no_set_is_one_clear_error(tmp_path: Path) -> None:
    """One scaffold, a missing column or an unknown metric is named, and nothing is written."""
    file = tmp_path / "assay.csv"
    file.write_text("s,v\n" + "".join(f"{'C' * size}c1ccccc1,{size}\n" for size in range(9)), encoding="utf-8")
    source = CsvSource(kind="csv", files=("assay.csv",), smiles_column="s", value_column="v")
    with pytest.raises(DataError, match="nothing is left"):
        lay_out(source, tmp_path, tmp_path / "sets", SetDescription("one"))
    with pytest.raises(DataError, match="expected a metric of MAE, RMSE or Spearman, got 'luck'"):
        lay_out(source, tmp_path, tmp_path / "sets", SetDescription("one", metric="luck"))
    with pytest.raises(DataError, match="expected the column 'w'"):
        lay_out(source.model_copy(update={"value_column": "w"}), tmp_path, tmp_path / "sets", SetDescription("one"))
    assert not (tmp_path / "sets").exists()


def test_the_command_runs_and_reports(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`aidrug benchmark` writes results where it is asked, and `aidrug benchmark-report` makes a document of them."""
    monkeypatch.setenv("AIDRUG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIDRUG_CONFIGS", str(tmp_path / "configs"))
    monkeypatch.setattr(protocol, "RESAMPLES", 20)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    small = {"name": "rf", "description": "rf", **MODELS["rf"]}
    (tmp_path / "configs" / "models" / "rf.yaml").write_text(json.dumps(small), encoding="utf-8")
    out, document = tmp_path / "out.json", tmp_path / "out.md"
    arguments = ["benchmark", str(folder), "--only", "greasy", "--models", "rf", "--seeds", "1", "--out", str(out)]
    done = CliRunner().invoke(aidrug, arguments)
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(aidrug, arguments)
    assert again.output == "greasy: nothing changed\n"
    made = CliRunner().invoke(aidrug, ["benchmark-report", "--results", str(out), "--out", str(document)])

    assert made.exit_code == 0, made.output
    assert "| greasy | auroc | rf |" in document.read_text(encoding="utf-8")
    shutil.rmtree(folder / "greasy")
    assert CliRunner().invoke(aidrug, arguments).exit_code == 1


def test_a_part_of_a_benchmark_is_one_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set that the index names and nobody brought stops no other: a model of several sets alone fails, saying why."""
    monkeypatch.setenv("AIDRUG_HOME", str(tmp_path / "home"))
    shutil.rmtree(folder / "logp")
    out = tmp_path / "out.json"
    arguments = [
        "benchmark",
        str(folder),
        "--only",
        "greasy",
        "--models",
        "multitask",
        "--seeds",
        "1",
        "--out",
        str(out),
    ]
    done = CliRunner().invoke(aidrug, arguments)

    assert done.exit_code == 0, done.output
    assert "greasy (open): multitask failed: TrainingError: multitask: expected at least 256 molecules" in done.output


CANDIDATES = [{"model": "rf", "cv": 0.5, "train_s": 3600}, {"model": "xgb", "failed": "no"}]


def test_the_report_says_which_goals_are_reached(tmp_path: Path) -> None:
    """A goal is reached by an equal or better mean, in the direction of the metric; what is absent is named."""
    path = tmp_path / "goals.csv"
    path.write_text(
        "set,strict,strict_std,strict_name,open,open_std,open_name,maplight,maplight_std\n"
        "a,0.300,0.01,Someone,0.2,,Other,0.31,0.01\nb,0.900,0.01,Someone,0.95,,Other,,\nc,1,,X,1,,Y,1,\n",
        encoding="utf-8",
    )
    base = {"champion": "rf", "interval": [0.1, 0.4], "train_s": 5.0, "ms_per_molecule": 0.02, "signature": "s"}
    base |= {"board": "strict", "saw": {}, "candidates": CANDIDATES}
    informed = {"board": "open", "saw": {"mm": "assays"}, "candidates": []}
    results: list[dict[str, Any]] = [
        {**base, "set": "a", "metric": "mae", "scores": [0.3] * 5},
        {**base, "set": "b", "metric": "auroc", "scores": [0.89] * 4},
        {**base, "set": "a", "metric": "mae", "scores": [0.1], **informed},
        {"set": "c", "board": "strict", "signature": None, "candidates": []},
    ]
    text = report_text(results, read_goals(path), {"a": {"x": 0.2, "y": 0.3, "z": 0.4}, "b": {"x": 0.9}})

    assert "| a | mae | rf | 0.300 ± 0.000 | 2 of 4 | 0.100 to 0.400 | 0.300 ± 0.01 (Someone) | yes |" in text
    row = "| b | auroc | rf | 0.890 ± 0.000 (4 seeds) | 2 of 2 | 0.100 to 0.400 | 0.900 ± 0.01 (Someone) | no |"
    assert row in text
    strict, opened = text.split("## Open board")
    assert "2 of 3 sets computed. Strict goal reached on 1, open goal on 0" in strict
    assert "1 of 3 sets computed. Strict goal reached on 1, open goal on 1" in opened
    assert "- `mm` saw assays." in opened
    assert "`mm` saw" not in strict
    assert "No result yet: c." in strict
    assert "| a | mae | **0.500** | failed |" in text
    assert "one after the other: 2.0 h of one core, with one seed 2.0 h (folds 2.0 h)" in strict
    assert mean_and_deviation([0.1, 0.3]) == (0.2, 0.1)


def test_the_document_is_what_its_results_say() -> None:
    """The committed document equals what the command makes of the committed results."""
    expected = document(ROOT, ROOT / RESULTS)

    assert (ROOT / DOCUMENT).read_text(encoding="utf-8") == expected, "run `aidrug benchmark-report` and commit"


def test_the_potency_document_is_what_its_results_say() -> None:
    """The committed document equals what the command makes of the committed results."""
    expected = potency_text(read_results(ROOT / POTENCY_RESULTS))

    assert (ROOT / POTENCY_DOCUMENT).read_text(encoding="utf-8") == expected, "run `aidrug benchmark-report` and commit"


def test_better_than_a_reference_means_the_whole_interval() -> None:
    """Only an interval that is wholly on the champion's side of zero counts, in the direction of the metric."""
    references: list[dict[str, Any]] = [
        {"name": "beaten", "scores": [0.9] * 5, "difference": -0.2, "interval": [-0.3, -0.1]},
        {"name": "level", "scores": [0.8], "difference": -0.1, "interval": [-0.3, 0.1]},
    ]
    entry: dict[str, Any] = {"set": "a", "board": "strict", "signature": "s", "metric": "rmse", "champion": "gp"}
    entry |= {
        "scores": [0.7],
        "interval": [0.6, 0.8],
        "official": {"references": references},
        "candidates": [{"model": "gp", "cv": 0.7}],
    }
    text = potency_text([entry])

    assert "| beaten | 0.900 ± 0.000 | -0.200 (-0.300 to -0.100) | yes |" in text
    assert "| level | 0.800 ± 0.000 (seeds: 1) | -0.100 (-0.300 to +0.100) | no |" in text
    assert "| yes |" not in potency_text([{**entry, "metric": "spearman"}])


def test_a_set_may_be_learnt_with_the_folders_other_sets(job: Job, trained: list[str]) -> None:
    """A model of several sets is on the open board, says whose labels it saw, and is computed again when another
    set's file changes; models of one set are not.
    """
    for part, rings in (("train_val", RINGS), ("test", TEST_RINGS)):
        rows = [(f"OC{text}", float(logp(text) > 1.2)) for text in smiles(rings)]
        write(job.folder / "greasy" / f"{part}.csv", rows)
    sets = read_sets(job.folder, CONFIG)
    content = {"name": "multitask", "description": "d", "features": ["descriptors"], "auxiliary": "all"}
    blocks = [{"columns": len(descriptors.NAMES), "distance": "rank"}]
    settings = {"hidden": 16, "code": 8, "batch_size": 16, "blocks": blocks}
    several = replace(
        job,
        models=[*models("naive"), ModelSpec.model_validate({**content, "config": settings})],
        others={endpoint.name: Snapshot(endpoint, job.folder, job.features) for endpoint in sets},
    )
    assert run(several, "logp") == {}
    strict, informed = sorted(read_results(job.out), key=lambda entry: entry["board"], reverse=True)
    assert [item["model"] for item in strict["candidates"]] == ["naive"]
    assert [item["model"] for item in informed["candidates"]] == ["naive", "multitask"]
    assert informed["champion"] == "multitask"
    assert "other sets" in informed["saw"]["multitask"]
    assert np.std(informed["scores"]) > 0  # each seed learns from the other sets again
    first = list(trained)

    lines: list[str] = []
    run(several, "logp", lines=lines)
    assert lines == ["logp: nothing changed", "logp (open): nothing changed"]
    assert trained == first
    path = job.folder / "greasy" / "train_val.csv"
    path.write_text(path.read_text(encoding="utf-8") + "more,CCCCc1ccccc1,1\n", encoding="utf-8")
    fresh = {endpoint.name: Snapshot(endpoint, job.folder, job.features) for endpoint in sets}
    run(replace(several, others=fresh), "logp")
    assert trained[len(first) :] == ["cv multitask", "seed 1 multitask", "seed 2 multitask"]
