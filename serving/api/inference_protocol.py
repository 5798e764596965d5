"""The Open Inference Protocol, version 2: what gateways and model servers' clients speak.

A model here is an endpoint of ours. The input is a BYTES tensor named `smiles` with one SMILES per molecule; the
outputs are FP64 tensors of the same length: `value`, `lower`, `upper` (for a regression endpoint), `similarity` and
`usual_error`, and the BYTES tensor `reliability`; the last two are null where the champion has none. A molecule that
could not be predicted is null in each, and its reason is in the output `error` (BYTES, null for the others).
`notes` (BYTES, null where there are none) says what was left out of a structure. `version` (BYTES) names the version
that answered for each molecule: while a challenger is on trial, some are the challenger's, unless the address names the
champion's version. The input may come as a binary tensor beside the JSON; outputs are JSON always, since only JSON has
a null.

Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody, PathParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from model_zoo.inference.answers import Answer, Estimate, Fault
from serving.champions.champion_registry import Champion, ChampionRegistry
from serving.champions.training_progress import expected_one_of
from serving.champions.withdrawal import require_not_withdrawn
from serving.http.parameters import HttpRequest
from serving.http.problems import REFUSALS, ProblemError, problem_response
from serving.inference.engine import Engine
from serving.telemetry.access_log import note_worked

INPUT = "smiles"
OUTPUTS = ("value", "lower", "upper", "similarity", "usual_error")
TEXTS = ("error", "notes", "version", "reliability")
_FAULT = problem_response()
_PREDICT = {"scope": "predict"}
ModelName = Annotated[str, PathParameter(description="Name of an endpoint.")]


class ServerLive(Struct, frozen=True):
    """The process answers."""

    live: bool


class ServerReady(Struct, frozen=True):
    """Whether predictions are available."""

    ready: bool


class ModelReady(Struct, frozen=True):
    """Whether a model can be asked."""

    name: str
    ready: bool


class ServerMetadata(Struct, frozen=True):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(Struct, frozen=True):
    """Name, type and shape of a tensor; -1 is any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Struct, frozen=True):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InputTensor(Struct, frozen=True):
    """The molecules: `smiles`, BYTES, one dimension (or a column of two)."""

    name: str
    shape: list[Annotated[int, Meta(ge=0)]]
    datatype: str
    data: list[Any]
    parameters: Annotated[
        dict[str, Any] | UnsetType,
        Meta(description="With `binary_data_size`, the data follow the JSON as bytes instead."),
    ] = UNSET


class RequestedOutput(Struct, frozen=True):
    """An output that the caller wants."""

    name: str
    parameters: dict[str, Any] | UnsetType = UNSET


class InferRequest(Struct, frozen=True):
    """One inference."""

    inputs: Annotated[
        list[InputTensor],
        Meta(examples=[[{"name": "smiles", "shape": [1], "datatype": "BYTES", "data": ["CCO"]}]]),
    ]
    id: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    outputs: list[RequestedOutput] | UnsetType = UNSET


class OutputTensor(Struct, frozen=True):
    """One number, or one text, per molecule; null where there is none."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float | str | None]


class InferResponse(Struct, frozen=True):
    """The answer to one inference."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | UnsetType = UNSET


@get("/health/live", opt={"scope": "open"}, summary="Whether the process answers")
async def server_live() -> ServerLive:
    """Return that the process answers."""
    return ServerLive(live=True)


@get(
    "/health/ready",
    opt={"scope": "open"},
    summary="Whether predictions are available",
    responses={503: ResponseSpec(ServerReady, generate_examples=False)},
)
async def server_ready(engine: NamedDependency[Engine]) -> Response[ServerReady]:
    """Return whether at least one champion is loaded."""
    ready = bool(engine.champion_registry.champions)
    return Response(ServerReady(ready), status_code=200 if ready else 503)


@get("/", summary="Describe the server", responses=REFUSALS)
async def server_metadata() -> ServerMetadata:
    """Describe the server."""
    try:
        number = version("ai-drug-assets")
    except PackageNotFoundError:  # a checkout that is not installed
        number = "0"
    return ServerMetadata("ai-drug-assets", number, [])


@get(
    ["/models/{name:str}", "/models/{name:str}/versions/{model_version:str}"],
    summary="Describe a model",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS},
)
async def model_metadata(request: HttpRequest, engine: NamedDependency[Engine], name: ModelName) -> ModelMetadata:
    """Describe what a model takes and gives."""
    champion = _champion(engine, engine.champion_registry, name, _version(request))
    outputs = [TensorMetadata(output, "FP64", [-1]) for output in _offered(champion)]
    return ModelMetadata(
        name=name,
        versions=[champion.manifest.version],
        platform=f"ai-drug-assets_{champion.manifest.model}",
        inputs=[TensorMetadata(INPUT, "BYTES", [-1])],
        outputs=[*outputs, *(TensorMetadata(output, "BYTES", [-1]) for output in TEXTS)],
    )


@get(
    ["/models/{name:str}/ready", "/models/{name:str}/versions/{model_version:str}/ready"],
    summary="Whether a model can be asked",
    responses={400: _FAULT, 404: _FAULT, **REFUSALS, 503: ResponseSpec(ModelReady, generate_examples=False)},
)
async def model_ready(request: HttpRequest, engine: NamedDependency[Engine], name: ModelName) -> Response[ModelReady]:
    """Return whether a champion, or a version of it, serves."""
    table = engine.champion_registry
    if name not in table.appointments:
        _champion(engine, table, name, None)
    ready = name in table.champions
    if ready:
        _champion(engine, table, name, _version(request))
    return Response(ModelReady(name, ready), status_code=200 if ready else 503)


@post(
    ["/models/{name:str}/infer", "/models/{name:str}/versions/{model_version:str}/infer"],
    status_code=200,
    opt=_PREDICT,
    summary="Predict with a model",
    responses={400: _FAULT, 404: _FAULT, 413: _FAULT, 422: _FAULT, 503: _FAULT, **REFUSALS},
)
async def infer(
    request: HttpRequest,
    data: JSONBody[InferRequest],
    engine: NamedDependency[Engine],
    name: ModelName,
) -> InferResponse:
    """Predict one endpoint; a molecule that cannot be predicted is null, and the others are not touched."""
    asked = _version(request)
    table = engine.champion_registry
    champion = _champion(engine, table, name, asked)
    smiles = _smiles(data, engine.settings.max_molecules)
    wanted = _wanted(data, champion)
    rows: dict[int, _Row] = {}
    for given in await engine.rollout.answer(table, {name: champion}, smiles, split=asked is None):
        version = given.champions[name].manifest.version
        rows.update((i, _row(answer, name, version)) for i, answer in zip(given.indices, given.answers, strict=True))
    note_worked(request.scope, len(rows))
    ordered = [rows[index] for index in range(len(smiles))]
    return InferResponse(name, champion.manifest.version, [_tensor(output, ordered) for output in wanted], id=data.id)


INFERENCE_PROTOCOL = Router(
    "/v2",
    route_handlers=[server_live, server_ready, server_metadata, model_metadata, model_ready, infer],
    tags=["open inference protocol"],
)


def _version(request: HttpRequest) -> str | None:
    """Return the version in the address, if there is one: only some of a handler's addresses have it."""
    found: str | None = request.path_params.get("model_version")
    return found


def _champion(engine: Engine, table: ChampionRegistry, name: str, model_version: str | None) -> Champion:
    champion = table.champions.get(name)
    if champion is None:
        require_not_withdrawn(table, name)
        detail = expected_one_of(table.champions, engine.training_progress.progress, name)
        raise ProblemError("unknown-endpoint", detail)
    if model_version not in (None, champion.manifest.version):
        raise ProblemError(
            "unknown-version", f"expected {champion.manifest.version}, which serves, got {model_version!r}"
        )
    return champion


def _smiles(data: InferRequest, most: int) -> list[str]:
    """Return the molecules of a request."""
    if len(data.inputs) != 1 or data.inputs[0].name != INPUT:
        names = ", ".join(repr(tensor.name) for tensor in data.inputs) or "none"
        raise ProblemError("invalid-request", f"inputs: expected one tensor named '{INPUT}', got {names}")
    tensor = data.inputs[0]
    if tensor.datatype != "BYTES":
        raise ProblemError("invalid-request", f"inputs[0].datatype: expected 'BYTES', got {tensor.datatype!r}")
    texts = tensor.data
    if tensor.shape == [len(texts), 1] and all(isinstance(row, list) and len(row) == 1 for row in texts):
        texts = [row[0] for row in texts]
    elif tensor.shape not in ([len(texts)], [len(texts), 1]):
        raise ProblemError("invalid-request", f"inputs[0].shape: expected [{len(texts)}], got {tensor.shape}")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise ProblemError(
                "invalid-request", f"inputs[0].data[{index}]: expected a string, got {type(text).__name__}"
            )
    if not 1 <= len(texts) <= most:
        raise ProblemError("invalid-request", f"inputs[0].data: expected 1 to {most} molecules, got {len(texts)}")
    return texts


def _offered(champion: Champion) -> tuple[str, ...]:
    return OUTPUTS if champion.manifest.target.task == "regression" else ("value", "similarity", "usual_error")


def _wanted(data: InferRequest, champion: Champion) -> list[str]:
    offered = (*_offered(champion), *TEXTS)
    if data.outputs is UNSET or not data.outputs:
        return list(offered)
    wanted = [output.name for output in data.outputs]
    if unknown := [name for name in wanted if name not in offered]:
        names = ", ".join(map(repr, unknown))
        raise ProblemError("invalid-request", f"outputs: expected some of {', '.join(offered)}, got {names}")
    return wanted


@dataclass(frozen=True, slots=True)
class _Row:
    """What is said of one molecule, by the names of the outputs."""

    estimate: Estimate | None
    error: str | None
    notes: str | None
    version: str

    @property
    def reliability(self) -> str | None:
        """How far to rely on it, where the champion states it."""
        return None if self.estimate is None else self.estimate.reliability


def _row(answer: Answer, name: str, version: str) -> _Row:
    result = answer if isinstance(answer, Fault) else answer.get(name) or answer.faults[name]
    if isinstance(result, Fault):
        return _Row(None, f"{result.code}: {result.detail}", None, version)
    return _Row(result, None, "; ".join(note.detail for note in result.notes) or None, version)


def _tensor(output: str, rows: list[_Row]) -> OutputTensor:
    if output in TEXTS:
        return OutputTensor(output, [len(rows)], "BYTES", [getattr(row, output) for row in rows])
    numbers = [None if row.estimate is None else getattr(row.estimate, output) for row in rows]
    return OutputTensor(output, [len(rows)], "FP64", numbers)
