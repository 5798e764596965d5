"""The page at `/`, for a chemist.

Belongs here: its handlers, its examples, its files.
Does not belong here: the words about a result (see `views.py`), the JSON interface (see `api.py`).

The form works without JavaScript: `POST /` answers with the whole page. The page's script asks for the
results alone, by the header `X-Fragment`. Structures travel in the body, never in an address.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from serving.engine import Engine
from serving.table import Table
from serving.views import Card, cards, champion_lines, parse_lines

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
EXAMPLES = (
    ("Aspirin", "CC(=O)Oc1ccccc1C(=O)O"),
    ("Caffeine", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"),
    ("Lidocaine", "CCN(CC)CC(=O)Nc1c(C)cccc1C"),
    ("Diazepam", "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21"),
    ("Imatinib", "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1"),
)
_FILES = ("page.css", "page.js", "favicon.svg")
_templates = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
# The digest in the address lets browsers keep a file for long, and still see the next version at once.
_templates.globals["files"] = {
    name: f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}" for name in _FILES
}
_templates.globals["examples"] = EXAMPLES


class Form(Struct, frozen=True):
    """What the page's form sends."""

    smiles: str = ""


@get("/", media_type=MediaType.HTML, include_in_schema=False, opt={"scope": "predict"})
async def show_page(engine: NamedDependency[Engine]) -> str:
    """Give the page, empty."""
    return _page(engine, engine.table, "", [], "")


@post("/", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "predict"})
async def predict_page(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[Form],
    engine: NamedDependency[Engine],
) -> Response[str]:
    """Predict what the box holds with every champion; the whole page, or the results alone."""
    table = engine.table
    lines = parse_lines(data.smiles)
    most = engine.settings.max_molecules
    results: list[Card] = []
    fault = ""
    if not table.champions:
        fault = "No model is in service yet. Training has to finish first."
    elif not lines:
        fault = "Write at least one SMILES in the box, or pick an example."
    elif len(lines) > most:
        fault = f"That are {len(lines)} molecules. Send at most {most} at a time."
    else:
        answers = await engine.predict(table.champions, [line.smiles for line in lines])
        engine.trials.watch(table, table.champions, [line.smiles for line in lines], answers)
        results = await engine.work(cards, lines, answers, table.champions)
    status = 200 if results else 503 if not table.champions else 422
    if request.headers.get("x-fragment"):
        html = await engine.work(_templates.get_template("results.html").render, cards=results, fault=fault)
    else:
        html = await engine.work(_page, engine, table, data.smiles, results, fault)
    return Response(html, status_code=status, media_type=MediaType.HTML)


PAGE_HANDLERS: list[ControllerRouterHandler] = [show_page, predict_page]


def _page(engine: Engine, table: Table, text: str, results: list[Card], fault: str) -> str:
    return _templates.get_template("page.html").render(
        text=text,
        cards=results,
        fault=fault,
        champions=champion_lines(table),
        failures=len(table.failures),
        most=engine.settings.max_molecules,
        local=engine.settings.on_loopback,
    )
