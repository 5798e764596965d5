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

from ai_drug_assets.benchmarking import DOCUMENT, GOALS, RESULTS
from ai_drug_assets.cli import aidrug
from model_zoo import benchmark_protocol
from model_zoo.benchmark import Job, choose, run_benchmark
from model_zoo.benchmark_protocol import OfficialRows, run_protocol, scaffold_split
from model_zoo.benchmark_report import mean_and_deviation, read_goals, report_text
from model_zoo.benchmark_results import read_results
from model_zoo.benchmark_sets import BenchmarkConfig, Scale, load_benchmark_config, read_sets
from model_zoo.config import ModelFile
from model_zoo.errors import ConfigError, DataError
from model_zoo.models import get, rf, xgb
from model_zoo.signature import forget
from model_zoo.sources import BENCHMARK_FOLDER
from model_zoo.targets import Target
from model_zoo.training import train_and_score

ROOT = Path(__file__).parents[2]
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
    "rf": {"features": ["descriptors"], "config": {"n_estimators": 10, "max_features": 1.0}},
    "xgb": {"features": ["morgan_count"], "config": {"n_estimators": 10}},
}
CONFIG = BenchmarkConfig(models=("naive", "rf"), seeds=2, targets={"clear_*": Scale(transform="log10")})
INDEX = (
    "benchmark,task,metric,y_meaning_or_unit\nlogp,regression,MAE,log10 ratio\ngreasy,classification,ROC-AUC,1 = so\n"
)


def smiles(rings: Sequence[str]) -> list[str]:
    """Give each ring with each tail."""
    return [tail + ring for ring in rings for tail in TAILS]


def logp(text: str) -> float:
    """Give a value that a model can learn."""
    return round(float(Crippen.MolLogP(Chem.MolFromSmiles(text))), 4)  # type: ignore[attr-defined]


def write(path: Path, rows: Sequence[tuple[str, float]]) -> None:
    """Write one official file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"d{number},{text},{value}\n" for number, (text, value) in enumerate(rows)]
    path.write_text("Drug_ID,Drug,Y\n" + "".join(lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a benchmark folder of two sets, one test row of which no program can read."""
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


@pytest.fixture
def job(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Give a run of the baseline and a forest, signed by a copy of the code."""
    monkeypatch.setattr(benchmark_protocol, "RESAMPLES", 20)
    shutil.copytree(ROOT / "model_zoo", tmp_path / "model_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    return Job(folder, models("naive", "rf"), tmp_path, tmp_path / "results.json", seeds=2)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record every cross-validation and every official run that really happens."""
    done: list[str] = []
    cross_validate, official = train_and_score, run_protocol

    def validated(name: str, *args: Any) -> Any:
        done.append(f"cv {name}")
        return cross_validate(name, *args)

    def scored(name: str, *args: Any, **options: Any) -> Any:
        done.append(f"official {name}")
        return official(name, *args, **options)

    monkeypatch.setattr("model_zoo.benchmark.train_and_score", validated)
    monkeypatch.setattr("model_zoo.benchmark.run_protocol", scored)
    return done


def models(*names: str, **changes: Any) -> list[ModelFile]:
    """Give small models; `changes` go into the last one's configuration."""
    files = [ModelFile.model_validate({"name": name, "description": name, **MODELS[name]}) for name in names]
    return [*files[:-1], files[-1].model_copy(update={"config": {**files[-1].config, **changes}})]


def run(job: Job, *only: str, lines: list[str] | None = None) -> dict[str, str]:
    """Run the benchmark as the command does."""
    said = [] if lines is None else lines
    return run_benchmark(job, read_sets(job.folder, CONFIG, only), said.append)


def entries(job: Job) -> dict[str, dict[str, Any]]:
    """Give the results by set."""
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


def test_what_did_not_change_is_not_computed_again(job: Job, trained: list[str]) -> None:
    """A second run trains nothing and leaves the file as it is."""
    run(job, "logp")
    assert trained == ["cv naive", "cv rf", "official rf"]
    before, lines = job.out.read_bytes(), list[str]()
    run(job, "logp", lines=lines)

    assert trained == ["cv naive", "cv rf", "official rf"]
    assert lines == ["logp: nothing changed"]
    assert job.out.read_bytes() == before


def test_only_a_changed_model_is_computed_again(job: Job, trained: list[str]) -> None:
    """A hyper-parameter or the code of one model makes that model's results stale, and no other's."""
    run(job, "logp")
    before = entries(job)["logp"]
    trained.clear()
    run(replace(job, models=models("naive", "rf", n_estimators=11)), "logp")
    assert trained == ["cv rf", "official rf"]
    assert entries(job)["logp"]["signature"] != before["signature"]

    trained.clear()
    with (job.code_root / "model_zoo" / "models" / "naive.py").open("a", encoding="utf-8") as stream:
        stream.write("\nCHANGED = 1\n")
    forget()
    run(replace(job, models=models("naive", "rf", n_estimators=11)), "logp")
    assert trained == ["cv naive"]


def test_changed_data_is_computed_again(job: Job, trained: list[str]) -> None:
    """Another value in a file makes every model of its set stale, and the other set's none."""
    run(job)
    trained.clear()
    path = job.folder / "logp" / "train_val.csv"
    path.write_text(path.read_text(encoding="utf-8") + "more,CCCCc1ccccc1,3.1\n", encoding="utf-8")
    run(job)

    assert trained == ["cv naive", "cv rf", "official rf"]


def test_more_seeds_repeat_the_protocol_alone(job: Job, trained: list[str]) -> None:
    """The number of seeds is part of the protocol, not of the choice."""
    run(job, "logp")
    trained.clear()
    run(replace(job, seeds=3), "logp")

    assert trained == ["official rf"]
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

    assert trained == ["official rf"]


def test_a_run_is_repeatable(job: Job) -> None:
    """Two runs from nothing give equal scores and signatures."""
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
    texts = ["Cc1ccccc1", "CC1CCCCC1", "CC1CCC1", "CC1CC1", "Cc1ccncc1", "Cc1ccsc1"]
    rows = OfficialRows(texts, np.arange(6), np.array([-1, -1]), np.array([0.0, 0.0]))
    official = run_protocol(
        "naive", get("naive").Config(), Target(task="regression"), np.zeros((6, 1)), y, rows, metric="mae", seeds=2
    )
    expected = [float(np.mean(y[scaffold_split(texts, seed)[0]])) for seed in (1, 2)]
    assert official["scores"] == pytest.approx(expected, abs=1e-6)
    assert official["unreadable"] == 2


def test_an_unreadable_training_row_is_left_out(job: Job) -> None:
    """A training SMILES that cannot be parsed is learned by nobody and stops nothing."""
    path = job.folder / "logp" / "train_val.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([head, "odd,C1CC(,1.0\n", *lines]), encoding="utf-8")
    assert run(job, "logp") == {}

    assert max(entries(job)["logp"]["official"]["train_rows"]) <= int(len(lines) * 0.875)


def test_the_best_on_the_test_rows_is_not_chosen_for_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is best on the test rows and worse in cross-validation does not become champion."""
    texts = smiles(TEST_RINGS)
    write(job.folder / "logp" / "test.csv", [(text, -logp(text)) for text in texts])  # the opposite of what was learned
    answers = np.array([-logp(text) for text in texts])
    cheat = models("xgb")[0].model_copy(update={"features": ("descriptors",)})

    def planted(X_train: Any, y_train: Any, config: Any) -> Any:
        from model_zoo.featurizers import featurize
        from model_zoo.molecules import parse_molecule

        molecules = [parse_molecule(text) for text in texts]
        return rf.train(featurize(["descriptors"], molecules), answers, rf.Config(n_estimators=50, max_features=1.0))  # type: ignore[arg-type]

    monkeypatch.setattr(xgb, "train", planted)
    seen: dict[str, float] = {}
    cross_validate = train_and_score

    def watched(name: str, *args: Any) -> Any:
        scores = cross_validate(name, *args)
        seen[name] = scores["test"]["mae"]
        return scores

    monkeypatch.setattr("model_zoo.benchmark.train_and_score", watched)
    run(replace(job, models=[*job.models, cheat]), "logp")
    entry = entries(job)["logp"]

    assert seen["xgb"] < seen["rf"] / 2  # the plant works
    assert entry["champion"] == "rf"
    assert {item["model"] for item in entry["candidates"]} == {"naive", "rf", "xgb"}


def test_the_strict_board_never_sees_an_open_model(
    job: Job, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model whose features come from weights that saw labels stands on the open board alone, with what they saw; the
    strict row stays as it is, and what both boards need is computed once.
    """
    monkeypatch.setattr("model_zoo.featurizers.avalon_count.SAW", "everything", raising=False)
    run(job, "logp")
    strict = entries(job)["logp"]
    informed = models("xgb")[0].model_copy(
        update={"features": ("avalon_count", "descriptors"), "config": {"n_estimators": 100}}
    )
    both = replace(job, models=[*job.models, informed])
    trained.clear()
    run(replace(both, boards=["open"]), "logp")
    assert trained[0] == "cv xgb"
    assert len(trained) == 1 + (trained[-1] == "official xgb")
    run(both, "logp")

    rows = {entry["board"]: entry for entry in read_results(job.out)}
    assert rows["strict"] == strict
    assert [item["model"] for item in rows["open"]["candidates"]] == ["naive", "rf", "xgb"]
    assert rows["open"]["saw"] == ({"avalon_count": "everything"} if rows["open"]["champion"] == "xgb" else {})
    assert len(trained) <= 2


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


def test_a_model_that_fails_loses_and_is_tried_again(
    job: Job, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed training is on record with its reason, the others go on, and the next run tries it again."""
    three = replace(job, models=models("naive", "rf", "xgb"))
    with monkeypatch.context() as patch:
        patch.setattr(xgb, "train", lambda *_: (_ for _ in ()).throw(RuntimeError("diverged")))
        assert run(three, "logp") == {}
    entry = entries(job)["logp"]
    assert entry["champion"] == "rf"
    assert entry["candidates"][2]["failed"] == "RuntimeError: diverged"

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
    assert config.compared("bace_pic50")["rf_ecfp"].features == ("morgan_count",)
    assert config.compared("herg") == {}


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


def test_the_scaffold_split_is_that_of_tdc() -> None:
    """Whole scaffold groups go to train while they fit in 0.875 of the readable rows, in an order the seed shuffles."""
    texts = [*smiles(RINGS), "C1CC(", "CCO"]
    splits = [scaffold_split(texts, seed) for seed in range(1, 6)]

    assert splits == [scaffold_split(texts, seed) for seed in range(1, 6)]
    assert len({tuple(train) for train, _ in splits}) > 1
    for train, valid in splits:
        assert sorted([*train, *valid]) == [row for row in range(len(texts)) if row != len(texts) - 2]
        assert len(train) <= int((len(texts) - 1) * 0.875)
        groups = {row // len(TAILS) for row in train if row < 60}
        assert not groups & {row // len(TAILS) for row in valid if row < 60}


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("caco2_wang", [(637, 91)] * 5),
        ("herg", [(457, 66)] * 5),
        ("hia_hou", [(403, 58)] * 4 + [(397, 64)]),
    ],
)
def test_the_split_of_the_official_files_has_the_official_sizes(name: str, sizes: list[tuple[int, int]]) -> None:
    """On the files of the TDC group the split has the sizes that TDC's own code gives."""
    place = os.environ.get(BENCHMARK_FOLDER)
    if not place:
        pytest.skip(f"{BENCHMARK_FOLDER} is not set: the split was not checked on the official files")
    with (Path(place) / name / "train_val.csv").open(encoding="utf-8", newline="") as stream:
        texts = [row["Drug"] for row in csv.DictReader(stream)]

    assert [tuple(map(len, scaffold_split(texts, seed))) for seed in range(1, 6)] == sizes


def test_the_command_runs_and_reports(folder: Path, tmp_path: Path) -> None:
    """`aidrug benchmark` writes results where it is told, and `aidrug benchmark-report` makes a document of them."""
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


def test_the_report_says_which_goals_are_reached(tmp_path: Path) -> None:
    """A goal is reached by an equal or better mean, in the direction of the metric; what is absent is named."""
    path = tmp_path / "goals.csv"
    path.write_text(
        "set,strict,strict_std,strict_name,open,open_std,open_name,maplight,maplight_std\n"
        "a,0.300,0.01,Someone,0.2,,Other,0.31,0.01\nb,0.900,0.01,Someone,0.95,,Other,,\nc,1,,X,1,,Y,1,\n",
        encoding="utf-8",
    )
    base = {"champion": "rf", "interval": [0.1, 0.4], "train_s": 5.0, "ms_per_molecule": 0.02, "signature": "s"}
    base |= {"board": "strict", "saw": {}, "candidates": [{"model": "rf", "cv": 0.5}, {"model": "xgb", "failed": "no"}]}
    informed = {"board": "open", "saw": {"mm": "assays"}, "candidates": []}
    results: list[dict[str, Any]] = [
        {**base, "set": "a", "metric": "mae", "scores": [0.3] * 5},
        {**base, "set": "b", "metric": "auroc", "scores": [0.89] * 4},
        {**base, "set": "a", "metric": "mae", "scores": [0.1], **informed},
        {"set": "c", "board": "strict", "signature": None, "candidates": []},
    ]
    text = report_text(results, read_goals(path))

    assert "| a | mae | rf | 0.300 ± 0.000 | 0.100 to 0.400 | 0.300 ± 0.01 (Someone) | yes |" in text
    assert "| b | auroc | rf | 0.890 ± 0.000 (4 seeds) | 0.100 to 0.400 | 0.900 ± 0.01 (Someone) | no |" in text
    strict, opened = text.split("## Open board")
    assert "2 of 3 sets computed. Strict goal reached on 1, open goal on 0" in strict
    assert "1 of 3 sets computed. Strict goal reached on 1, open goal on 1" in opened
    assert "- `mm` saw assays." in opened
    assert "`mm` saw" not in strict
    assert "No result yet: c." in strict
    assert "| a | mae | **0.500** | failed |" in text
    assert mean_and_deviation([0.1, 0.3]) == (0.2, 0.1)


def test_the_document_is_what_its_results_say() -> None:
    """The committed document equals what the command makes of the committed results."""
    expected = report_text(read_results(ROOT / RESULTS), read_goals(ROOT / GOALS))

    assert (ROOT / DOCUMENT).read_text(encoding="utf-8") == expected, "run `aidrug benchmark-report` and commit"
