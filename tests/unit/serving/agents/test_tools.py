"""Tools for language models, asked by the official package's own client: over HTTP with keys, and over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from model_zoo.bundles.store import FolderStore
from serving.auth.keys import KeyStore
from serving.client import Client
from tests.bundle_factory import publish
from tests.server_process import ROOT, running_service

mcp = pytest.importorskip("mcp", reason="mcp is not installed: pip install 'ai-drug-assets[agents]', as CI does")
httpx2 = pytest.importorskip("httpx2")

STRUCTURE = "CC(=O)Oc1ccccc1C(=O)O"
TOOLS = {"list_endpoints", "predict", "explain", "nearest_measured", "compare", "submit_job", "read_job",
         "report_measurement"}  # fmt: skip


class Place:
    """A service with keys, and where its log is."""

    def __init__(self, url: str, log: Path, keys: dict[str, str]) -> None:
        self.url, self.log, self.keys = url, log, keys


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Run a service that writes all it can into its log, with a key per scope."""
    home = tmp_path_factory.mktemp("agents")
    store = FolderStore(home / "store")
    publish(store, home / "b1", onnx_bias=0.0, explained=True)
    publish(store, home / "b2", endpoint="bbb", value=0.8, binary=True)
    publish(store, home / "b3", endpoint="potency", value=6.0, unit="pIC50", display_unit="nM")
    wanted = {"low": -4.0, "high": -2.0, "margin": 4.0}
    publish(store, home / "b4", endpoint="window", onnx_bias=0.0, direction="none", desirable=wanted)
    keys = KeyStore(home / "service" / "keys.sqlite")
    made = {name: keys.create(name, [*scopes])[1] for name, scopes in SCOPES.items()}
    with running_service(home, home / "log", AIDRUG_LOG_LEVEL="DEBUG") as (url, _):
        yield Place(url, home / "log", made)


SCOPES = {"reader": ["predict"], "all": ["predict", "jobs", "feedback"]}


@asynccontextmanager
async def client_of(place: Place, key: str) -> AsyncIterator[Any]:
    """Connect over HTTP."""
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=30) as http,
        mcp.Client(streamable_http_client(f"{place.url}/mcp", http_client=http)) as client,
    ):
        yield client


async def called(client: Any, tool: str, **arguments: Any) -> Any:
    """Call a tool that works; give its structured answer."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


def test_an_agent_works_from_the_list_of_endpoints_to_a_measurement(place: Place) -> None:
    """Every tool, as an agent would go: what there is, predict, explain, look, compare, many, report."""

    async def go() -> None:
        async with client_of(place, place.keys["all"]) as client:
            listed = await called(client, "list_endpoints")
            endpoints = {each["name"]: each for each in listed["endpoints"]}
            assert set(endpoints) == {"bbb", "potency", "solubility_logs", "window"}
            assert endpoints["solubility_logs"]["unit"] == "log10 mol/L"

            molecules = (await called(client, "predict", smiles=["CCO", "nope", "FC(F)(F)c1nnc(Br)s1"]))["molecules"]
            estimate = molecules[0]["predictions"]["solubility_logs"]
            assert estimate["interval"][0] < estimate["value"] < estimate["interval"][1]
            assert molecules[1]["error"]["code"] == "invalid-smiles"
            assert any(
                "low reliability" in caution for caution in molecules[2]["predictions"]["solubility_logs"]["cautions"]
            )

            why = await called(client, "explain", smiles=STRUCTURE, endpoint="solubility_logs")
            parts = why["explanation"]
            assert sum(parts["atoms"]) + parts["baseline"] + parts["rest"] == pytest.approx(parts["prediction"])

            near = await called(client, "nearest_measured", smiles="CCO", endpoint="solubility_logs")
            assert near["measured"][0]["similarity"] == 1.0

            beside = await called(client, "compare", smiles=["CCO", "C" * 30, "CCN"], endpoint="solubility_logs")
            values = [each["predictions"]["solubility_logs"]["value"] for each in beside["molecules"]]
            assert [values[index] for index in beside["order"]] == sorted(values, reverse=True)
            assert beside["direction"] == "higher is better"
            shown = await called(client, "compare", smiles=["CCO", "CCN"], endpoint="potency")
            assert shown["direction"] == "higher is better, of `value` in pIC50", "beside numbers in nM"
            some = ["CCO", "C" * 8, "C" * 12, "C" * 30]
            ranged = await called(client, "compare", smiles=some, endpoint="window")
            values = [each["predictions"]["window"]["value"] for each in ranged["molecules"]]
            outside = [max(-4 - value, value + 2, 0.0) for value in values]
            assert ranged["direction"] == "-4 to -2 is wanted"
            assert [outside[index] for index in ranged["order"]] == sorted(outside)
            assert sorted(ranged["order"]) != ranged["order"], "which is neither the order of values nor of the request"
            for pair in beside["pairs"]:
                ends = [beside["molecules"][i]["predictions"]["solubility_logs"]["interval"] for i in pair["between"]]
                assert pair["distinguishable"] == (ends[1][1] < ends[0][0])

            job = (await called(client, "submit_job", smiles=["CCO", "nope", "CCN"]))["job"]
            assert (await called(client, "submit_job", smiles=["CCO", "nope", "CCN"]))["job"] == job
            for _ in range(200):
                state = await called(client, "read_job", job=job, start=1, rows=2)
                if state["status"] == "done":
                    break
                await asyncio.sleep(0.05)
            assert [row["row"] for row in state["rows"]] == [1, 2]
            assert "error" in state["rows"][0]
            # One that was removed is not answered with its absence for a month.
            await asyncio.to_thread(Client(place.url, place.keys["all"]).cancel, job)
            assert (await called(client, "submit_job", smiles=["CCO", "nope", "CCN"]))["job"] != job

            report = {"smiles": "CCO", "endpoint": "solubility_logs", "value": 1.1, "source": "assay 7"}
            assert (await called(client, "report_measurement", **report, unit="log10 mol/L"))["stored"]
            wrong = await called(client, "report_measurement", **report, unit="mg/L")
            assert (wrong["stored"], wrong["error"]["code"]) == (False, "wrong-unit")

    asyncio.run(go())


def test_a_tool_may_do_what_its_key_may(place: Place) -> None:
    """No key, no tools; a key to predict reports nothing; a fault is the service's own words."""

    async def go() -> None:
        async with client_of(place, place.keys["reader"]) as client:
            assert (await called(client, "predict", smiles=["CCO"]))["molecules"]
            report = {"smiles": "CCO", "endpoint": "bbb", "value": 1, "source": "x", "unit": "probability"}
            refused = await client.call_tool("report_measurement", report)
            unknown = await client.call_tool("predict", {"smiles": ["CCO"], "endpoints": ["herg"]})
        assert refused.is_error
        assert "forbidden: this key does not allow feedback" in refused.content[0].text
        assert unknown.is_error
        assert "unknown-endpoints" in unknown.content[0].text

    asyncio.run(go())
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    kinds = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    without = httpx2.post(f"{place.url}/mcp", json=call, headers=kinds)
    wrong = httpx2.post(f"{place.url}/mcp", json=call, headers={**kinds, "authorization": "Bearer aidrug_0_x"})
    assert (without.status_code, wrong.status_code) == (401, 401)
    key = {"authorization": f"Bearer {place.keys['reader']}"}
    waiting = httpx2.get(f"{place.url}/mcp", headers={**kinds, **key}, timeout=10)
    assert (waiting.status_code, waiting.headers["allow"]) == (405, "POST"), "it would be held for ever"
    restarted = httpx2.post(f"{place.url}/mcp", json=call, headers={**kinds, **key, "mcp-session-id": "of-before"})
    assert restarted.json()["result"]["tools"], "a client goes on after the service was started again"
    assert "solubility_logs" not in without.text


def test_descriptions_make_a_model_say_what_is_known_of_an_error(place: Place) -> None:
    """Instructions and tools speak of intervals, domain, units, and of what not to claim."""

    async def go() -> tuple[str, dict[str, Any]]:
        async with client_of(place, place.keys["reader"]) as client:
            listed = (await client.list_tools()).tools
            return client.instructions, {tool.name: tool for tool in listed}

    instructions, tools = asyncio.run(go())
    assert set(tools) == TOOLS
    assert all(
        word in instructions for word in ("interval", "unit", "90 % of molecules", "usual_error", "overlap", "measured")
    )
    assert all(
        word in tools["predict"].description for word in ("interval", "reliability", "domain", "cautions", "error")
    )
    assert "Never report a predicted" in tools["report_measurement"].description
    assert not tools["report_measurement"].annotations.read_only_hint
    assert tools["predict"].annotations.read_only_hint
    for tool in tools.values():
        assert all("description" in each for each in tool.input_schema["properties"].values()), tool.name


def test_no_structure_is_in_the_log(place: Place) -> None:
    """Whatever a tool was called with, and whatever was wrong with it, the log does not show it at any level."""

    async def go() -> None:
        async with client_of(place, place.keys["all"]) as client:
            for tool, arguments in (
                ("predict", {"smiles": [STRUCTURE, f"{STRUCTURE}("], "endpoints": [STRUCTURE]}),
                ("predict", {"smiles": STRUCTURE}),
                ("explain", {"smiles": STRUCTURE, "endpoint": STRUCTURE}),
                ("read_job", {"job": STRUCTURE}),
                (STRUCTURE, {}),
            ):
                await client.call_tool(tool, arguments)

    asyncio.run(go())
    assert "c1ccccc1" not in place.log.read_text()


def test_tools_over_standard_input_and_output(place: Place, tmp_path: Path) -> None:
    """`aidrug mcp` gives an agent the same tools, with the key from its environment."""
    environment = {**os.environ, "AIDRUG_API_KEY": place.keys["all"], "PYTHONPATH": str(ROOT)}
    command = mcp.StdioServerParameters(
        command=sys.executable, args=["-m", "ai_drug_assets", "mcp", "--url", place.url], env=environment
    )

    async def go() -> None:
        async with mcp.Client(command) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            answer = await called(client, "predict", smiles=["CCO"], endpoints=["bbb"])
            assert json.dumps(answer["molecules"][0]["predictions"]["bbb"]["value"]) == "0.8"
            job = await called(client, "submit_job", smiles=["CCO"])
            assert (await called(client, "read_job", job=job["job"]))["total"] == 1

    asyncio.run(go())
