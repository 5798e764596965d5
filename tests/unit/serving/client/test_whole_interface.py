"""The Python client beside the description of the interface, so that nothing of it is forgotten."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import IO, Any, get_args, get_type_hints
from urllib.parse import parse_qsl, urlsplit

import pytest

from serving.client import Client, ServiceError, answers, measuring
from serving.client.jobs import JobPage
from serving.client.transport import Transport

KINDS: dict[str, type] = {
    "AlertInfo": answers.Alert,
    "CalibrationInfo": measuring.Calibration,
    "ChampionInfo": answers.Champion,
    "ChampionSummary": answers.ChampionSummary,
    "DesirableInfo": answers.Desirable,
    "EndpointInfo": answers.Endpoint,
    "EndpointPrediction": answers.EndpointPrediction,
    "ExplanationInfo": answers.Explanation,
    "FragmentInfo": answers.Fragment,
    "JobError": answers.MoleculeError,
    "JobInfo": answers.Job,
    "JobList": JobPage,
    "Leaderboard": answers.Leaderboard,
    "LeaderboardRow": answers.LeaderboardRow,
    "LeftOut": measuring.LeftOut,
    "ModelInfo": answers.Model,
    "MoleculeError": answers.MoleculeError,
    "MoleculePrediction": answers.Prediction,
    "NeighbourInfo": answers.Neighbour,
    "NoteInfo": answers.Note,
    "PairInfo": answers.Pair,
    "PredictResponse": answers.Predictions,
    "Problem": ServiceError,
    "RolloutInfo": answers.Trial,
    "ServedVersionInfo": answers.ServedVersion,
    "SuggestedMolecule": measuring.SuggestedMolecule,
    "Suggestion": measuring.Suggestion,
    "WithdrawalResponse": measuring.Withdrawal,
}
"""The client's value for each structure of the interface."""
_OWN = "clients of the Open Inference Protocol exist"
_HEALTH = "for those who operate the service, and for what watches it"
_MAPPINGS = "`feedback` takes and gives mappings"
_PARAMETERS = "a request: its fields are a method's parameters"
NO_KINDS = {
    **dict.fromkeys(("InferRequest", "InferResponse", "InputTensor", "ModelMetadata", "ModelReady"), _OWN),
    **dict.fromkeys(("OutputTensor", "RequestedOutput", "ServerLive", "ServerMetadata", "ServerReady"), _OWN),
    "TensorMetadata": _OWN,
    **dict.fromkeys(("Live", "Ready", "ReadyEndpoint", "NotServed", "MakingEndpoint", "MakingInfo"), _HEALTH),
    "WithdrawnEndpoint": _HEALTH,
    **dict.fromkeys(("FeedbackRequest", "Measurement", "FeedbackResponse", "MeasurementResult", "Compared"), _MAPPINGS),
    **dict.fromkeys(("PredictRequest", "CalibrationDecision", "WithdrawalRequest"), _PARAMETERS),
    "JobLinks": "a mapping of names to addresses",
}
"""Structures without a value of the client's, and why."""
NO_FIELDS = {
    "Problem.type": "`code`, as an address",
    "Problem.title": "a text per `code`",
    "Problem.error": "`detail` once more, for other clients",
}
"""Fields that a value of the client's lacks, and why."""
OWN_FIELDS = {"MoleculePrediction.columns": "what came with a row of a job, which no schema describes"}
"""Fields that only the client has, and why."""
NO_CALLS = {
    "GET /health/live": _HEALTH,
    "GET /health/ready": _HEALTH,
    "GET /v1/predictions.csv": "`predict`, for tools that can only fetch an address",
    **dict.fromkeys(("GET /v2", "GET /v2/health/live", "GET /v2/health/ready"), _OWN),
    **dict.fromkeys(("GET /v2/models/{name}", "GET /v2/models/{name}/ready", "POST /v2/models/{name}/infer"), _OWN),
    "GET /v2/models/{name}/versions/{model_version}": _OWN,
    "GET /v2/models/{name}/versions/{model_version}/ready": _OWN,
    "POST /v2/models/{name}/versions/{model_version}/infer": _OWN,
}
"""Addresses that the client never asks, and why."""
NO_PARAMETERS = {
    "GET /v1/jobs before": "the client follows the address of the next page",
    "GET /v1/jobs/{job_id}/result bom": "for Excel",
    "POST /v1/jobs smiles": "sent as a file",
    "POST /v1/jobs ids": "a column of that file",
    "POST /v1/jobs file": "the file is the whole body",
}
"""Parameters, and fields of requests, that the client never sends, and why."""


@pytest.fixture(scope="module")
def description(address: str) -> dict[str, Any]:
    """Return the description of the interface."""
    with urllib.request.urlopen(f"{address}/schema/openapi.json") as answer:
        content: dict[str, Any] = json.load(answer)
    return content


def parts(hint: Any) -> Iterator[Any]:
    """Yield what a type consists of."""
    yield hint
    for each in get_args(hint):
        yield from parts(each)


def test_the_clients_values_have_every_field(description: dict[str, Any]) -> None:
    """Each has the fields of its structure and no others: optional where null or absent, of the values beneath it."""
    schemas = description["components"]["schemas"]
    missing, own, wrong = set(), set(), []
    for structure, kind in KINDS.items():
        sent = schemas[structure]["properties"]
        required = schemas[structure].get("required", [])
        if not is_dataclass(kind):
            missing |= {f"{structure}.{name}" for name in sent.keys() - {"detail", *vars(ServiceError("", "", 0))}}
            continue
        hints, known = get_type_hints(kind), {each.name: each for each in fields(kind)}
        missing |= {f"{structure}.{name}" for name in sent.keys() - known.keys()}
        own |= {f"{structure}.{name}" for name in known.keys() - sent.keys()}
        for name in sent.keys() & known.keys():
            text, beneath = json.dumps(sent[name]), set(parts(hints[name]))
            optional = known[name].default is not MISSING or known[name].default_factory is not MISSING
            wrong += [f"{structure}.{name} may be null"] if '"null"' in text and type(None) not in beneath else []
            wrong += [f"{structure}.{name} may be absent"] if name not in required and not optional else []
            wrong += [
                f"{structure}.{name} holds {other}"
                for other in re.findall(r"schemas/(\w+)", text)
                if other not in NO_KINDS and KINDS[other] not in beneath
            ]

    assert schemas.keys() == KINDS.keys() | NO_KINDS.keys()
    assert (missing, own, wrong) == (set(NO_FIELDS), set(OWN_FIELDS), [])
    assert [
        name for name in schemas["Measurement"]["properties"] if f"`{name}`" not in str(Client.feedback.__doc__)
    ] == []


def test_the_client_asks_whatever_the_service_answers(
    client: Client, description: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Called with all of their parameters, its methods reach every address, and send every parameter of it."""
    asked: list[tuple[str, str, set[str]]] = []
    once = Transport._once

    def noted(
        self: Transport, method: str, path: str, body: bytes | IO[bytes] | None, headers: dict[str, str], seconds: float
    ) -> Any:
        sent = dict(parse_qsl(urlsplit(path).query))
        if headers.get("Content-Type") == "application/json":
            assert isinstance(body, bytes)
            sent |= json.loads(body)
        asked.append((method, urlsplit(path).path, set(sent)))
        return once(self, method, path, body, headers, seconds)

    monkeypatch.setattr(Transport, "_once", noted)
    call_everything(client, tmp_path)

    known = dict(operations(description))
    sent: dict[str, set[str]] = {name: set() for name in known}
    for method, path, names in asked:
        (name,) = (name for name in known if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name), f"{method} {path}"))
        sent[name] |= names | {"asked"}
    assert {name for name, names in sent.items() if not names} == NO_CALLS.keys()
    unsent = {f"{name} {each}" for name, names in sent.items() if names for each in known[name] - names}
    assert unsent == NO_PARAMETERS.keys()


def operations(description: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Yield each method and address with what may be sent there, in the address or in a body."""
    for path, methods in description["paths"].items():
        for method, what in methods.items():
            names = {each["name"] for each in what.get("parameters", []) if each["in"] == "query"}
            for content in what.get("requestBody", {}).get("content", {}).values():
                schema = content["schema"]
                schema = description["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
                names |= set(schema.get("properties", {}))
            yield f"{method.upper()} {path}", names


def call_everything(client: Client, folder: Path) -> None:
    """Call each method of the client, with all of its parameters."""
    (folder / "hits.csv").write_text("id,structure\na,CCO\nb,CCCCCCCl\nc,CCCCCCBr\n")
    client.predict(["CCO"], ["bbb"], ["alerts"])
    assert client.endpoint("bbb") in client.endpoints()
    assert client.models()
    assert client.champion("bbb").card
    assert client.leaderboard("bbb").rows is not None
    for refused in (client.roll_back, client.promote, client.review):
        with pytest.raises(ServiceError, match=r"."):
            refused("bbb")

    measured = {"smiles": "CCO", "endpoint": "solubility_logs", "value": 1.1, "name": "one", "relation": "<"}
    assert client.feedback([measured])["stored"] == 1
    with pytest.raises(ServiceError, match=r"expected ids of keys that sent values of this endpoint .*, got 'abc'"):
        client.calibrate("solubility_logs", without=["abc"])
    assert not client.calibrate("solubility_logs", active=False, since=1.5, without=[""]).active
    assert client.calibration("solubility_logs").without == [""]
    assert client.withdraw("solubility_logs", ["one", "two"]) == measuring.Withdrawal(["one"], ["two"])
    assert client.calibrate("solubility_logs", without=[""]).active
    assert client.calibrate("solubility_logs").active

    job = client.submit_file(
        folder / "hits.csv", column="structure", format="csv", delimiter="comma", header=True, sheet="Sheet 1",
        endpoints=["solubility_logs"], include=["alerts"],
    )  # fmt: skip
    job = client.wait(job)
    assert client.job(job) == job
    assert job in client.jobs(limit=200)
    assert [row.columns and row.columns["id"] for row in client.results(job, start=1, rows=1)] == ["b"]
    client.download(job, folder / "hits.ndjson")
    found = client.suggestion(job, batch=1, endpoints=["solubility_logs"], exploration=0.0)
    assert [type(pick.endpoints["solubility_logs"]) for pick in found.picks] == [answers.EndpointPrediction]
    assert [(each.code, each.first) for each in found.left_out] == [("measured", [0])]
    client.cancel(job)
