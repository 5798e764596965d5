"""The pages about models: all that serve, and the card of one endpoint's champion.

Cards of bundles written by earlier versions lack parts: what a card does not hold is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from model_zoo.bundles.card import ModelCard, Performance
from model_zoo.bundles.manifest import Manifest
from model_zoo.bundles.store import ServedVersion
from model_zoo.inference.answers import Estimate
from model_zoo.selection.scores import OnScale
from model_zoo.uncertainty.reliability import NAMES
from serving.champions.champion_registry import Champion, ChampionRegistry
from serving.champions.training_progress import being_made
from serving.champions.withdrawal import withdrawal
from serving.http.parameters import EndpointName
from serving.inference.engine import Engine
from serving.page import wording
from serving.page.axis import Axis, axis_svg, number, places, significant
from serving.page.categories import MOST_OPEN, category_of, in_categories
from serving.page.shown import direction_words, shown_axis, shown_values
from serving.page.templates import render
from serving.page.trust import trust


@dataclass(frozen=True)
class Candidate:
    """One row of the leaderboard."""

    model: str
    cv: str
    spread: str
    test: str
    share: float
    """Length of its bar: its score over the largest one's, 0 to 1; none below zero."""
    verdict: str
    serves: bool


@dataclass(frozen=True)
class Coverage:
    """How often intervals, or sets of labels, held."""

    where: str
    molecules: int
    nominal: str
    held: str
    bins: tuple[tuple[str, int, str], ...]
    """Similarity to the nearest training molecule, molecules, how often it held."""


@dataclass(frozen=True)
class ModelPage:
    """A champion, as its page shows it."""

    endpoint: str
    champion: Champion
    direction: str
    wanted: str
    quality: wording.Quality | None
    provisional: str
    """Why it is provisional; empty where it is not."""
    since: str
    axis: Markup
    ends: tuple[str, str]
    measured: int
    metric: str
    scale: str
    """The scale of its scores, where that is not the unit that people read; else empty."""
    leaderboard: tuple[Candidate, ...]
    reason: str
    scores: tuple[tuple[str, str, str], ...]
    """Metric, over folds, on the test split."""
    unit_scores: tuple[tuple[str, str, str], ...]
    """The same in the endpoint's unit, where the others are on another scale."""
    coverage: tuple[Coverage, ...]
    facts: tuple[tuple[str, str], ...]
    history: tuple[ServedVersion, ...]
    """Newest first, without the present champion."""
    blocked_version: str | None

    @property
    def category(self) -> str:
        """Under which heading people look for it."""
        return category_of(self.champion)


@get("/models", media_type=MediaType.HTML, include_in_schema=False)
async def show_models(engine: NamedDependency[Engine]) -> str:
    """List the models that serve."""
    table = engine.champion_registry
    pages = [model_page(table, name) for name in table.champions]
    return render("models.html", here="models", categories=in_categories(pages), folded=len(pages) > MOST_OPEN)


@get("/models/{name:str}", media_type=MediaType.HTML, include_in_schema=False)
async def show_model(name: EndpointName, engine: NamedDependency[Engine]) -> Response[str]:
    """Show the card of one endpoint's champion."""
    table = engine.champion_registry
    if name not in table.champions:
        making = being_made(engine.training_progress.progress, [name]).removeprefix("; ")
        gone = withdrawal(table, name)
        html = render("missing.html", here="models", names=list(table.champions), making=making, withdrawn=gone)
        return Response(html, status_code=404, media_type=MediaType.HTML)
    html = await engine.work(_printed, engine, table, name)
    return Response(html, media_type=MediaType.HTML)


def _printed(engine: Engine, table: ChampionRegistry, name: str) -> str:
    shown = trust(table, name, engine.store)
    searchable = engine.settings.show_neighbours and len(table.champions[name].bundle.neighbours.smiles) > 0
    returned = engine.recalibrator.of(name, table.champions[name])
    return render(
        "model.html", here="models", page=model_page(table, name), trust=shown, searchable=searchable,
        returned=returned, strengths={wording.METRICS[each]: ends for each, ends in wording.STRENGTHS.items()},
    )  # fmt: skip


MODEL_HANDLERS: list[ControllerRouterHandler] = [show_models, show_model]


def model_page(table: ChampionRegistry, name: str) -> ModelPage:
    """Describe one endpoint's champion."""
    champion, current = table.champions[name], table.appointments[name]
    manifest, card = champion.manifest, champion.bundle.card
    axis, ends = _spread(champion)
    earlier, scales = (current, *reversed(current.history)), card.scores.scales
    now = next((each for each in earlier if each.version == manifest.version), current)
    return ModelPage(
        endpoint=name,
        champion=champion,
        direction=direction_words(manifest),
        wanted=wording.wanted(champion),
        quality=wording.quality(card),
        provisional=wording.provisional(card),
        since=now.since,
        axis=axis,
        ends=ends,
        measured=len(champion.measured),
        metric=wording.METRICS.get(card.metric, card.metric),
        scale=wording.scale(card),
        leaderboard=_leaderboard(card),
        reason=card.decision.reason,
        scores=_scores(card.scores),
        unit_scores=_scores(scales["unit"]) if card.scores.scale == "training" and scales else (),
        coverage=_coverage(card),
        facts=_facts(champion, card),
        history=tuple(each for each in earlier if each is not now),
        blocked_version=current.blocked_version,
    )


def _spread(champion: Champion) -> tuple[Markup, tuple[str, str]]:
    """Draw how the measured values are spread; nothing for classes."""
    manifest, measured = champion.manifest, shown_values(champion)
    if manifest.target.task == "binary" or len(measured) < wording.FEWEST:
        return Markup(), ("", "")
    middle = Estimate("", float(np.median(champion.measured)), None, None, 1.0)
    axis: Axis = shown_axis(champion, middle)
    span = axis.high - axis.low
    shown = 1 if span >= 2 else places(span)
    ends = (number(axis.low, shown), number(axis.high, shown))
    if axis.logarithmic:
        ends = (number(axis.low, significant(axis.low)), number(axis.high, significant(axis.high)))
    label = f"Spread of {len(measured):,} measured values from {ends[0]} to {ends[1]} {manifest.shown_unit}"
    return axis_svg(axis, measured, None, label), ends


def _leaderboard(card: ModelCard) -> tuple[Candidate, ...]:
    rows, decision = card.leaderboard, card.decision
    top = max((row.cv for row in rows), default=0.0)
    # Who took the title has a p-value itself, against the champion before; then so have the others.
    whom = "the champion before" if card.model.name in decision.p_values else "the champion"
    contestants = []
    for row in rows:
        serves = row.signature == card.signature
        verdict = "serves" if serves else decision.refused.get(row.model, "")
        if not verdict and (p := decision.p_values.get(row.model)) is not None:
            verdict = f"no better than {whom}: p = {p:.2g}"
        if not verdict and row.model == decision.challenger:
            verdict = "challenger"
        contestants.append(
            Candidate(
                row.model,
                _score(row.cv),
                _score(row.cv_std),
                "" if row.test is None else _score(row.test),
                round(max(row.cv, 0.0) / top, 3) if top > 0 else 0.0,
                verdict,
                serves,
            )
        )
    return tuple(contestants)


def _scores(scores: Performance | OnScale) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (
            wording.METRICS.get(metric, metric),
            f"{_score(folds.mean)} \N{PLUS-MINUS SIGN} {_score(folds.std)}",
            _score(scores.test[metric]) if metric in scores.test else "",
        )
        for metric, folds in scores.cv.items()
    )


def _score(value: float) -> str:
    """Write a score with three decimals, or more where a small unit makes them zeros."""
    return number(value, max(3, places(value)))


def _coverage(card: ModelCard) -> tuple[Coverage, ...]:
    """Read the reports on intervals and sets of labels: by rules fitted without the fold, and on the test split."""
    report = card.trust.interval or card.trust.prediction_set
    if report is None:
        return ()
    found = []
    for part, where in ((report.held_out, "held-out folds"), (report.test, "test split")):
        if part.coverage is None:
            continue
        bins = tuple(
            (f"{each.low:.2f} to {each.high:.2f}", each.molecules, f"{100 * each.coverage:.0f} %")
            for each in part.bins
            if each.coverage is not None
        )
        nominal, held = f"{100 * report.nominal:.0f} %", f"{100 * part.coverage:.1f} %"
        found.append(Coverage(where, part.molecules, nominal, held, bins))
    return tuple(found)


def _levels(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Say what was found at each level of reliability; of older champions from where on a molecule is familiar."""
    levels = manifest.trust.levels
    if levels is None:
        yield "Familiar from", f"a similarity of {manifest.domain_threshold:.2f} to a training molecule"
        return
    for name, usual in zip(NAMES, levels.usual, strict=True):
        if usual is not None:
            yield f"{name.capitalize()} reliability", wording.usual_error(manifest, usual)


def _facts(champion: Champion, card: ModelCard) -> tuple[tuple[str, str], ...]:
    manifest, split, rows = champion.manifest, card.split, card.scores.rows
    facts = [
        ("Model", card.model.description or manifest.model),
        ("Features", ", ".join(manifest.features)),
        ("Version", manifest.version),
        ("Signature", champion.short_signature),
    ]
    if manifest.trust.probability is not None:
        facts.append(("Yes from", f"a probability of {100 * manifest.trust.probability.threshold:.0f} %"))
    if rows is not None:
        facts.append(("Molecules", f"{rows.train:,} train, {rows.test:,} test"))
    if split.kind:
        share = "" if split.test_fraction is None else f", {100 * split.test_fraction:.0f} % kept for the test"
        facts.append(("Split", f"by {split.kind}, {split.folds} folds{share}"))
    facts.extend(_levels(manifest))
    if card.model.config:
        # Cards of earlier versions say regression of classes, too.
        said = {key: each for key, each in card.model.config.items() if key != "task"}
        facts.append(("Settings", _settings(said)))
    provenance = (
        ("Data snapshot", card.snapshot[:12]),
        ("Revision", card.git_sha[:12]),
        ("Data", card.endpoint.licence),
    )
    return (*facts, *(each for each in provenance if each[1]))


def _settings(value: object) -> str:
    """Write hyper-parameters in a line, those within others in brackets.

    Examples
    --------
    >>> _settings({"max_rows": 12000, "blocks": [{"largest": 8}, {"distance": "rank"}], "seed": None})
    'max_rows 12000, blocks [largest 8; distance rank], seed none'
    """
    if isinstance(value, Mapping):
        return ", ".join(
            f"{key} ({_settings(each)})" if isinstance(each, Mapping) else f"{key} {_settings(each)}"
            for key, each in value.items()
        )
    if isinstance(value, list):
        return f"[{'; '.join(map(_settings, value))}]"
    return "none" if value is None else str(value)
