"""The benchmark: the zoo on sets with official test rows, by the product's own path.

Belongs here: choosing each set's champion per board by cross-validation of `train_val.csv`, running
the official protocol for that champion, and keeping results under their signatures, so that an interrupted run
continues and only what changed is computed again.
Does not belong here: what a set is (`benchmark_sets.py`), who may stand on which board (`benchmark_boards.py`), the
protocol (`benchmark_protocol.py`), the document (`benchmark_report.py`).

Results name no folder: the digests of the files identify the data.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, signature
from model_zoo.benchmark_boards import BOARDS, STRICT, competitors, saw
from model_zoo.benchmark_protocol import MISSING, OfficialRows, run_protocol
from model_zoo.benchmark_references import paired_difference
from model_zoo.benchmark_results import entry_of, store_entry
from model_zoo.benchmark_sets import benchmark_folder
from model_zoo.champion import BASELINE, Contender, decide
from model_zoo.config import Endpoint, ModelFile
from model_zoo.dataset import Dataset, make_dataset
from model_zoo.errors import AidrugError, ConfigError, DataError
from model_zoo.records import make_record, trained_model_record
from model_zoo.training import TrainingData, train_and_score

PROTOCOL_CODE = ("model_zoo.benchmark_protocol",)
ELECTION_CODE = ("model_zoo.champion",)
REFERENCE_CODE = ("model_zoo.benchmark_references",)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What a run of the benchmark needs to know.

    Attributes
    ----------
    folder
        Holds `endpoints.csv` and a folder per set.
    models
        Who competes.
    code_root
        Folder that holds the first-party packages whose code is signed.
    out
        The results' JSON file.
    seeds
        Seeds 1 to this number.
    boards
        Which boards are brought up to date.
    references
        What champions are compared with, by name.
    """

    folder: Path
    models: Sequence[ModelFile]
    code_root: Path
    out: Path
    seeds: int
    boards: Sequence[str] = BOARDS
    references: Mapping[str, ModelFile] = field(default_factory=dict)


def choose(known: Mapping[str, ModelFile], names: Sequence[str]) -> list[ModelFile]:
    """Give the named models, the baseline always among them.

    Raises
    ------
    ConfigError
        When a name has no YAML.
    """
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown model {name!r}, expected some of {', '.join(known)}")
    return [model for name, model in known.items() if name in (*names, BASELINE)]


def run_benchmark(job: Job, sets: Sequence[Endpoint], say: Say) -> dict[str, str]:
    """Bring the results of some sets up to date, one set and one model after the other.

    Parameters
    ----------
    job
        Folder, models, and where the results go. The file is replaced after every model and set, so that nothing
        computed is lost when the run is interrupted.
    sets
        Some of `read_sets`.
    say
        Receives a line per step.

    Returns
    -------
    dict
        What went wrong, by set; the others are done.
    """
    failed = {}
    with benchmark_folder(job.folder):
        for endpoint in sets:
            try:
                _run_set(job, endpoint, say)
            except AidrugError as error:
                failed[endpoint.name] = str(error)
                say(f"{endpoint.name}: FAILED {error}")
    return failed


def _run_set(job: Job, endpoint: Endpoint, say: Say) -> None:
    prepared: list[_Prepared] = []  # made when something must be trained, and once

    def snapshot() -> _Prepared:
        if not prepared:
            prepared.append(_prepare(endpoint, job))
        return prepared[0]

    for board in job.boards:
        if members := competitors(job.models, board):
            _run_board(replace(job, models=members), endpoint, board, snapshot, say)


def _run_board(job: Job, endpoint: Endpoint, board: str, snapshot: Callable[[], _Prepared], say: Say) -> None:
    data = endpoint.dataset.source.digests(job.folder)

    def sign(model: ModelFile) -> str:
        return signature.signature(trained_model_record(endpoint, model, data, job.code_root))

    signatures = {model.name: sign(model) for model in job.models}
    references = {name: sign(model) for name, model in job.references.items()}
    official_config = {"metric": endpoint.champion.metric, "seeds": job.seeds}
    code = (*PROTOCOL_CODE, *(REFERENCE_CODE if references else ()))
    protocol = make_record(code, job.code_root, official_config, {}, references)
    whole = {**official_config, "rules": endpoint.champion.model_dump(mode="json")}
    upstream = {**signatures, **references}
    stamp = signature.signature(make_record((*code, *ELECTION_CODE), job.code_root, whole, {}, upstream))
    result = entry_of(job.out, endpoint.name, board)
    name = endpoint.name if board == STRICT else f"{endpoint.name} ({board})"
    if result.get("signature") == stamp and not any("failed" in item for item in result["candidates"]):
        say(f"{name}: nothing changed")
        return
    earlier = [entry_of(job.out, endpoint.name, other) for other in BOARDS]
    known = {
        item["signature"]: item for entry in earlier for item in entry.get("candidates", []) if "failed" not in item
    }
    own = {item["signature"] for item in result.get("candidates", [])} & known.keys()
    candidates: list[dict[str, Any]] = []
    for model in job.models:
        mark = signatures[model.name]
        candidates.append(known.get(mark) or _candidate(snapshot(), endpoint, model, mark))
        rest = [known[mark] for mark in known if mark in own - {done["signature"] for done in candidates}]
        unfinished = {"set": endpoint.name, "board": board, "signature": None, "candidates": [*candidates, *rest]}
        store_entry(job.out, {**result, **unfinished})
        say(_line(name, endpoint, candidates[-1]))
    champion = _elect(candidates, endpoint)
    final = signature.signature({**protocol, "upstream": {**references, "champion": champion["signature"]}})
    done = [entry["official"] for entry in earlier if entry.get("official", {}).get("signature") == final]
    model = next(item for item in job.models if item.name == champion["model"])
    official = done[0] if done else {"signature": final, **_official(snapshot(), endpoint, model, job)}
    store_entry(job.out, _result(endpoint, board, model, champion, candidates, official, stamp))
    say(f"{name}: {champion['model']} {official['scores']} in {official['train_s']:g} s")


@dataclass(frozen=True)
class _Prepared:
    """A set's snapshot with the feature blocks of all its models, and its official rows."""

    dataset: Dataset
    blocks: Mapping[str, NDArray[Any]]
    rows: OfficialRows

    def features(self, model: ModelFile) -> NDArray[Any]:
        return featurizers.join([self.blocks[name] for name in model.features])


def _prepare(endpoint: Endpoint, job: Job) -> _Prepared:
    dataset = make_dataset(endpoint.dataset, job.folder)
    molecules = dataset.molecules()
    recipes = (*job.models, *job.references.values())
    wanted = dict.fromkeys(block for model in recipes for block in model.features)
    blocks = {name: featurizers.get(name).featurize(molecules) for name in wanted}
    return _Prepared(dataset, blocks, official_rows(dataset))


def official_rows(dataset: Dataset) -> OfficialRows:
    """Find each row of the two official files in a snapshot that keeps replicates.

    Raises
    ------
    DataError
        When a test row has no value: then there is nothing to be scored against.
    """
    report = dataset.report
    kept = (report["action"] == "kept").to_numpy()
    places = np.full(len(report), MISSING)
    places[kept] = np.arange(int(kept.sum()))
    test = report["file"].str.endswith("/test.csv").to_numpy()
    try:
        values = report.loc[test, "value"].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise DataError(f"test.csv: expected a number in every row: {error}") from error
    if not np.all(np.isfinite(values)):
        raise DataError("test.csv: expected a finite number in every row")
    return OfficialRows(list(report.loc[~test, "smiles"]), places[~test], places[test], values)


def _candidate(prepared: _Prepared, endpoint: Endpoint, model: ModelFile, mark: str) -> dict[str, Any]:
    """Cross-validate one model as the product does; what fails is on record and loses."""
    dataset = prepared.dataset
    data = TrainingData(prepared.features(model), dataset.values, dataset.folds)
    item: dict[str, Any] = {"model": model.name, "signature": mark}
    try:
        with tempfile.TemporaryDirectory() as folder:
            scores = train_and_score(model.name, model.settings(endpoint.name), endpoint.target, data, Path(folder))
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the other models go on
        return {**item, "failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
    metric = endpoint.champion.metric
    folds = {name: [round(value, 6) for value in cv["folds"]] for name, cv in scores["cv"].items()}
    return {
        **item,
        "cv": round(scores["cv"][metric]["mean"], 6),
        "snapshot": dataset.digest,
        "folds": folds,
        "train_s": scores["train_s"],
        "ms_per_molecule": scores["ms_per_molecule"],
    }


def _elect(candidates: Sequence[Mapping[str, Any]], endpoint: Endpoint) -> Mapping[str, Any]:
    """Choose by the product's rule; the baseline stands in when nobody beats it, for a number is owed."""
    fit = {item["model"]: item for item in candidates if "failed" not in item}
    contenders = [
        Contender(item["model"], item["signature"], item["snapshot"], item["folds"], item["ms_per_molecule"])
        for item in fit.values()
    ]
    decision = decide(contenders, None, endpoint.champion)
    if decision.champion is not None:
        return fit[decision.champion.model]
    if BASELINE not in fit:
        reasons = "; ".join(f"{item['model']}: {item['failed']}" for item in candidates)
        raise DataError(f"set {endpoint.name!r}: no model could be trained: {reasons}")
    return fit[BASELINE]


def _official(prepared: _Prepared, endpoint: Endpoint, model: ModelFile, job: Job) -> dict[str, Any]:
    """Run the official protocol for the champion, and for what it is compared with."""

    def run(recipe: ModelFile) -> dict[str, Any]:
        return run_protocol(
            recipe.name,
            recipe.settings(endpoint.name),
            endpoint.target,
            prepared.features(recipe),
            prepared.dataset.values,
            prepared.rows,
            metric=endpoint.champion.metric,
            seeds=job.seeds,
        )

    official = run(model)
    predicted = official.pop("predictions")
    compared = []
    for name, reference in job.references.items():
        scored = run(reference)
        gap = paired_difference(
            endpoint.task, endpoint.champion.metric, prepared.rows.test_values, predicted, scored["predictions"]
        )
        compared.append({"name": name, "scores": scored["scores"], **gap})
    return {**official, "references": compared} if compared else official


def _result(
    endpoint: Endpoint,
    board: str,
    model: ModelFile,
    champion: Mapping[str, Any],
    candidates: Sequence[Mapping[str, Any]],
    official: Mapping[str, Any],
    stamp: str,
) -> dict[str, Any]:
    return {
        "set": endpoint.name,
        "board": board,
        "champion": model.name,
        "saw": saw(model),
        "metric": endpoint.champion.metric,
        "scores": official["scores"],
        "cv": champion["cv"],
        "signature": stamp,
        "train_s": official["train_s"],
        "ms_per_molecule": champion["ms_per_molecule"],
        "interval": official["interval"],
        "official": official,
        "candidates": list(candidates),
    }


def _line(name: str, endpoint: Endpoint, item: Mapping[str, Any]) -> str:
    if "failed" in item:
        return f"{name}: {item['model']} failed: {item['failed']}"
    return f"{name}: {item['model']} cv {endpoint.champion.metric} {item['cv']:.4f} in {item['train_s']:.1f} s"
