"""The model card: what a champion is for, what it was made from, how good it is, where not to trust it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_zoo.bundles.card import Coverage, Curated, Division, ModelCard, Performance, Property, Statement
from model_zoo.data.targets import Task
from model_zoo.metrics import score

DRAWS = 200
LEAST_COVERAGE = 0.85
"""Statements at 90 % that hold less often than this are named among the limits."""


def score_intervals(
    task: Task, expected: NDArray[np.float64], predicted: NDArray[np.float64]
) -> dict[str, tuple[float, float]]:
    """Return the bootstrap 95 % interval of each metric over `n` molecules; nothing where there are fewer than two."""
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


def intended_use(endpoint: Property) -> str:
    """Say what a model of an endpoint is for."""
    value = f"a value in {endpoint.unit}" + (f" (shown in {endpoint.display_unit})" if endpoint.display_unit else "")
    what = "the probability of yes" if endpoint.task == "binary" else value
    return (
        f"Gives {what} for an organic molecule, to rank ideas and choose what to make and measure next "
        f"({endpoint.title}). It does not replace a measurement, and is not for clinical or regulatory decisions."
    )


def elected_among(card: ModelCard) -> str:
    """Say among how many models a provisional champion was elected.

    Examples
    --------
    >>> board = tuple({"model": name, "cv": 1.0, "cv_std": 0.1} for name in ("naive", "xgb"))
    >>> elected_among(ModelCard(leaderboard=board, awaited=("gp", "catboost", "svm")))
    'elected among 2 of 5 models'
    """
    scored = len(card.leaderboard)
    if not scored:
        return "elected before all models were trained"
    return f"elected among {scored} of {scored + len(card.awaited)} models"


def unit_of_errors(card: ModelCard) -> str:
    """Name the endpoint's own unit, which its errors are in, where people read values in another one; else nothing."""
    return card.endpoint.unit if card.endpoint.display_unit else ""


def limits(card: ModelCard) -> list[str]:
    """Say where not to trust a model, from the facts of its card."""
    sentences = []
    if card.awaited:
        sentences.append(f"It is provisional: {elected_among(card)}, without these: {', '.join(card.awaited)}.")
    if card.data.training_range is not None and card.endpoint.task != "binary":
        low, high = card.data.training_range
        sentences.append(
            f"Measured values of training molecules run from {low:.4g} to {high:.4g} {card.endpoint.unit}; no "
            "measurement supports a prediction beyond them."
        )
    if card.trust.reliability is not None:
        sentences.append(
            "A molecule of low reliability, or farther from all training molecules than these are from each other, "
            "may be predicted far more wrongly than the scores say."
        )
    elif card.data.domain_threshold is not None:
        sentences.append(
            f"Molecules whose nearest training molecule is less similar than {card.data.domain_threshold:.2f} "
            "(Tanimoto, Morgan) are outside of its domain."
        )
    if any(statement.held_out.coverage is not None for _, statement in _statements(card)):
        sentences.append(
            "Statements at 90 % hold for molecules like the training data, less often for another laboratory's."
        )
    for name, statement in _statements(card):
        if statement.missing:
            sentences.append(f"There is {statement.missing}.")
        for part, words in ((statement.held_out, f"on {card.split.held_out}"), (statement.test, "on the test split")):
            if part.coverage is not None and part.coverage < LEAST_COVERAGE:
                sentences.append(f"{name} hold only {part.coverage:.0%} of the time {words}, not 90 %.")
            sentences.extend(
                f"{name} hold only {each.coverage:.0%} of the time {words} for similarities from {each.low:.2f} "
                f"to {each.high:.2f} ({each.molecules} molecules)."
                for each in part.bins
                if each.coverage is not None and each.coverage < LEAST_COVERAGE
            )
    sentences.append(
        "Salts and solvents are removed before predicting; stereochemistry may be ignored by the features."
    )
    return sentences


def curation(curated: Curated) -> list[str]:
    """Say what became of the rows of the sources.

    Examples
    --------
    >>> curated = Curated(files={"a.csv": 5}, rows=5, kept=2, merged=2, dropped={"metal": 1}, molecules=3, bounds=1)
    >>> curation(curated)
    ['Files: a.csv (5 rows).', '5 rows: 2 kept, 2 merged, 1 dropped (metal 1).', '3 molecules, 1 of them only a bound.']
    """
    files = ", ".join(f"{name} ({count:,} rows)" for name, count in curated.files.items())
    lost = sum(curated.dropped.values())
    why = f" ({', '.join(f'{reason} {count:,}' for reason, count in curated.dropped.items())})" if lost else ""
    return [
        f"Files: {files}.",
        f"{curated.rows:,} rows: {curated.kept:,} kept, {curated.merged:,} merged, {lost:,} dropped{why}.",
        f"{curated.molecules:,} molecules, {curated.bounds:,} of them only a bound."
        if curated.bounds
        else f"{curated.molecules:,} molecules.",
    ]


def to_markdown(card: ModelCard) -> str:
    """Write a card for people. What an older card does not state is left out; nothing of one without a title.

    Examples
    --------
    >>> endpoint = {"title": "Solubility", "task": "regression", "unit": "logS"}
    >>> to_markdown(ModelCard(endpoint=endpoint, model={"name": "xgb"})).splitlines()[0]
    '# Solubility: xgb'
    """
    endpoint = card.endpoint
    if not endpoint.title:
        return ""
    parts = [
        f"# {endpoint.title}: {card.model.name}",
        _provisional(card),
        endpoint.description,
        _section("Intended use", [card.intended_use] if card.intended_use else []),
        _section("Limits", [f"- {each}" for each in card.limits]),
        _section("Data and split", _data(card)),
        _section("Model", _model(card)),
        _section("Scores", _scores(card.scores, unit_of_errors(card))),
        _section("Scores in the endpoint's unit", _unit_scores(card)),
        *(
            _section(f"{name} at 90 % of molecules like the training data", _coverage(statement, card.split))
            for name, statement in _statements(card)
        ),
        _section("Reliability", _reliability(card)),
        _section(f"Expected errors, measured on {card.split.held_out}", _withheld(card)),
        _section("Probabilities", _probabilities(card)),
        _section("Percentiles", _reference(card)),
        _section("Why this one", [card.decision.reason] if card.decision.reason else []),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _provisional(card: ModelCard) -> str:
    if not card.awaited:
        return ""
    return (
        f"**Provisional champion**, {elected_among(card)}. Still awaited: {', '.join(card.awaited)}. The champion "
        "among all of them takes its place."
    )


def _statements(card: ModelCard) -> list[tuple[str, Statement]]:
    statements = (("Intervals", card.trust.interval), ("Sets of labels", card.trust.prediction_set))
    return [(name, each) for name, each in statements if each is not None]


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | float]]) -> list[str]:
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _data(card: ModelCard) -> list[str]:
    rows, split = card.scores.rows, card.split
    lines = []
    if rows is not None:
        lines.append(f"- {rows.train} molecules to train on, {rows.test} in the test split, which chose nothing.")
    if split.kind:
        lines.append(f"- Split: {split.kind}, {split.folds} folds; snapshot {card.snapshot}.")
    if (curated := card.data.curated) is not None:
        lines += [f"- {line}" for line in curation(curated)]
    if card.data.source:
        lines.append(f"- Source: {card.data.source}.")
    if card.endpoint.licence:
        lines.append(f"- Licence: {card.endpoint.licence}.")
    return lines


def _model(card: ModelCard) -> list[str]:
    model = card.model
    lines = [model.description] if model.description else []
    if model.features:
        lines.append(f"\nReads {', '.join(model.features)}. Signature {card.signature[:12]}.")
    if model.auxiliary:
        others = ", ".join(model.auxiliary)
        lines.append(f"\nLearnt from other endpoints too, nothing of it on molecules that this is tested on: {others}.")
    return lines


def _reliability(card: ModelCard) -> list[str]:
    """Return how wrong the model was, and how often statements at 90 % held, by level."""
    found = card.trust.reliability
    if found is None:
        return []
    what = "wrong labels" if card.endpoint.task == "binary" else "mean absolute error, on the scale of training"
    rows = [
        (where, each.level, each.molecules, each.error, f"{each.coverage:.1%}")
        for where, levels in ((card.split.held_out, found.held_out), ("test split", found.test))
        for each in levels
    ]
    return _table(("molecules of", "level", "molecules", what, "held at 90 %"), rows)


def _unit_scores(card: ModelCard) -> list[str]:
    """Write scores in the endpoint's unit, where others decided."""
    unit = card.scores.scales.get("unit")
    if card.scores.scale != "training" or unit is None:
        return []
    performance = Performance(cv=unit.cv, test=unit.test)
    return [f"In {card.endpoint.unit}; they choose nothing.", "", *_scores(performance)]


def _scores(scores: Performance, unit: str = "") -> list[str]:
    if not scores.cv or not scores.test:
        return []
    rows = [
        (
            name,
            cv.mean,
            cv.std,
            scores.test[name],
            " to ".join(f"{end:.4g}" for end in scores.test_interval.get(name, ())),
        )
        for name, cv in scores.cv.items()
    ]
    head = ("metric", "mean over folds", "std over folds", "test split", "bootstrap 95 % of the test split")
    columns = 5 if scores.test_interval else 4
    table = _table(head[:columns], [row[:columns] for row in rows])
    on = f"In {unit}." if unit else ""
    if scores.scale == "training":
        on = f"On the scale of {scores.scale_name}, which decides."
    return [on, "", *table] if on else table


def _withheld(card: ModelCard) -> list[str]:
    """Return how expected errors ranked real ones, and what was found in each fifth of them."""
    found = card.trust.withheld
    if found is None:
        return []
    labels = card.endpoint.task == "binary"
    large = "a wrong label" if labels else "an error of the largest fifth"
    lines = [
        f"- Rank correlation with real errors {_figure(found.rank)}, of an oracle {_figure(found.rank_oracle)}.",
        f"- AUROC for {large} {_figure(found.auroc)}, of an oracle {_figure(found.auroc_oracle)}.",
        "- The oracle knows the mean absolute error of the nearest withheld molecules.",
    ]
    if found.coverage is not None:
        lines.append(
            f"- {found.coverage:.1%} of {found.molecules:,} intervals held, of a median width {_figure(found.width)} "
            "times that of constants which cover 90 % of each fifth."
        )
    rows = [
        (place, each.molecules, each.expected, each.found, "" if each.coverage is None else f"{each.coverage:.1%}")
        for place, each in enumerate(found.fifths, start=1)
    ]
    columns = ("fifth of expected error", "molecules", "expected", "found", "held at 90 %")
    keep = 4 if labels else 5
    return [*lines, "", *_table(columns[:keep], [row[:keep] for row in rows])]


def _figure(number: float | None) -> str:
    return "not known" if number is None else f"{number:.2f}"


def _coverage(statement: Statement, split: Division) -> list[str]:
    parts: list[tuple[str, Coverage]] = [
        (words, part)
        for words, part in ((split.held_out, statement.held_out), ("test split", statement.test))
        if part.bins and part.coverage is not None
    ]
    if not parts:
        return []
    rows: list[list[str | float]] = []
    for number, each in enumerate(parts[0][1].bins):
        row: list[str | float] = [f"{each.low:.2f} to {each.high:.2f}"]
        for _, got in parts:
            place = got.bins[number]
            row += [place.molecules, "" if place.coverage is None else f"{place.coverage:.1%}"]
        rows.append(row)
    rows.append(["**all**", *(cell for _, got in parts for cell in (got.molecules, f"**{got.coverage:.1%}**"))])
    columns = ["similarity to training", *(cell for words, _ in parts for cell in ("molecules", f"hold on {words}"))]
    return [
        "For each fold by a rule that was fitted without it.",
        "",
        *_table(columns, rows),
    ]


def _probabilities(card: ModelCard) -> list[str]:
    rule = card.trust.probability
    if rule is None:
        return []
    kind = "calibrated by Platt's method" if rule.calibrated else "as the model gives them: calibration did not help"
    lines = [f"Probabilities are {kind}. The label is 1 from {rule.threshold:.3f} (best balanced accuracy).", ""]
    parts = (("before calibration", rule.before), (card.split.held_out, rule.held_out), ("test split", rule.test))
    rows = [(words, fit.log_loss, fit.brier) for words, fit in parts if fit is not None]
    return lines + _table(("", "log loss", "Brier score"), rows)


def _reference(card: ModelCard) -> list[str]:
    drugs = card.reference
    return [f"Among the drugs of: {drugs.name} ({drugs.licence})."] if drugs is not None else []
