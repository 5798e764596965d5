"""The page at `/`, for a chemist: its handlers and examples.

The form works without JavaScript: every answer to it is a whole page. The page's script asks for a part alone, by the
header `X-Fragment`. Structures travel in the body, never in an address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from litestar import MediaType, Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from model_zoo.inference.answers import Estimates
from serving.champions.champion_registry import ChampionRegistry
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.leaving import unless_left
from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError
from serving.inference.engine import Engine
from serving.page import comparison, details
from serving.page.calculated import CALCULATED_HANDLERS
from serving.page.criteria import CRITERIA_HANDLERS
from serving.page.export import FORMATS, sheet_of
from serving.page.first_rows import FILE_HANDLERS
from serving.page.headings import headings
from serving.page.help import HELP_HANDLERS
from serving.page.job_table import JOB_TABLE_HANDLERS
from serving.page.known import left_open, not_told_apart, twins
from serving.page.measuring import MEASURING_HANDLERS, measuring
from serving.page.model_pages import MODEL_HANDLERS
from serving.page.operations import OPERATIONS_HANDLERS
from serving.page.project_score import read_scores
from serving.page.sharing import SHARING_HANDLERS
from serving.page.structures import STRUCTURE_HANDLERS
from serving.page.templates import FRAGMENT, STATIC, render
from serving.page.training_banner import MAKING_HANDLERS, banner
from serving.page.understood import Line, lines_of, preview
from serving.page.views import MOST_CARDS, ShownMolecule, card, results_of
from serving.page.what_if import WHAT_IF_HANDLERS

__all__ = ["PAGE_HANDLERS", "STATIC"]

EXAMPLES = (
    ("Aspirin", "CC(=O)Oc1ccccc1C(=O)O"),
    ("Caffeine", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"),
    ("Lidocaine", "CCN(CC)CC(=O)Nc1c(C)cccc1C"),
    ("Diazepam", "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21"),
    ("Imatinib", "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1"),
)


class Form(Struct, frozen=True):
    """What the page's form sends."""

    smiles: str = ""
    """The box."""
    pick: list[int] | int = []
    """Places of the molecules picked in the table, from 0, separated by commas."""
    endpoint: str = ""
    """What a question about one molecule is about."""
    name: str = ""
    """What that molecule is called."""
    at: int = 1
    """The line that the cursor is in, from 1."""
    format: str = "csv"
    """What a download is written as."""
    score: str = ""
    """The project score of each molecule, as the page sends it."""
    column: list[str] | str = []
    """Endpoints that the table shows, where it does not show all."""

    @property
    def columns(self) -> list[str]:
        """The endpoints that are compared; none means all."""
        return self.column if isinstance(self.column, list) else [self.column]

    @property
    def picks(self) -> list[int]:
        """The places picked."""
        return self.pick if isinstance(self.pick, list) else [self.pick]


@get("/", media_type=MediaType.HTML, include_in_schema=False, opt={"scope": "predict"})
async def show_page(engine: NamedDependency[Engine]) -> str:
    """Return the page, empty."""
    return _page(engine, engine.champion_registry, "")


@post("/", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def predict_page(
    request: HttpRequest, data: URLEncodedBody[Form], engine: NamedDependency[Engine]
) -> Response[str]:
    """Predict what the box holds with every champion; the whole page, the results, or the card of one molecule."""
    fragment = request.headers.get(FRAGMENT)
    table = engine.champion_registry
    lines = _one(data) if fragment == "card" else await engine.work(lines_of, data.smiles)
    try:
        molecules = await _with_twins(engine, await _predicted(engine, table, lines, recorded=fragment != "card"))
    except ProblemError as error:
        if fragment or error.code not in ("no-champion", "invalid-request"):
            raise
        html = _page(engine, table, data.smiles, fault=error.detail)
        return Response(html, status_code=503 if error.code == "no-champion" else 422, media_type=MediaType.HTML)
    if fragment == "card":
        position = data.picks[0] + 1 if data.picks else 1
        one = await engine.work(card, position, lines[0], molecules[0])
        return _html(render("card.html", card=one))
    results = await engine.work(results_of, lines, molecules, table)
    if fragment:
        return _html(await engine.work(render, "results.html", results=results, text=data.smiles, table=table))
    return _html(await engine.work(_page, engine, table, data.smiles, results=results))


@post("/page/preview", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def preview_page(data: URLEncodedBody[Form], engine: NamedDependency[Engine]) -> Response[str]:
    """Draw the molecule that the cursor is in, and say what was understood of all lines."""
    readings = {champion.manifest.reading for champion in engine.champion_registry.champions.values()}
    shown = await engine.work(preview, data.smiles, data.at, readings, engine.settings.limits)
    return _html(render("preview.html", preview=shown, most=engine.settings.max_molecules))


@post("/page/compare", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def compare_page(
    request: HttpRequest, data: URLEncodedBody[Form], engine: NamedDependency[Engine]
) -> Response[str]:
    """Set the picked molecules side by side."""
    table, lines = engine.champion_registry, await engine.work(lines_of, data.smiles)
    molecules = await _predicted(engine, table, lines, recorded=False)
    places = comparison.picked(lines, data.picks)
    beside = await engine.work(comparison.compare, lines, molecules, places, table.champions)
    values = {"comparison": beside, "headings": headings(table.champions), "chosen": data.columns}
    if request.headers.get(FRAGMENT):
        return _html(render("comparison.html", **values))
    return _html(_page(engine, table, data.smiles, **values))


@post("/page/csv", include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def download(data: URLEncodedBody[Form], engine: NamedDependency[Engine]) -> Response[bytes]:
    """Return the picked molecules, or all, as a file."""
    table, lines = engine.champion_registry, await engine.work(lines_of, data.smiles)
    molecules = await _predicted(engine, table, lines, recorded=False)
    places = comparison.picked(lines, data.picks)
    if data.format not in FORMATS:
        raise ProblemError("invalid-request", f"format: expected one of {', '.join(FORMATS)}, got {data.format[:20]!r}")
    media_type, write = FORMATS[data.format]
    sheet = await engine.work(sheet_of, lines, molecules, places, table.champions, read_scores(data.score))
    headers = {"Content-Disposition": f'attachment; filename="predictions.{data.format}"'}
    return Response(await engine.work(write, sheet), media_type=media_type, headers=headers)


@post("/page/why", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def why_page(request: HttpRequest, data: URLEncodedBody[Form], engine: NamedDependency[Engine]) -> Response[str]:
    """Return what is behind one prediction: what each atom adds, measured neighbours."""
    table = engine.champion_registry
    asked = details.explained(table.champions, data.endpoint)
    if not asked:
        require_not_withdrawn(table, data.endpoint)
        raise ProblemError("unknown-endpoint", "this endpoint is not served any more: predict again")
    (given,) = await engine.rollout.answer(table, asked, [line.smiles for line in _one(data)], recorded=False)
    include = ["explanation", *(["neighbours"] if engine.settings.show_neighbours else [])]
    (annotation,) = await unless_left(request, engine.annotations(given.champions, given.answers, include))
    answer = given.answers[0]
    estimate = answer.get(data.endpoint) if isinstance(answer, Estimates) else None
    why = await engine.work(details.why, given.champions[data.endpoint], data.endpoint, estimate, annotation)
    form = measuring(request, engine, given.champions[data.endpoint], _one(data)[0].smiles)
    return _html(render("why.html", why=why, form=form))


@post("/page/alerts", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def alerts_page(data: URLEncodedBody[Form], engine: NamedDependency[Engine]) -> Response[str]:
    """Find the structural alerts of one molecule."""
    (molecule,) = await _predicted(engine, engine.champion_registry, _one(data), recorded=False)
    (annotation,) = await engine.annotations(molecule.champions, [molecule.answer], ["alerts"])
    views: list[details.AlertView] = []
    if isinstance(molecule.answer, Estimates):
        smiles = next(iter(molecule.answer.values())).smiles
        views = await engine.work(details.alert_views, smiles, annotation.alerts or ())
    return _html(render("alerts.html", alerts=views))


PAGE_HANDLERS: list[ControllerRouterHandler] = [
    show_page, predict_page, preview_page, compare_page, download, why_page, alerts_page,
    *CALCULATED_HANDLERS, *CRITERIA_HANDLERS, *WHAT_IF_HANDLERS,
    *FILE_HANDLERS, *HELP_HANDLERS, *JOB_TABLE_HANDLERS, *MAKING_HANDLERS, *MEASURING_HANDLERS, *MODEL_HANDLERS,
    *OPERATIONS_HANDLERS, *SHARING_HANDLERS, *STRUCTURE_HANDLERS,
]  # fmt: skip


async def _predicted(
    engine: Engine, table: ChampionRegistry, lines: list[Line], *, recorded: bool
) -> list[ShownMolecule]:
    """Predict lines with every champion, or with a challenger where one is on trial."""
    most = engine.settings.max_molecules
    if not table.champions:
        waiting = {"Retry-After": "5"}
        raise ProblemError("no-champion", "No model is in service yet. Training has to finish first.", waiting)
    if not lines:
        raise ProblemError("invalid-request", "Write at least one molecule in the box, or pick an example.")
    if len(lines) > most:
        raise ProblemError(
            "invalid-request",
            f"These are {len(lines)} molecules. Send at most {most} at a time, or upload them as a file.",
        )
    molecules = {
        index: ShownMolecule(line.fault, table.champions) for index, line in enumerate(lines) if line.fault is not None
    }
    places = [index for index in range(len(lines)) if index not in molecules]
    texts = [lines[index].smiles for index in places]
    for given in await engine.rollout.answer(table, table.champions, texts, recorded=recorded) if texts else ():
        for index, answer in zip(given.indices, given.answers, strict=True):
            molecules[places[index]] = ShownMolecule(
                answer, given.champions, given.on_trial, measured=engine.settings.show_neighbours
            )
    return [molecules[index] for index in range(len(lines))]


async def _with_twins(engine: Engine, molecules: list[ShownMolecule]) -> list[ShownMolecule]:
    """Add what is predicted alike for stereoisomers, where so few molecules are shown that each has its card."""
    if len(molecules) > MOST_CARDS:
        return molecules

    async def alike(each: ShownMolecule) -> ShownMolecule:
        if not isinstance(each.answer, Estimates):
            return each
        smiles = next(iter(each.answer.values())).smiles
        others = twins(smiles)
        answers = await engine.predict(each.champions, list(others.values())) if others else []
        found = list(zip(others, answers, strict=True))
        return replace(each, alike=(*left_open(smiles), *not_told_apart(each.champions, each.answer, found)))

    return list(await asyncio.gather(*map(alike, molecules)))


def _one(data: Form) -> list[Line]:
    """Return the one molecule that a question is about, under the name it has in the box."""
    lines = lines_of(data.smiles)[:1]
    if not lines:
        raise ProblemError("invalid-request", "smiles: expected one SMILES, got none")
    return [replace(lines[0], name=data.name or lines[0].name)]


def _page(engine: Engine, table: ChampionRegistry, text: str, **values: Any) -> str:
    settings = engine.settings
    given: Mapping[str, Any] = {
        "results": None,
        "comparison": None,
        "headings": (),
        "chosen": (),
        "fault": "",
        **values,
    }
    return render(
        "page.html",
        here="predict",
        text=text,
        examples=EXAMPLES,
        table=table,
        failures=len(table.failures),
        making=banner(table, engine.training_progress.progress),
        most=settings.max_molecules,
        local=settings.on_loopback,
        kept=settings.record is not None and settings.record_structures,
        **given,
    )


def _html(text: str) -> Response[str]:
    return Response(text, media_type=MediaType.HTML)
