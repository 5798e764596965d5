"""`GET /v1/predictions.csv`: predictions as a table, for spreadsheets and workflow tools that can only fetch.

An address is written down on its way, by proxies and by browsers: what is confidential goes into the body of
`POST /v1/predict`, or into a job.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter
from litestar.types import ControllerRouterHandler

from model_zoo.data.tables.row import Row
from model_zoo.io.spreadsheets import BOM
from serving.http.once import require_once
from serving.http.parameters import HttpRequest
from serving.http.problems import REFUSALS, ProblemError, problem_response
from serving.http.schemas import PredictRequest
from serving.inference.engine import Engine
from serving.inference.entries import entries_of
from serving.jobs.writing import make_columns, write_csv
from serving.telemetry.access_log import note_worked

MOST = 50
"""Molecules in an address: more would be longer than what some proxies pass on."""
_FAULT = problem_response()


@get(
    "/v1/predictions.csv",
    media_type="text/csv",
    tags=["predictions"],
    summary="Predict a few molecules as a table",
    opt={"scope": "predict"},
    responses={
        200: ResponseSpec(bytes, description="CSV", media_type="text/csv", generate_examples=False),
        **dict.fromkeys((400, 404, 422), _FAULT),
        **REFUSALS,
    },
)
async def predictions_csv(
    request: HttpRequest,
    engine: NamedDependency[Engine],
    smiles: Annotated[list[str], QueryParameter(description="A SMILES; once per molecule, 50 at most.")],
    endpoints: Annotated[
        str | None, QueryParameter(description="Names of endpoints, separated by commas; all when left out.")
    ] = None,
    *,
    bom: Annotated[bool, QueryParameter(description="Begin with a byte order mark, for Excel.")] = False,
) -> Response[bytes]:
    """Predict molecules; a row each, with the columns of a job's result."""
    require_once(request, but="smiles")
    if len(smiles) > MOST:
        raise ProblemError("invalid-request", f"smiles: expected at most {MOST} in an address, got {len(smiles)}")
    names = None if endpoints is None else [name.strip() for name in endpoints.split(",") if name.strip()]
    entries = await entries_of(engine, PredictRequest(smiles, names), request)
    note_worked(request.scope, len(entries))
    champions = engine.champion_registry.champions
    chosen = {name: champion for name, champion in champions.items() if names is None or name in names}
    kinds = {name: (each.manifest.target.task, each.manifest.display is not None) for name, each in chosen.items()}
    columns = make_columns(("smiles",), (), kinds)
    rows = [Row([text], text) for text in smiles]
    content = b"".join(write_csv(columns, iter([(rows, [msgspec.to_builtins(each) for each in entries])])))
    return Response((BOM.encode() if bom else b"") + content, media_type="text/csv; charset=utf-8")


TABLE_HANDLERS: list[ControllerRouterHandler] = [predictions_csv]
