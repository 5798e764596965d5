"""What a request for predictions is answered with: one entry per molecule, in its order.

`POST /v1/predict`, the table for spreadsheets and the tools of agents are all answered from here.
"""

from __future__ import annotations

from serving.http.leaving import unless_left
from serving.http.parameters import HttpRequest
from serving.http.schemas import MoleculePrediction, PredictRequest
from serving.inference.engine import Engine
from serving.inference.requests import chosen, require_offered, require_sane
from serving.inference.response_builder import build_entry


async def entries_of(
    engine: Engine, data: PredictRequest, request: HttpRequest | None = None
) -> list[MoleculePrediction]:
    """Predict what a request asks for; a bad molecule is an error entry at its own index.

    Raises
    ------
    ProblemError
        When the request asks for what there is not, or the service is busy.
    """
    require_sane(data, engine.settings.max_molecules)
    require_offered(data.include, neighbours=engine.settings.show_neighbours, molecules=len(data.smiles))
    table = engine.champion_registry
    served = chosen(table, data.endpoints, engine.training_progress.progress)
    entries = {}
    for given in await engine.rollout.answer(table, served, data.smiles):
        finding = engine.annotations(given.champions, given.answers, data.include)
        annotations = await (unless_left(request, finding) if data.include and request is not None else finding)
        for index, answer, annotation in zip(given.indices, given.answers, annotations, strict=True):
            entries[index] = build_entry(index, data.smiles[index], answer, given.champions, annotation, given.on_trial)
    return [entries[index] for index in range(len(data.smiles))]
