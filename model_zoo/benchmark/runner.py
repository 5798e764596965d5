"""The benchmark: the zoo on sets with official test rows, by the product's own path.

Belongs here: choosing each set's champion per board by cross-validation of `train_val.csv`, its official scores, and
keeping results under their signatures, so that an interrupted run continues and only what changed is computed again.
Does not belong here: what a set is (`sets.py`), who may be on which board (`boards.py`),
fitting (`candidates.py`), the protocol (`protocol.py`), the document (`report.py`).

Results name no folder: the digests of the files identify the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from model_zoo.benchmark.boards import BOARDS, STRICT, competitors, pretraining_data
from model_zoo.benchmark.candidates import BenchmarkRun, Kept, Snapshot
from model_zoo.benchmark.protocol import score_predictions
from model_zoo.benchmark.references import paired_difference
from model_zoo.benchmark.results import entry_of, store_entry
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import with_members
from model_zoo.config.model_spec import ModelSpec
from model_zoo.errors import AidrugError, ConfigError, DataError
from model_zoo.features.cache import FeatureCache
from model_zoo.provenance import signature
from model_zoo.provenance.records import make_record
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.selection.election import BASELINE, Candidate, decide
from model_zoo.type_aliases import Json

Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What a run of the benchmark needs to know."""

    folder: Path
    """Holds `endpoints.csv` and a folder per set."""
    models: Sequence[ModelSpec]
    """Who competes."""
    code_root: Path
    """Folder that holds the first-party packages whose code is signed."""
    out: Path
    """The results' JSON file."""
    kept: Path
    """The folder of predictions that ensembles and interrupted runs find again."""
    features: FeatureCache
    """Features on disk."""
    seeds: int
    """Seeds 1 to this number."""
    boards: Sequence[str] = BOARDS
    """Which boards are brought up to date."""
    references: Mapping[str, ModelSpec] = field(default_factory=dict)
    """What champions are compared with, by name."""
    holder: str | None = None
    """The model that holds the title from the start: others take it by winning the paired test. Without it, or where it
    does not compete, the best over folds is elected."""
    others: Mapping[str, Snapshot] = field(default_factory=dict)
    """The folder's sets by name, for models that learn from auxiliary ones."""


def choose(known: Mapping[str, ModelSpec], names: Sequence[str]) -> list[ModelSpec]:
    """Return the named models, the baseline, and the members of an ensemble of which fewer than two are named."""
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown model {name!r}, expected some of {', '.join(known)}")
    wanted = {BASELINE, *names}
    for name in names:
        if len(wanted & set(known[name].members)) < 2:
            wanted |= set(known[name].members)
    return [model for name, model in known.items() if name in wanted]


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
    for endpoint in sets:
        try:
            _run_set(job, endpoint, say)
        except AidrugError as error:
            failed[endpoint.name] = str(error)
            say(f"{endpoint.name}: FAILED {error}")
    return failed


def _run_set(job: Job, endpoint: Endpoint, say: Say) -> None:
    snapshot = Snapshot(endpoint, job.folder, job.features)
    for board in job.boards:
        if members := competitors(job.models, board):
            _run_board(job, benchmark_run_of(job, snapshot, members), board, say)


def benchmark_run_of(job: Job, snapshot: Snapshot, competing: Sequence[ModelSpec]) -> BenchmarkRun:
    """Return a benchmark_run of some models on one set, ensembles made of those of their members that compete."""
    models = {model.name: model for model in with_members(competing, snapshot.endpoint.champion.metric)}
    return BenchmarkRun(snapshot, models, job.code_root, Kept(job.kept), job.others)


def _run_board(job: Job, benchmark_run: BenchmarkRun, board: str, say: Say) -> None:
    endpoint = benchmark_run.snapshot.endpoint
    compared, protocol, stamp = stamps(job, benchmark_run)
    result = entry_of(job.out, endpoint.name, board)
    name = endpoint.name if board == STRICT else f"{endpoint.name} ({board})"
    if result.get("signature") == stamp and not any("failed" in item for item in result["candidates"]):
        say(f"{name}: nothing changed")
        return
    # Both boards of a set share what was computed: a model, or a champion, that the other one knows is not made again.
    earlier = [entry_of(job.out, endpoint.name, other) for other in BOARDS]
    known = {
        item["signature"]: item for entry in earlier for item in entry.get("candidates", []) if "failed" not in item
    }
    on_record = dict.fromkeys(item["signature"] for item in result.get("candidates", []) if item["signature"] in known)
    candidates: list[dict[str, Any]] = []
    for model, mark in benchmark_run.signatures.items():
        candidates.append({**known[mark], "model": model} if mark in known else _candidate(benchmark_run, model))
        # Written after every model, with what was there before and was not reached yet: a run may end at any time.
        reached = {each["signature"] for each in candidates}
        left = [known[earlier_mark] for earlier_mark in on_record if earlier_mark not in reached]
        unfinished = {"set": endpoint.name, "board": board, "signature": None, "candidates": [*candidates, *left]}
        store_entry(job.out, {**result, **unfinished})
        say(_line(name, endpoint, candidates[-1]))
    champion = _elect(candidates, endpoint, job.holder)
    final = final_stamp(protocol, compared, champion["signature"])
    results = (entry["official"] for entry in earlier if entry.get("official", {}).get("signature") == final)
    official = next(results, None)
    if official is None:
        official = {"signature": final, **_official(benchmark_run, compared, champion["model"], job.seeds)}
    store_entry(job.out, _result(benchmark_run, board, champion, candidates, official, stamp))
    say(f"{name}: {champion['model']} {official['scores']} in {official['train_s']:g} s")


def stale_boards(job: Job, endpoint: Endpoint) -> list[str]:
    """Name the boards of a set whose finished result has another signature than it would have now."""
    snapshot, found = Snapshot(endpoint, job.folder, job.features), []
    for board in job.boards:
        mark = entry_of(job.out, endpoint.name, board).get("signature")
        members = competitors(job.models, board)
        if mark and (not members or stamps(job, benchmark_run_of(job, snapshot, members))[2] != mark):
            found.append(board)
    return found


def stamps(job: Job, benchmark_run: BenchmarkRun) -> tuple[BenchmarkRun, SignatureRecord, str]:
    """Return what a champion is compared with, the record of the official protocol, and the signature of the entry."""
    endpoint = benchmark_run.snapshot.endpoint
    compared = BenchmarkRun(benchmark_run.snapshot, job.references, job.code_root, Kept(job.kept))
    official_config = {"metric": endpoint.champion.metric, "seeds": job.seeds}
    code = ("protocol", *(("references",) if job.references else ()))
    protocol = make_record(Makers(code), job.code_root, official_config, {}, compared.signatures)
    whole = {**official_config, "rules": endpoint.champion.model_dump(mode="json"), "holder": job.holder}
    upstream = {**benchmark_run.signatures, **compared.signatures}
    entry = make_record(Makers((*code, "election")), job.code_root, whole, {}, upstream)
    return compared, protocol, signature.signature(entry)


def final_stamp(protocol: SignatureRecord, compared: BenchmarkRun, champion: str) -> str:
    """Return the signature of the official results of a champion."""
    upstream = {**compared.signatures, "champion": champion}
    return signature.signature(protocol.model_copy(update={"upstream": upstream}))


def _candidate(benchmark_run: BenchmarkRun, name: str) -> dict[str, Json]:
    """Cross-validate one model; what fails is on record and loses."""
    try:
        return benchmark_run.cross_validate(name)
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the other models continue
        why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return {"model": name, "signature": benchmark_run.signatures[name], "failed": why}


def _elect(candidates: Sequence[Mapping[str, Json]], endpoint: Endpoint, title: str | None) -> Mapping[str, Json]:
    """Choose by the product's rule; the baseline when no model beats it, for a number is required."""
    fit = {item["model"]: item for item in candidates if "failed" not in item}
    contenders = [
        Candidate(item["model"], item["signature"], item["snapshot"], item["folds"], item["ms_per_molecule"])
        for item in fit.values()
    ]
    holder = next((item for item in contenders if item.model == title), None)
    decision = decide(contenders, holder, endpoint.champion)
    if decision.champion is not None:
        return fit[decision.champion.model]
    if BASELINE not in fit:
        reasons = "; ".join(f"{item['model']}: {item['failed']}" for item in candidates)
        raise DataError(f"set {endpoint.name!r}: no model could be trained: {reasons}")
    return fit[BASELINE]


def _official(benchmark_run: BenchmarkRun, compared: BenchmarkRun, champion: str, seeds: int) -> dict[str, Json]:
    """Run the official protocol for the champion, and for what it is compared with."""
    endpoint, rows = benchmark_run.snapshot.endpoint, benchmark_run.snapshot.rows
    metric = endpoint.champion.metric
    predictions, seconds = benchmark_run.official(champion, seeds)
    official = {**score_predictions(endpoint.target, rows, predictions, metric), "train_s": seconds}
    references = []
    for name in compared.models:
        others, _ = compared.official(name, seeds)
        scores = score_predictions(endpoint.target, rows, others, metric)["scores"]
        both = [endpoint.target.to_unit(np.array(raws)) for raws in (predictions, others)]
        gap = paired_difference(endpoint.task, metric, rows.test_values, *both)
        references.append({"name": name, "scores": scores, **gap})
    return {**official, "references": references} if references else official


def _result(
    benchmark_run: BenchmarkRun,
    board: str,
    champion: Mapping[str, Json],
    candidates: Sequence[Mapping[str, Json]],
    official: Mapping[str, Json],
    stamp: str,
) -> dict[str, Json]:
    endpoint = benchmark_run.snapshot.endpoint
    return {
        "set": endpoint.name,
        "board": board,
        "champion": champion["model"],
        "saw": pretraining_data(benchmark_run.models[champion["model"]]),
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


def _line(name: str, endpoint: Endpoint, item: Mapping[str, Json]) -> str:
    if "failed" in item:
        return f"{name}: {item['model']} failed: {item['failed']}"
    return f"{name}: {item['model']} cv {endpoint.champion.metric} {item['cv']:.4f} in {item['train_s']:.1f} s"
