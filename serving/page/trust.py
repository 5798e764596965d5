"""May I trust it? What a champion's card and pointer say to that, question by question, in sentences.

Cards of bundles written by earlier versions say less: a question that a card does not answer is answered so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from model_zoo.bundles.card import ModelCard
from model_zoo.bundles.model_card import LEAST_COVERAGE
from model_zoo.bundles.pointer import Current, ServedVersion
from model_zoo.bundles.store import Store, read_card
from model_zoo.errors import AidrugError
from model_zoo.metrics import HIGHER_IS_BETTER
from model_zoo.selection.election import BASELINE
from model_zoo.uncertainty.reliability import NAMES
from serving.champions.champion_registry import Champion, ChampionRegistry
from serving.page import wording
from serving.page.axis import number, places

RECENT_DAYS = 7
WIDEST_CALIBRATION = 0.1
"""Probabilities that are farther than this from what was observed, on average, are called poorly calibrated."""
SPLITS = {
    "scaffold": "it was tested on scaffolds that it had not seen, as with a new series",
    "cluster": "it was tested on groups of similar molecules that it had not seen",
    "time": "it was tested on molecules that were measured later than those it learnt from",
    "group": "it was tested on groups of measurements that it had not seen",
    "random": "it was tested on molecules that resemble those it learnt from: expect larger errors in a new series",
    "official": "it was tested on the molecules that the collection's authors set apart",
    "column": "it was tested on the molecules that its files set apart",
}
logger = logging.getLogger(__name__)

Kind = Literal["good", "fair", "poor", ""]


@dataclass(frozen=True)
class Answered:
    """A question and its answer."""

    question: str
    kind: Kind
    """Whether the answer speaks for the model; empty where it is only a fact."""
    sentences: tuple[str, ...]
    """The answer."""


@dataclass(frozen=True)
class Trust:
    """All answers, and what follows from them in a sentence."""

    kind: Kind
    verdict: str
    answers: tuple[Answered, ...]


def trust(table: ChampionRegistry, name: str, store: Store, now: datetime | None = None) -> Trust:
    """Answer for an endpoint's champion. Reads cards of earlier champions: slow where these lie far away."""
    champion = table.champions[name]
    card = champion.bundle.card
    answers = (
        _error(champion, card),
        _against_naive(card),
        _data(champion, card),
        _split(card),
        _calibration(champion, card),
        _domain(champion),
        Answered("What are its known limits?", "", card.limits or ("Its card names none.",)),
        _changes(champion, table.appointments[name], store, now or datetime.now(UTC)),
    )
    kind, verdict = _verdict(answers, provisional=champion.provisional)
    return Trust(kind, verdict, answers)


def _verdict(answers: Sequence[Answered], *, provisional: bool) -> tuple[Kind, str]:
    """Say what follows; the rules are conventions of this page, and say so below the answers."""
    poor = [each.question for each in answers if each.kind == "poor"]
    if answers[1].kind == "poor":
        return "poor", "No: it is not better than a model that gives every molecule the same value."
    if poor:
        speak = "answer below speaks" if len(poor) == 1 else "answers below speak"
        return "fair", f"With care: {len(poor)} {speak} against it."
    if provisional:
        return "fair", "With care: other models are still to be trained, and one may prove better."
    if any(each.kind == "fair" for each in answers):
        return "fair", "To rank ideas, yes; a single value may mislead."
    if answers[0].kind == "good":
        return "good", "Yes, for molecules like those it learnt from."
    return "", "Its card does not say enough to judge."


def _error(champion: Champion, card: ModelCard) -> Answered:
    question = "How wrong is it?"
    target, scores = champion.manifest.target, card.scores
    binary = target.task == "binary"
    found = scores.cv if scores.scale == "training" or target.transform == "identity" else {}
    if "training" in scores.scales:  # older cards have one scale
        found = scores.scales["training"].cv
    spread = found.get("accuracy" if binary else "mae")
    quality = wording.quality(card)
    kind: Kind = {"strong": "good", "fair": "fair", "weak": "poor", "": ""}[quality.strength] if quality else ""  # type: ignore[assignment]
    facts = []
    if spread is not None:
        facts.append(
            f"On molecules that it had not seen, {_off(champion, 1 - spread.mean if binary else spread.mean)}."
        )
    if quality is not None:
        facts.append(f"{quality.score}, {quality.basis}{f': a {quality.strength} model' if quality.strength else ''}.")
    return Answered(question, kind, tuple(facts) or ("Its card does not say.",))


def _off(champion: Champion, error: float) -> str:
    """Say how far off a model was on average, in the unit that people read; logarithms as a factor, too."""
    words = wording.usual_error(champion.manifest, error).partition(": ")[2]
    if champion.manifest.target.task == "binary":
        return f"it was wrong about {words.replace(' in ', ' of ')}"
    factor = f", a factor of {10**error:.2g}" if words.endswith("log units") else ""
    return f"it was off by {words} on average{factor}"


def _against_naive(card: ModelCard) -> Answered:
    question = "Is it better than guessing?"
    naive = next((row for row in card.leaderboard if row.model == BASELINE), None)
    own = card.scores.cv.get(card.metric)
    if naive is None or own is None:
        return Answered(question, "", ("It was not compared with a model that gives every molecule the same value.",))
    metric = wording.METRICS.get(card.metric, card.metric)
    both = (number(own.mean, places(own.mean)), number(naive.cv, places(naive.cv)))
    better = own.mean > naive.cv if HIGHER_IS_BETTER.get(card.metric, True) else own.mean < naive.cv
    values = f"{both[0]} against {both[1]}{wording.on_scale(card, card.metric)}"
    sentence = f"{metric} {values} of the naive model, which gives every molecule the same value"
    if better and card.metric in wording.IN_UNITS and naive.cv:
        sentence += f": {100 * (1 - own.mean / naive.cv):.0f} % less error"
    return Answered(question, "good" if better else "poor", (f"{sentence}.",))


def _data(champion: Champion, card: ModelCard) -> Answered:
    facts, rows, curated = [], card.scores.rows, card.data.curated
    if rows is not None:
        facts.append(f"{rows.train:,} molecules to learn from, and {rows.test:,} that were kept apart for the test.")
    else:
        facts.append(f"{len(champion.bundle.neighbours.smiles):,} molecules.")
    if card.data.training_range is not None and champion.manifest.target.task != "binary":
        manifest = champion.manifest
        ends = (
            card.data.training_range
            if manifest.display is None
            else manifest.display.interval(*card.data.training_range)
        )
        low, high = ("beyond all numbers" if end is None else number(end, places(end)) for end in ends)
        facts.append(f"Measured values run from {low} to {high} {manifest.shown_unit}.")
    if curated is not None:
        lost = sum(curated.dropped.values())
        facts.append(f"{curated.kept + curated.merged:,} of {curated.rows:,} rows were used, {lost:,} dropped.")
        if curated.bounds:
            facts.append(f"Of {curated.bounds:,} molecules only a bound is known.")
    return Answered("What did it learn from?", "", tuple(facts))


def _split(card: ModelCard) -> Answered:
    split = card.split
    if not split.kind:
        return Answered("How was it tested?", "", ("Its card does not say.",))
    what = SPLITS.get(split.kind, "")
    sentence = f"By {split.kind}, in {split.folds} folds{f': {what}' if what else ''}."
    return Answered("How was it tested?", "fair" if split.kind == "random" else "good", (sentence,))


def _calibration(champion: Champion, card: ModelCard) -> Answered:
    binary, facts, kind = champion.manifest.target.task == "binary", [], ""
    report = card.trust.prediction_set if binary else card.trust.interval
    if report is not None and report.missing:
        facts.append(f"There is {report.missing}.")
    for part, where in ((report.held_out, "held-out"), (report.test, "test")) if report is not None else ():
        if part.coverage is None:
            continue
        what = "had their label in its 90 % set" if binary else "were in their 90 % interval"
        facts.append(f"{100 * part.coverage:.0f} % of {part.molecules:,} {where} molecules {what}.")
        kind = "poor" if part.coverage < LEAST_COVERAGE or kind == "poor" else "good"
    fit = card.trust.probability
    found = fit.held_out if fit is not None else None
    if found is not None and found.reliability:
        count = sum(each.molecules for each in found.reliability) or 1
        off = sum(abs(each.predicted - each.observed) * each.molecules for each in found.reliability) / count
        facts.append(f"Probabilities are {100 * off:.0f} points from what was observed, on average.")
        kind = "poor" if off > WIDEST_CALIBRATION or kind == "poor" else "good"
    return Answered("Do its intervals and probabilities hold?", kind or "", tuple(facts) or ("Its card does not say.",))  # type: ignore[arg-type]


def _domain(champion: Champion) -> Answered:
    levels = champion.manifest.trust.levels
    question = "Where does it not know?"
    if levels is None:
        sentence = f"Where the nearest training molecule is less similar than {champion.manifest.domain_threshold:.2f}."
        return Answered(question, "", (sentence,))
    reliabilities = [
        f"{name.capitalize()} reliability: {wording.usual_error(champion.manifest, usual)}."
        for name, usual in zip(NAMES, levels.usual, strict=True)
        if usual is not None
    ]
    return Answered(question, "", ("Every prediction names its reliability.", *reliabilities))


def _changes(champion: Champion, current: Current, store: Store, now: datetime) -> Answered:
    question = f"What changed in the last {RECENT_DAYS} days?"
    changes = list(_recent(current, now - timedelta(days=RECENT_DAYS)))
    if not changes:
        since = next(
            (each for each in (current, *current.history) if each.version == champion.manifest.version), current
        )
        return Answered(question, "", (f"Nothing: this champion has served since {_day(since.since)}.",))
    endpoint, lines = champion.manifest.endpoint, []
    for before, after in changes:
        line = f"{_day(after.since)}, by {after.by}: {after.version}"
        cards = (_card(store, endpoint, before.version) if before else None, _card(store, endpoint, after.version))
        line += f" in place of {before.version}" if before else ", the first champion"
        lines.append(f"{line}. {' '.join(_why(*cards))}".strip())
    return Answered(question, "", tuple(lines))


def _recent(current: Current, since: datetime) -> Iterator[tuple[ServedVersion | None, ServedVersion]]:
    """Yield the changes of champions since then, the newest first, each with who served before."""
    order: list[ServedVersion] = [current, *reversed(current.history)]
    for place, after in enumerate(order):
        try:
            began = datetime.fromisoformat(after.since)
        except ValueError:
            continue
        if began >= since:
            yield (order[place + 1] if place + 1 < len(order) else None), after


def _card(store: Store, endpoint: str, version: str) -> ModelCard | None:
    try:
        return read_card(store, endpoint, version)
    except (AidrugError, OSError) as error:
        logger.warning("the card of %s/%s cannot be read: %s", endpoint, version, type(error).__name__)
        return None


def _why(before: ModelCard | None, after: ModelCard | None) -> Iterator[str]:
    """Say why a champion changed: by its card's reason, its data and its score beside those of the one before."""
    if after is None:
        yield "Its card cannot be read any more."
        return
    if after.decision.reason:
        yield f"Why: {after.decision.reason}."
    if before is None:
        return
    if before.snapshot and before.snapshot != after.snapshot:
        counts = [
            each.scores.rows.train + each.scores.rows.test if each.scores.rows else None for each in (before, after)
        ]
        yield (
            f"Its data changed: {counts[0]:,} molecules before, {counts[1]:,} now."
            if None not in counts
            else "Its data changed."
        )
    if before.model.name == after.model.name and before.model.config != after.model.config:
        yield "Its settings changed."
    old, new = (each.scores.cv.get(after.metric) for each in (before, after))
    if old is not None and new is not None:
        metric, shown = wording.METRICS.get(after.metric, after.metric), places(old.mean, new.mean)
        was, is_ = number(old.mean, shown), number(new.mean, shown)
        scales = [each.scores.scale_name or each.endpoint.unit for each in (before, after)]
        if all(scales) and scales[0] != scales[1]:
            yield f"{metric} {was} before, on the scale of {scales[0]}, {is_} now, on that of {scales[1]}."
            return
        yield f"{metric} {was} before, {is_} now." if was != is_ else f"{metric} {is_}, as before."


def _day(moment: str) -> str:
    return moment[:10]
