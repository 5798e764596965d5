"""A chemist's words for what champions say: standing, trust, desirability, the quality of a model.

Belongs here: turning numbers into short sentences, and every threshold between two words.
Does not belong here: numbers and their digits (see `axis.py`), mark-up (see `page/templates/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from model_zoo.bundles.card import ModelCard, Performance
from model_zoo.bundles.manifest import Manifest
from model_zoo.bundles.model_card import elected_among, unit_of_errors
from model_zoo.config.desirability import range_words
from model_zoo.inference.answers import Estimate
from serving.champions.champion_registry import Champion
from serving.page.axis import number, places
from serving.page.shown import error_words

FAULTS = {
    "empty": "The line is empty.",
    "too-long": "The SMILES is too long for this service.",
    "too-large": "The molecule is too large for these models.",
    "invalid-smiles": "This is not a SMILES that can be read. Check brackets, ring numbers and valences.",
    "no-atoms": "There is no atom in it.",
    "standardise-failed": "The structure could not be standardised.",
    "incomplete-structure": "This represents many molecules, or part of one: an R-group, a polymer, a pattern.",
    "radical": "This is a radical: an atom in brackets has only the hydrogens that are written.",
    "metal": "This is a metal complex or a metal. The models know organic molecules only.",
    "inorganic-salt": "This is an inorganic salt. The models know organic molecules only.",
    "mixture": "These are several molecules, and any of them could be meant. Write only the one you mean.",
    "timeout": "The models took too long for this structure.",
    "prediction-failed": "The models cannot handle this structure.",
}
"""A sentence for each code of a molecule that was not predicted."""
FEWEST = 20
"""With fewer measured values than this, nothing is said about where a value is among them."""
METRICS = {
    "rmse": "RMSE", "mae": "mean absolute error", "r2": "R\N{SUPERSCRIPT TWO}", "spearman": "Spearman",
    "auroc": "AUROC", "auprc": "AUPRC", "mcc": "MCC", "accuracy": "accuracy", "brier": "Brier score",
}  # fmt: skip
"""What metrics are called on the page; others go by their own name."""
IN_UNITS = ("rmse", "mae")
"""Metrics that have a unit."""
STRENGTHS = {"r2": (0.4, 0.7), "auroc": (0.75, 0.87)}
"""From which score a model counts as fair and as strong: conventions of this page, not statistics."""

Band = Literal["good", "fair", "poor", ""]
BANDS = {"good": "desirable", "fair": "borderline", "poor": "undesirable", "": ""}
Strength = Literal["strong", "fair", "weak", ""]


@dataclass(frozen=True)
class Verdict:
    """What a probability means, in a word, and how sure that is."""

    kind: Literal["yes", "no", "unsure"]
    word: str
    detail: str


@dataclass(frozen=True)
class Trust:
    """How far to rely on a prediction, in a word, and the error that was usual for molecules like it."""

    word: str
    detail: str
    has_known_error: bool = True


@dataclass(frozen=True)
class Quality:
    """How good a champion was on molecules it had not seen."""

    score: str
    """Metric and value, like `RMSE 0.74`."""
    basis: str
    """What it was measured on, like `5 scaffold folds, 1,041 molecules`."""
    strength: Strength
    """One word; empty where the card does not hold what it takes."""


def fault_words(code: str, detail: str = "") -> str:
    """Say why a molecule was not predicted: in a sentence of this page, else in the one that came.

    Examples
    --------
    >>> fault_words("empty"), fault_words("formula", "many molecules have one formula")
    ('The line is empty.', 'Many molecules have one formula.')
    """
    if code in FAULTS or not detail:
        return FAULTS.get(code, "This molecule could not be predicted.")
    sentence = detail[0].upper() + detail[1:]
    return sentence if sentence.endswith(("?", ".")) else f"{sentence}."


def provisional(card: ModelCard) -> str:
    """Say why a champion is provisional; nothing where it is not.

    Examples
    --------
    >>> provisional(ModelCard(leaderboard=({"model": "xgb", "cv": 1.0, "cv_std": 0.1},), awaited=("gp", "catboost")))
    'elected among 1 of 3 models; the others are still to be trained'
    >>> provisional(ModelCard())
    ''
    """
    return f"{elected_among(card)}; the others are still to be trained" if card.awaited else ""


def standing(champion: Champion, estimate: Estimate) -> str:
    """Say where the shown value is among reference drugs, else among the measured ones; nothing if neither is known."""
    manifest = champion.manifest
    reference = manifest.trust.reference
    if estimate.percentile is not None and reference is not None:
        below, above, others = estimate.percentile, 100.0 - estimate.percentile, reference.name
    else:
        shares = None if manifest.target.task == "binary" else _shares(champion, estimate.value)
        if shares is None:
            return ""
        below, above, others = 100 * shares[0], 100 * shares[1], "measured"
    return f"{_above(above, below) if manifest.flips else _above(below, above)} of {others}"


def verdict(estimate: Estimate) -> Verdict | None:
    """Say what a probability means; none where the bundle does not know from where on it means yes.

    Examples
    --------
    >>> verdict(Estimate("C", 0.9, None, None, 1.0, None, 1, (1,)))
    Verdict(kind='yes', word='Yes', detail='No is excluded at 90 %')
    >>> verdict(Estimate("C", 0.6, None, None, 1.0, None, 1, (0, 1))).detail
    'but No cannot be excluded'
    """
    if estimate.label is None:
        return None
    word, other = ("Yes", "No") if estimate.label else ("No", "Yes")
    labels = estimate.labels or ()
    if len(labels) == 1 and estimate.label in labels:
        return Verdict("yes" if estimate.label else "no", word, f"{other} is excluded at 90 %")
    if not labels:
        return Verdict("unsure", f"Probably {word.lower()}", "but unlike either class")
    return Verdict("unsure", f"Probably {word.lower()}", f"but {other} cannot be excluded")


def trust(champion: Champion, estimate: Estimate) -> Trust:
    """Say how far to rely on a value, and how wrong the model usually was about molecules of this level."""
    if estimate.reliability is None:
        return Trust("Familiar chemistry" if estimate.inside else "Unfamiliar chemistry", "")
    word = f"{estimate.reliability.capitalize()} reliability"
    return Trust(word, usual_error(champion.manifest, estimate.usual_error), estimate.usual_error is not None)


def usual_error(manifest: Manifest, error: float | None) -> str:
    """Say how wrong a model usually was, in the words of its endpoint's scale."""
    if error is None:
        return "larger or otherwise unlike all measured molecules: the error here is not known"
    if manifest.target.task == "binary":
        return f"share wrong here: {100 * error:.0f} in 100"
    return f"usual error here: {error_words(manifest, error)}"


def desirability(champion: Champion, estimate: Estimate) -> float | None:
    """Return how desirable a value is, 0 to 1: by the project's range, else by its place among drugs or measured.

    None where the endpoint says neither a range nor a direction, or too little is known. A class that is not the wanted
    one is at most half as desirable as can be, however near its probability is: the words beside it say no.
    """
    score = _desirability(champion, estimate)
    contradicted = score is not None and estimate.label is not None and estimate.label != _wanted_class(champion)
    return min(0.5, score) if contradicted and score is not None else score


def _wanted_class(champion: Champion) -> int:
    """Return the class that a project wants of a binary endpoint for which it wants something."""
    wished = champion.manifest.desirable
    if wished is not None:
        return int(wished.score(1.0) >= wished.score(0.0))
    return int(champion.manifest.direction == "higher")


def _desirability(champion: Champion, estimate: Estimate) -> float | None:
    manifest = champion.manifest
    if manifest.desirable is not None:
        return manifest.desirable.score(estimate.value)
    if manifest.direction == "none":
        return None
    share: float | None
    if manifest.target.task == "binary":
        share = estimate.value
    elif estimate.percentile is not None:
        share = estimate.percentile / 100
    else:
        shares = _shares(champion, estimate.value)  # equal ones count half, as among drugs
        share = None if shares is None else (shares[0] + 1.0 - shares[1]) / 2
    if share is None:
        return None
    return share if manifest.direction == "higher" else 1.0 - share


def band(score: float | None) -> Band:
    """Return the word's kind for a desirability.

    Examples
    --------
    >>> band(0.9), band(0.5), band(0.1), band(None)
    ('good', 'fair', 'poor', '')
    """
    if score is None:
        return ""
    return "good" if score >= 0.75 else "fair" if score >= 0.35 else "poor"


def wanted(champion: Champion) -> str:
    """Say which values the project wants, as they are shown beside it; empty where nobody said."""
    desirable = champion.manifest.desirable
    if desirable is None:
        return ""
    ends, display = (desirable.low, desirable.high), champion.manifest.display
    scale, sign = (100, " %") if champion.manifest.target.task == "binary" else (1, "")
    low, high = (None if end is None else f"{scale * end:.6g}{sign}".replace("-", "\N{MINUS SIGN}") for end in
                 (ends if display is None else display.interval(*ends)))  # fmt: skip
    return range_words(low, high)


def quality(card: ModelCard) -> Quality | None:
    """Say how good a champion is, from its card; none where the card does not state it."""
    scores, rows = card.scores, card.scores.rows
    if card.metric not in scores.cv or rows is None or not card.split.kind:
        return None
    value = scores.cv[card.metric].mean
    basis = f"{card.split.folds} {card.split.kept_together} folds, {rows.train:,} molecules"
    on = on_scale(card, card.metric)
    name = METRICS.get(card.metric, card.metric)
    return Quality(f"{name} {number(value, places(value))}{on}", basis, _strength(scores))


def scale(card: ModelCard) -> str:
    """Say on which scale a card's scores are; empty where it is the unit that people read.

    Examples
    --------
    >>> scale(ModelCard(scores=Performance(scale="training", scale_name="log10 of mL/min/kg"))), scale(ModelCard())
    ('log10 of mL/min/kg', '')
    >>> scale(ModelCard(endpoint={"unit": "pIC50", "display_unit": "nM"}))
    'pIC50'
    """
    return card.scores.scale_name if card.scores.scale == "training" else unit_of_errors(card)


def on_scale(card: ModelCard, metric: str) -> str:
    """Say behind a score on which scale it is; nothing where it has no unit, or that which people read."""
    return f" ({scale(card)})" if scale(card) and metric in IN_UNITS else ""


def _strength(scores: Performance) -> Strength:
    for metric, (fair, strong) in STRENGTHS.items():
        if metric in scores.cv:
            value = scores.cv[metric].mean
            return "strong" if value >= strong else "fair" if value >= fair else "weak"
    return ""


def _shares(champion: Champion, value: float) -> tuple[float, float] | None:
    """Return which shares of the measured values are below and above a value; none where there are too few."""
    known = champion.measured
    if len(known) < FEWEST:
        return None
    below, up_to = np.searchsorted(known, value, "left"), np.searchsorted(known, value, "right")
    return float(below / len(known)), float((len(known) - up_to) / len(known))


def _above(below: float, above: float) -> str:
    """Say where a value is, by the percentages of others that are below and above it; the rest are equal to it.

    Examples
    --------
    >>> _above(28.4, 71.6), _above(0.2, 99.8), _above(99.9, 0.1), _above(0.0, 40.0), _above(0.0, 0.0)
    ('above 28 %', 'below 99 %', 'above 99 %', 'below 40 %', 'equal to 100 %')
    """
    if below >= 1:
        return f"above {min(below, 99):.0f} %"
    return f"below {min(above, 99):.0f} %" if above >= 1 else f"equal to {100 - below - above:.0f} %"
