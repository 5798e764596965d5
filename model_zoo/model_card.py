"""The model card: what a champion is for, what it was made from, how good it is and where not to trust it, for people.

Belongs here: the sentences and tables of a card as Markdown, what follows for its use, intervals of its scores.
Does not belong here: collecting the facts (see `ai_drug_assets/bundling.py`), coverage itself (see `trust.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.metrics import score
from model_zoo.targets import Task

DRAWS = 200
LEAST_COVERAGE = 0.85
"""Statements at 90 % that hold less often than this are named among the limits."""

Card = Mapping[str, Any]


def score_intervals(
    task: Task, expected: NDArray[np.float64], predicted: NDArray[np.float64]
) -> dict[str, tuple[float, float]]:
    """Give the bootstrap 95 % interval of each metric over `n` molecules; nothing where there are fewer than two."""
    if len(expected) < 2:
        return {}
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        rows = generator.integers(0, len(expected), len(expected))
        draws.append(score(task, expected[rows], predicted[rows]))
    low, high = np.quantile([list(each.values()) for each in draws], (0.025, 0.975), axis=0)
    # Four digits, not four decimals: those would be all zeros in a small unit.
    return {name: (float(f"{a:.4g}"), float(f"{b:.4g}")) for name, a, b in zip(draws[0], low, high, strict=True)}


def intended_use(endpoint: Card) -> str:
    """Say what a model of an endpoint is for."""
    shown = endpoint.get("display_unit")
    value = f"a value in {endpoint['unit']}" + (f" (shown in {shown})" if shown else "")
    what = "the probability that it is of class 1" if endpoint["task"] == "binary" else value
    return (
        f"Gives {what} for an organic molecule, to rank ideas and choose what to make and measure next "
        f"({endpoint['title']}). It does not replace a measurement, and is not for clinical or regulatory decisions."
    )


def awaited(card: Card) -> tuple[str, ...]:
    """Name the models that were still to be trained when this champion was elected; none unless it is provisional."""
    names = card.get("awaited")
    return tuple(str(name) for name in names) if isinstance(names, (list, tuple)) else ()


def elected_among(card: Card) -> str:
    """Say among how many models a provisional champion was elected.

    Examples
    --------
    >>> elected_among({"leaderboard": [{"model": "naive"}, {"model": "xgb"}], "awaited": ["gp", "catboost", "svm"]})
    'elected among 2 of 5 models'
    """
    board = card.get("leaderboard")
    scored = len(board) if isinstance(board, (list, tuple)) else 0
    if not scored:
        return "elected before all models were trained"
    return f"elected among {scored} of {scored + len(awaited(card))} models"


def limits(card: Card) -> list[str]:
    """Say where not to trust a model, from the facts of its card."""
    data = card.get("data", {})
    said = []
    if missing := awaited(card):
        said.append(f"It is provisional: {elected_among(card)}, without these: {', '.join(missing)}.")
    if "training_range" in data:
        low, high = data["training_range"]
        said.append(f"Measured values of training molecules run from {low:.4g} to {high:.4g}; beyond, it extrapolates.")
    if "domain_threshold" in data:
        said.append(
            f"Molecules whose nearest training molecule is less similar than {data['domain_threshold']:.2f} (Tanimoto, "
            "Morgan) are outside of its domain."
        )
    for name, told in _statements(card):
        if told.get("missing"):
            said.append(f"There is {told['missing']}.")
        for part, words in (("held_out", "on held-out scaffolds"), ("test", "on the test split")):
            got = told.get(part) or {}
            if got.get("coverage") is not None and got["coverage"] < LEAST_COVERAGE:
                said.append(f"{name} hold only {got['coverage']:.0%} of the time {words}, not 90 %.")
            said.extend(
                f"{name} hold only {each['coverage']:.0%} of the time {words} for similarities from {each['from']:.2f} "
                f"to {each['to']:.2f} ({each['molecules']} molecules)."
                for each in got.get("bins", [])
                if each["coverage"] is not None and each["coverage"] < LEAST_COVERAGE
            )
    said.append("Salts and solvents are removed before predicting; stereochemistry may be ignored by the features.")
    return said


def to_markdown(card: Card) -> str:
    """Write a card for people. Whatever an older card does not tell is left out.

    Examples
    --------
    >>> card = {"endpoint": {"title": "Solubility", "task": "regression", "unit": "logS"}, "model": {"name": "xgb"}}
    >>> to_markdown(card).splitlines()[0]
    '# Solubility: xgb'
    """
    endpoint, model = card.get("endpoint", {}), card.get("model", {})
    if not isinstance(endpoint, Mapping) or not isinstance(model, Mapping):
        return ""
    parts = [
        f"# {endpoint.get('title', '')}: {model.get('name', '')}",
        _provisional(card),
        endpoint.get("description", ""),
        _section("Intended use", [card["intended_use"]] if "intended_use" in card else []),
        _section("Limits", [f"- {each}" for each in card.get("limits", [])]),
        _section("Data and split", _data(card)),
        _section("Model", _model(model, card)),
        _section("Scores", _scores(card.get("scores", {}))),
        _section("Scores in the endpoint's unit", _unit_scores(card.get("scores", {}), endpoint)),
        *(_section(f"{name} at 90 %", _coverage(told)) for name, told in _statements(card)),
        _section("Probabilities", _probabilities(card)),
        _section("Percentiles", _reference(card)),
        _section("Why this one", [card["decision"]["reason"]] if "decision" in card else []),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _provisional(card: Card) -> str:
    missing = awaited(card)
    if not missing:
        return ""
    return (
        f"**Provisional champion**, {elected_among(card)}. Still awaited: {', '.join(missing)}. The champion among all "
        "of them takes its place."
    )


def _statements(card: Card) -> list[tuple[str, Mapping[str, Any]]]:
    trust = card.get("trust", {})
    names = (("interval", "Intervals"), ("prediction_set", "Sets of labels"))
    return [(name, trust[key]) for key, name in names if key in trust]


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _data(card: Card) -> list[str]:
    rows, split, data = card.get("scores", {}).get("rows"), card.get("split"), card.get("data", {})
    lines = []
    if rows:
        lines.append(f"- {rows['train']} molecules to train on, {rows['test']} in the test split, which chose nothing.")
    if split:
        lines.append(f"- Split: {split.get('kind')}, {split.get('folds')} folds; snapshot {card.get('snapshot', '')}.")
    if "source" in data:
        lines.append(f"- Source: {data['source']}.")
    if card.get("endpoint", {}).get("licence"):
        lines.append(f"- Licence: {card['endpoint']['licence']}.")
    return lines


def _model(model: Card, card: Card) -> list[str]:
    lines = [str(model["description"])] if model.get("description") else []
    if model.get("features"):
        lines.append(f"\nReads {', '.join(model['features'])}. Signature {str(card.get('signature', ''))[:12]}.")
    if model.get("auxiliary"):
        lines.append(
            f"\nLearnt from other endpoints too, without this one's molecules: {', '.join(model['auxiliary'])}."
        )
    return lines


def _unit_scores(scores: Card, endpoint: Card) -> list[str]:
    """Tell scores in the endpoint's unit, where others decided."""
    if scores.get("scale") != "training":
        return []
    return [f"In {endpoint.get('unit')}; they choose nothing.", "", *_scores(scores["scales"]["unit"])]


def _scores(scores: Card) -> list[str]:
    if "cv" not in scores or "test" not in scores:
        return []
    intervals = scores.get("test_interval", {})
    rows = [
        (
            name,
            float(cv["mean"]),
            float(cv["std"]),
            float(scores["test"][name]),
            " to ".join(f"{end:.4g}" for end in intervals[name]) if name in intervals else "",
        )
        for name, cv in scores["cv"].items()
    ]
    head = ("metric", "mean over folds", "std over folds", "test split", "bootstrap 95 % of the test split")
    table = _table(head[: 5 if intervals else 4], [row[: 5 if intervals else 4] for row in rows])
    on = f"On the scale of {scores['scale_name']}, which decides." if scores.get("scale") == "training" else ""
    return [on, "", *table] if on else table


def _coverage(told: Card) -> list[str]:
    parts = [(words, told[part]) for part, words in (("held_out", "held-out scaffolds"), ("test", "test split"))
             if told.get(part, {}).get("bins")]  # fmt: skip
    if not parts:
        return []
    rows: list[tuple[Any, ...]] = []
    for number, each in enumerate(parts[0][1]["bins"]):
        row: list[Any] = [f"{each['from']:.2f} to {each['to']:.2f}"]
        for _, got in parts:
            place = got["bins"][number]
            row += [place["molecules"], "" if place["coverage"] is None else f"{place['coverage']:.1%}"]
        rows.append(tuple(row))
    rows.append(("**all**", *(cell for _, got in parts for cell in (got["molecules"], f"**{got['coverage']:.1%}**"))))
    columns = ["similarity to training", *(cell for words, _ in parts for cell in ("molecules", f"hold on {words}"))]
    return [
        "Each fold is told about by a rule that was fitted without it.",
        "",
        *_table(columns, rows),
    ]


def _probabilities(card: Card) -> list[str]:
    told = card.get("trust", {}).get("probability")
    if not told:
        return []
    kind = "calibrated by Platt's method" if told["calibrated"] else "as the model gives them: calibration did not help"
    lines = [f"Probabilities are {kind}. The label is 1 from {told['threshold']:.3f} (best balanced accuracy).", ""]
    names = (("before", "before calibration"), ("held_out", "held-out scaffolds"), ("test", "test split"))
    rows = [(words, told[part]["log_loss"], told[part]["brier"]) for part, words in names if part in told]
    return lines + _table(("", "log loss", "Brier score"), rows)


def _reference(card: Card) -> list[str]:
    reference = card.get("reference")
    return [f"Among the drugs of: {reference['name']} ({reference['licence']})."] if reference else []
