"""The benchmark's document, made of its results and of published figures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_zoo.benchmark.boards import BOARDS, OPEN
from model_zoo.data.tables.names import unique
from model_zoo.errors import DataError
from model_zoo.metrics import HIGHER_IS_BETTER
from model_zoo.type_aliases import Json

COLUMNS = ("set", "strict", "strict_std", "strict_name", "open", "open_std", "open_name", "maplight", "maplight_std")
OFFICIAL_SEEDS = 5
HEADER = (
    "set",
    "metric",
    "champion",
    "score",
    "rank",
    "95 % interval",
    "strict goal",
    "reached",
    "open goal",
    "passed",
    "MapLight",
    "not worse",
    "s per fit",
    "ms per molecule",
)

INTRODUCTION = """\
# Benchmark: the TDC ADMET group

Made by `aidrug benchmark-report` from `tests/benchmarks/results/tdc_admet.json`; do not edit it by hand. To compute the
results again, run `aidrug benchmark FOLDER` with the folder of the official files. Only what changed is computed.

**How a score comes about.** Each set's champion is chosen by scaffold-fold cross-validation of `train_val.csv` alone,
by the product's rule: the blend holds the title from the start, and stays unless another wins the paired test over
folds. (On folds that had no part in choosing, the blend did better than the best of the others, by `python -m
tests.benchmarks.bench_election`, which sees no test row.) A blend is scored on each fold by shares that were learnt
from the other folds. Then the official protocol: for seeds 1 to 5 the model (with that seed) is fitted, and
`test.csv` is predicted. Models learn from both train and valid of the seed, as MapLight does: none stops early or
tunes itself on the valid part. Score: mean ± population standard deviation of the five, each rounded to three
decimals. All test rows count: one whose SMILES RDKit cannot read gets the mean of the training values (binary: the
share of class 1). The interval is a bootstrap over test molecules (300 draws, 95 %): this test set cannot
distinguish two scores within it. Seconds per fit: processor time, the mean of the official fits. Milliseconds per
molecule: one prediction from its features.

**Boards.** *Strict*: models that learn from the set's own training rows alone. *Open*: all models, also those with
pretrained weights and those that learn from the folder's other sets too; what each has seen is listed below. The
strict champion never depends on an open model. Where a strict model is the open champion, no other did better in
cross-validation.

**Goals.** *Strict*: the best published figure without weights that saw assay labels, or that passed an audit of
leakage. *Open*: the best published figure of any kind, leaky or closed models included. We measured neither.
MapLight is the published CatBoost on fingerprints and descriptors; no set should be worse than it.
*Rank*: among the scores of the set's public leaderboard (March 2026), this one included; of `bioavailability_ma` three
are known.
"""


@dataclass(frozen=True)
class Goal:
    """Published figures of one set: score, deviation (empty when not stated) and name."""

    strict: float
    strict_text: str
    open: float
    open_text: str
    maplight: float | None


def read_goals(path: Path) -> dict[str, Goal]:
    """Read the published figures by set.

    Raises
    ------
    DataError
        When the file is missing or not as expected.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        return {row["set"]: _goal(row) for row in rows}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: expected the columns {', '.join(COLUMNS)}: {error!r}") from error


def read_leaderboard(path: Path) -> dict[str, dict[str, float]]:
    """Read the published leaderboards: scores by set and model; a second one of a name has a number.

    Raises
    ------
    DataError
        When the file is missing or not as expected.
    """
    found: dict[str, dict[str, float]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                mine = found.setdefault(row["set"], {})
                mine[unique([row["model"]], tuple(mine))[0]] = float(row["mean"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: expected the columns set, model and mean: {error!r}") from error
    return found


def report_text(
    results: Sequence[Mapping[str, Json]], goals: Mapping[str, Goal], published: Mapping[str, Mapping[str, float]]
) -> str:
    """Write the document.

    Parameters
    ----------
    results
        The entries of a results file. One without a signature was interrupted and is left out.
    goals
        Published figures by set.
    published
        All published scores by set.

    Returns
    -------
    str
        Markdown, equal for equal arguments.
    """
    done = [entry for entry in results if entry.get("signature")]
    lines = [INTRODUCTION]
    for board in BOARDS:
        lines += _board(board, [entry for entry in done if entry["board"] == board], goals, published)
    return "\n".join(lines)


def _board(
    board: str,
    done: Sequence[Mapping[str, Json]],
    goals: Mapping[str, Goal],
    published: Mapping[str, Mapping[str, float]],
) -> list[str]:
    if board == OPEN and not done:
        return []
    lines = [f"## {board.capitalize()} board", "", *_summary(done, goals), ""]
    lines += [f"- `{name}` saw {what}." for name, what in sorted(_saw(done).items())]
    lines += [""] if lines[-1] else []
    lines += [f"| {' | '.join(HEADER)} |", f"|{'---|' * len(HEADER)}"]
    lines += [_row(entry, goals.get(entry["set"]), published.get(entry["set"], {})) for entry in done]
    if absent := sorted(set(goals) - {entry["set"] for entry in done}):
        lines += ["", f"No result yet: {', '.join(absent)}."]
    lines += ["", f"### What each candidate on the {board} board scored in cross-validation", ""]
    lines += [
        "Mean over five scaffold folds of `train_val.csv`, which chose the champion; the test rows had no part in it."
    ]
    return [*lines, "", *candidates_table(done), ""]


def _saw(done: Sequence[Mapping[str, Json]]) -> dict[str, str]:
    return {name: what for entry in done for name, what in entry["saw"].items()}


def mean_and_deviation(scores: Sequence[float]) -> tuple[float, float]:
    """Return mean and population standard deviation as the leaderboard does: of scores rounded to three decimals.

    Examples
    --------
    >>> mean_and_deviation([0.8004, 0.9])
    (0.85, 0.05)
    """
    rounded = [round(value, 3) for value in scores]
    return round(float(np.mean(rounded)), 3), round(float(np.std(rounded)), 3)


def _goal(row: Mapping[str, str]) -> Goal:
    return Goal(
        float(row["strict"]),
        _published(row["strict"], row["strict_std"], row["strict_name"]),
        float(row["open"]),
        _published(row["open"], row["open_std"], row["open_name"]),
        float(row["maplight"]) if row["maplight"] else None,
    )


def _published(score: str, deviation: str, name: str) -> str:
    return f"{score}{' ± ' + deviation if deviation else ''} ({name})"


def _reaches(entry: Mapping[str, Json], goal: float | None) -> bool:
    mean, _ = mean_and_deviation(entry["scores"])
    return goal is not None and (mean >= goal if HIGHER_IS_BETTER[entry["metric"]] else mean <= goal)


def _summary(done: Sequence[Mapping[str, Json]], goals: Mapping[str, Goal]) -> list[str]:
    known = [entry for entry in done if entry["set"] in goals]
    strict = sum(_reaches(entry, goals[entry["set"]].strict) for entry in known)
    passed = sum(_reaches(entry, goals[entry["set"]].open) for entry in known)
    compared = [entry for entry in known if goals[entry["set"]].maplight is not None]
    level = sum(_reaches(entry, goals[entry["set"]].maplight) for entry in compared)
    text = (
        f"{len(done)} of {len(goals)} sets computed. Strict goal reached on {strict}, open goal on {passed}; not worse "
        f"than MapLight on {level} of the {len(compared)} sets for which its figure is known."
    )
    return [text, "", _time_spent(done)]


def _time_spent(done: Sequence[Mapping[str, Json]]) -> str:
    folds = sum(item.get("train_s", 0.0) for entry in done for item in entry["candidates"])
    official = sum(entry["train_s"] for entry in done)
    one_seed = sum(entry["train_s"] / len(entry["scores"]) for entry in done)
    return (
        f"All fits of these results, one after the other: {(folds + official) / 3600:.1f} h of one core, with one "
        f"seed {(folds + one_seed) / 3600:.1f} h (folds {folds / 3600:.1f} h)."
    )


def _row(entry: Mapping[str, Json], goal: Goal | None, published: Mapping[str, float]) -> str:
    mean, deviation = mean_and_deviation(entry["scores"])
    low, high = entry["interval"]
    seeds = len(entry["scores"])
    note = "" if seeds == OFFICIAL_SEEDS else f" ({seeds} seeds)"
    cells = [entry["set"], entry["metric"], entry["champion"], f"{mean:.3f} ± {deviation:.3f}{note}"]
    cells.append(_rank(entry, published))
    cells.append(f"{low:.3f} to {high:.3f}")
    if goal is None:
        cells += ["-"] * 6
    else:
        cells += [goal.strict_text, _word(_reaches(entry, goal.strict)), goal.open_text]
        cells += [_word(_reaches(entry, goal.open))]
        level = "-" if goal.maplight is None else _word(_reaches(entry, goal.maplight))
        cells += ["-" if goal.maplight is None else f"{goal.maplight:g}", level]
    cells += [f"{entry['train_s'] / seeds:.1f}", f"{entry['ms_per_molecule']:.3f}"]
    return f"| {' | '.join(cells)} |"


def _rank(entry: Mapping[str, Json], published: Mapping[str, float]) -> str:
    better = sum(not _reaches(entry, score) for score in published.values())
    return f"{better + 1} of {len(published) + 1}" if published else "-"


def candidates_table(done: Sequence[Mapping[str, Json]]) -> list[str]:
    """Return a Markdown table of what each candidate of each set scored in cross-validation, the champion in bold."""
    models = sorted({item["model"] for entry in done for item in entry["candidates"]})
    lines = [f"| set | metric | {' | '.join(models)} |", f"|---|---|{'---|' * len(models)}"]
    for entry in done:
        scored = {item["model"]: item for item in entry["candidates"]}
        cells = [_cell(scored.get(name), chosen=name == entry["champion"]) for name in models]
        lines.append(f"| {entry['set']} | {entry['metric']} | {' | '.join(cells)} |")
    return lines


def _cell(item: Mapping[str, Json] | None, *, chosen: bool) -> str:
    if item is None:
        return "-"
    if "failed" in item:
        return "failed"
    return f"**{item['cv']:.3f}**" if chosen else f"{item['cv']:.3f}"


def _word(reached: bool) -> str:  # noqa: FBT001 - a yes or no in words
    return "yes" if reached else "no"
