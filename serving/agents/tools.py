"""The tools, as the official package `mcp` serves them."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Callable
from functools import wraps
from itertools import pairwise
from typing import Annotated, Any, Literal
from urllib.parse import quote

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from model_zoo.config.desirability import Desirable, range_words
from serving.agents import wording
from serving.agents.asking import Ask
from serving.client.transport import ServiceError

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

Smiles = Annotated[str, Field(description="One molecule as SMILES.", max_length=10_000)]
Molecules = Annotated[list[str], Field(description="Molecules as SMILES.", min_length=1, max_length=50)]
Endpoint = Annotated[str, Field(description="Name of an endpoint, as list_endpoints gives it.", max_length=200)]
Endpoints = Annotated[list[str] | None, Field(description="Names of endpoints; all when left out.")]
Content = dict[str, Any]
Called = Context[Any, Any]
"""What a tool is called with; nothing of ours is kept between calls."""
Server = MCPServer[Any]


def make_server(  # noqa: C901  a list of tools, each of a few lines
    asking: Callable[[Called], Ask],
) -> Server:
    """Make the server."""
    server: MCPServer[Any] = MCPServer("ai-drug-assets", instructions=wording.INSTRUCTIONS)
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it writes why a tool failed, and that may hold a structure

    def tool(description: str, annotations: ToolAnnotations = READS) -> Callable[[Callable[..., Any]], Any]:
        def made(function: Callable[..., Any]) -> Any:
            @wraps(function)
            async def plain(*args: Any, **kwargs: Any) -> Any:
                try:
                    return await function(*args, **kwargs)
                except ServiceError as error:
                    raise ToolError(f"{error.code}: {error}") from None

            return server.tool(description=description, annotations=annotations)(plain)

        return made

    @tool(wording.LIST_ENDPOINTS)
    async def list_endpoints(ctx: Context[Any, Any]) -> Content:
        ask = asking(ctx)
        return {"endpoints": [await _described(ask, each) for each in await ask("GET", "/v1/endpoints")]}

    @tool(wording.PREDICT)
    async def predict(ctx: Context[Any, Any], smiles: Molecules, endpoints: Endpoints = None) -> Content:
        return {"molecules": [wording.summarise(each) for each in await _predicted(asking(ctx), smiles, endpoints)]}

    @tool(wording.EXPLAIN)
    async def explain(ctx: Context[Any, Any], smiles: Smiles, endpoint: Endpoint) -> Content:
        (entry,) = await _predicted(asking(ctx), [smiles], [endpoint], ["explanation", "alerts"])
        summary = wording.summarise(entry)
        if "endpoints" in entry:
            summary["explanation"] = entry["endpoints"][endpoint].get("explanation")
            summary["alerts"] = [f"{each['name']} ({each['catalogue']})" for each in entry.get("alerts", [])]
        return summary

    @tool(wording.NEAREST)
    async def nearest_measured(ctx: Context[Any, Any], smiles: Smiles, endpoint: Endpoint) -> Content:
        (entry,) = await _predicted(asking(ctx), [smiles], [endpoint], ["neighbours"])
        if "endpoints" not in entry:
            return wording.summarise(entry)
        return {"smiles": smiles, "endpoint": endpoint, "measured": entry["endpoints"][endpoint].get("neighbours", [])}

    @tool(wording.COMPARE)
    async def compare(
        ctx: Context[Any, Any],
        smiles: Annotated[list[str], Field(description="2 to 20 molecules as SMILES.", min_length=2, max_length=20)],
        endpoint: Endpoint,
    ) -> Content:
        ask = asking(ctx)
        what = await ask("GET", f"/v1/endpoints/{quote(endpoint, safe='')}")
        return _compared(await _predicted(ask, smiles, [endpoint]), endpoint, what)

    @tool(wording.SUBMIT, ADDS)
    async def submit_job(
        ctx: Context[Any, Any],
        smiles: Annotated[list[str], Field(description="Molecules as SMILES.", min_length=1, max_length=10_000)],
        endpoints: Endpoints = None,
    ) -> Content:
        ask = asking(ctx)
        body = {"smiles": smiles} if endpoints is None else {"smiles": smiles, "endpoints": endpoints}
        # The same again is the same job only while the same champions answer, and not when it failed or was removed.
        serving = {each["name"]: each["champion"]["version"] for each in await ask("GET", "/v1/endpoints")}
        key = _digest({**body, "champions": serving})
        try:
            job = await ask("POST", "/v1/jobs", body, {"Idempotency-Key": key})
        except ServiceError as error:
            if error.code != "job-gone":
                raise
            job = {"status": "removed"}
        if job["status"] in ("failed", "cancelled", "removed"):
            job = await ask("POST", "/v1/jobs", body, {"Idempotency-Key": uuid.uuid4().hex})
        return {"job": job["id"], "status": job["status"], "molecules": job["total"]}

    @tool(wording.READ)
    async def read_job(
        ctx: Context[Any, Any],
        job: Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="The id that submit_job gave.")],
        start: Annotated[int, Field(ge=0, description="First row wanted, from 0.")] = 0,
        rows: Annotated[int, Field(ge=1, le=50, description="How many rows at most.")] = 20,
    ) -> Content:
        ask = asking(ctx)
        now = await ask("GET", f"/v1/jobs/{job}")
        progress: Content = {name: now[name] for name in ("status", "done", "total", "failed")}
        if now["done"] > start and now["status"] != "cancelled":
            found = await ask("GET", f"/v1/jobs/{job}/result?format=ndjson&start={start}&rows={rows}")
            progress["rows"] = [{"row": start + index, **wording.summarise(each)} for index, each in enumerate(found)]
        return progress

    @tool(wording.REPORT, ADDS)
    async def report_measurement(
        ctx: Context[Any, Any],
        smiles: Smiles,
        endpoint: Endpoint,
        value: Annotated[float, Field(description="As it was measured, in `unit`; 0 or 1 for a binary endpoint.")],
        unit: Annotated[str, Field(description="The endpoint's unit, as list_endpoints gives it.")],
        source: Annotated[str, Field(max_length=200, description="Who or what measured it.", min_length=1)],
        relation: Annotated[Literal["=", "<", ">"], Field(description="< or > where the value is a bound.")] = "=",
    ) -> Content:
        sent = {"smiles": smiles, "endpoint": endpoint, "value": value, "source": source, "relation": relation}
        body = {"measurements": [{**sent, "unit": unit}]}
        answer = await asking(ctx)("POST", "/v1/feedback", body, {"Idempotency-Key": _digest(body)})
        (result,) = answer["measurements"]
        return {
            "stored": bool(answer["stored"]),
            **{key: result[key] for key in ("error", "prediction") if key in result},
        }

    return server


async def _predicted(ask: Ask, smiles: list[str], endpoints: list[str] | None, include: list[str] | None = None) -> Any:
    body: Content = {"smiles": smiles, "include": include or []}
    if endpoints is not None:
        body["endpoints"] = endpoints
    return (await ask("POST", "/v1/predict", body))["predictions"]


async def _described(ask: Ask, endpoint: Content) -> Content:
    """Say what an endpoint is and how good its model is; how good it is is unknown where no leaderboard is kept."""
    kept = ("name", "title", "description", "unit", "direction", "desirable", "task", "provisional")
    facts: Content = {key: endpoint.get(key) for key in kept} | {
        "model": endpoint["champion"]["model"],
        "quality": None,
    }
    try:
        board = await ask("GET", f"/v1/leaderboards/{quote(endpoint['name'], safe='')}")
    except ServiceError:
        return facts
    row = next((each for each in board["rows"] if each["champion"]), None)
    if row is not None:
        facts["quality"] = {"metric": board["metric"], "scale": board["scale"], "cv": row["cv"], "test": row["test"]}
    return facts


def _compared(entries: list[Content], endpoint: str, what: Content) -> Content:
    direction, found = what["direction"], what.get("desirable")
    wanted = None if found is None else Desirable(low=found["low"], high=found["high"], margin=found["margin"])
    better = {"higher": "higher is better", "lower": "lower is better"}.get(direction, "neither is better")
    if wanted is not None:
        low, high = (None if end is None else f"{end:g}" for end in (wanted.low, wanted.high))
        better = f"{range_words(low, high)} is wanted"
    if what.get("display_unit") is not None and better != "neither is better":
        better += f", of `value` in {what['unit']}"
    rows = [(index, each["endpoints"][endpoint]) for index, each in enumerate(entries) if "endpoints" in each]
    rows.sort(key=lambda row: row[1]["value"], reverse=direction != "lower")
    if wanted is not None:
        rows.sort(key=lambda row: -wanted.score(row[1]["value"]))
    pairs = [
        {"between": [first, second], "distinguishable": _apart(one, other)}
        for (first, one), (second, other) in pairwise(rows)
    ]
    return {
        "direction": better,
        "molecules": [wording.summarise(each) for each in entries],
        "order": [index for index, _ in rows],
        "pairs": pairs,
    }


def _apart(one: Content, other: Content) -> bool:
    """Return whether two predictions differ by more than they are uncertain; without intervals that is not known."""
    if one["interval"] is None or other["interval"] is None:
        sets = one.get("prediction_set"), other.get("prediction_set")
        return all(each is not None and len(each) == 1 for each in sets) and sets[0] != sets[1]
    return bool(one["interval"][0] > other["interval"][1] or other["interval"][0] > one["interval"][1])


def _digest(body: Content) -> str:
    return f"agent-{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:40]}"
