"""Changing which version serves an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from model_zoo.bundles.pointer import Pointer
from model_zoo.errors import StoreError
from serving.champions.description import champion_info
from serving.http.problems import ProblemError
from serving.http.schemas import ChampionInfo
from serving.inference.engine import Engine


async def change_champion(engine: Engine, name: str, change: Callable[[Pointer], Pointer], code: str) -> ChampionInfo:
    """Change which version serves an endpoint, and describe its champion as it then is.

    Raises
    ------
    ProblemError
        `unknown-endpoint`, `code` when the pointer refuses the change, `store-unavailable`.
    """
    champion_info(engine.champion_registry, name)

    def changed(pointer: Pointer) -> Pointer:
        try:
            return change(pointer)
        except StoreError as error:
            raise ProblemError(code, str(error)) from error

    try:
        pointer = await engine.change_pointer(changed)
    except StoreError as error:
        raise ProblemError("store-unavailable", str(error)) from error
    return champion_info(
        replace(engine.champion_registry, generation=pointer.generation, appointments=pointer.endpoints), name
    )
