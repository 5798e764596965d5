"""The record of what can change a thing: what its signature is the digest of.

It is within other artefacts (the ledger's entries, model cards) and is of their version; alone, as `record.json` of
an MLflow run, it is of format 1. Records of the former rule of signatures name files in `code`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

from pydantic import JsonValue

from model_zoo.io.artefacts import Artefact

Part = Literal["code", "config", "data", "library", "upstream"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The parts that a signature covers."""


class SignatureRecord(Artefact):
    """Everything that can change a thing, and two parts that only show people what changed."""

    NAME: ClassVar[str] = "signature record"

    code: Mapping[str, str] = {}
    """Digests of the definitions that make it."""
    config: Mapping[str, JsonValue] = {}
    data: Mapping[str, str] = {}
    library: Mapping[str, str] = {}
    upstream: Mapping[str, str] = {}
    """Signatures of what it is made from."""
    definitions: Mapping[str, str] = {}
    """A digest of every definition that the code reaches; no signature covers it."""
    because: Mapping[str, str] = {}
    """Why each library counts; no signature covers it."""

    @property
    def signed(self) -> dict[Part, Mapping[str, JsonValue]]:
        """The parts that the signature covers."""
        return {part: getattr(self, part) for part in PARTS}
