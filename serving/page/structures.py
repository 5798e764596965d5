"""Structure search: in the molecules of a table, and in what an endpoint's champion learnt from.

Training structures are shown only where the service lets callers see neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
from litestar import MediaType, Response, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.types import ControllerRouterHandler
from markupsafe import Markup
from msgspec import Struct

from model_zoo.bundles.neighbours import Neighbour
from serving.champions.champion_registry import Champion
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError
from serving.inference.engine import Engine
from serving.inference.structure_search import Found
from serving.jobs.database import Job
from serving.jobs.folder import JobFolder
from serving.jobs.service import Jobs
from serving.page.drawing import structure_svg
from serving.page.job_table import job_at
from serving.page.known import amount
from serving.page.stored_rows import rows_shown
from serving.page.templates import render

MOST_DRAWN = 24


class Asked(Struct, frozen=True):
    """A search: in the lines of `smiles`, in a `job`, or in the training data of an `endpoint`."""

    query: str = ""
    kind: Literal["substructure", "similarity"] = "substructure"
    smiles: str = ""
    job: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class Hit:
    """A training molecule that was found."""

    smiles: str
    drawing: Markup
    value: str
    likeness: str


@post("/page/structures", include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def search_table(
    request: HttpRequest, data: URLEncodedBody[Asked], jobs: NamedDependency[Jobs], engine: NamedDependency[Engine]
) -> Response[bytes]:
    """Find the rows of a table that match, by their numbers from 0."""
    if data.job:
        job, _ = await job_at(request, jobs, data.job)
        structures = await engine.work(_structures, job, JobFolder(jobs.settings.folder, job.id))
    else:
        structures = data.smiles.split("\n")
    found = await engine.structure_search.search(data.query, data.kind, structures)
    content = msgspec.json.encode({"found": found.rows, "said": search_summary(found, len(structures), data.kind)})
    return Response(content, media_type=MediaType.JSON)


@post("/page/training", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def search_training(data: URLEncodedBody[Asked], engine: NamedDependency[Engine]) -> Response[str]:
    """Find training molecules of one endpoint's champion, with what was measured for them."""
    if not engine.settings.show_neighbours:
        raise ProblemError("forbidden", "this service does not show the molecules that its models learnt from")
    table = engine.champion_registry
    if data.endpoint not in table.champions:
        require_not_withdrawn(table, data.endpoint)
        raise ProblemError("unknown-endpoint", "this endpoint is not served any more")
    champion = table.champions[data.endpoint]
    smiles = champion.bundle.neighbours.smiles
    found = await engine.structure_search.search(data.query, data.kind, smiles)
    hits = await engine.work(_hits, champion, found, data.kind)
    unit = "" if champion.manifest.target.task == "binary" else champion.manifest.shown_unit
    html = render("hits.html", hits=hits, unit=unit, more=len(found.rows) - len(hits),
                  summary=search_summary(found, len(smiles), data.kind))  # fmt: skip
    return Response(html, media_type=MediaType.HTML)


STRUCTURE_HANDLERS: list[ControllerRouterHandler] = [search_table, search_training]


def search_summary(found: Found, count: int, kind: str) -> str:
    """Say what a search found, and how far it came.

    Examples
    --------
    >>> search_summary(Found(((0, 1.0),), 3), 3, "substructure"), search_summary(Found((), 200), 900, "similarity")
    ('1 of 3 contain it.', '0 of 200 are like it. The search was stopped: 700 were not looked at. Try a simpler query.')
    """
    what = "contain it" if kind == "substructure" else "are like it"
    text = f"{len(found.rows):,} of {found.looked:,} {what}."
    if found.looked < count:
        text += f" The search was stopped: {count - found.looked:,} were not looked at. Try a simpler query."
    return text


def _structures(job: Job, folder: JobFolder) -> list[str]:
    stop, size = min(job.done, rows_shown(job)), job.plan.chunk_rows
    chunks = (folder.read_rows(number) for number in range(-(-stop // size)))
    return [row.structure for rows in chunks for row in rows][:stop]


def _hits(champion: Champion, found: Found, kind: str) -> list[Hit]:
    near, hits = champion.bundle.neighbours, []
    for place, alike in found.rows[:MOST_DRAWN]:
        relation = near.relations[place] if near.relations else "="
        known = Neighbour(near.smiles[place], alike, float(near.values[place]), relation)
        likeness = "" if kind == "substructure" else f"similarity {alike:.2f}"
        hits.append(Hit(known.smiles, structure_svg(known.smiles), amount(known, champion), likeness))
    return hits
