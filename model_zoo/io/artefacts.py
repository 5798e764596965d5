"""How small JSON files that outlive a version of this project are written and read.

Belongs here: the contract that all of them share, its one reader, and its one way to write.
Does not belong here: what any of them says (one module each: `bundles/pointer.py`, `bundles/manifest.py`,
`bundles/card.py`, `selection/scores.py`, `selection/leaderboard.py`, `selection/decision.py`,
`provenance/signature_record.py`), checksums of whole files (see `seal.py`, `digests.py`).

Every artefact says its `format`, which grows with every change, and its `minimum_reader`, the oldest version of the
reader that may use it. One that says neither is of format 1. A reader ignores fields that it does not know; a change
that it must not ignore raises `minimum_reader`, and an older reader then refuses the file by name. Values are read
strictly: neither a text nor a boolean is a number, and all must be finite. Writers construct the class itself,
which refuses unknown fields. An artefact within another one is of that one's version: a change of it is one of both.

The classes are pydantic's: configuration is read by it, the service has it loaded for every bundle's manifest anyway,
and it alone (beside msgspec, which the service adds for HTTP) can switch from strict writing to tolerant reading for
all nested parts at once, while the same parts stay strict in YAML.
"""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from model_zoo.errors import AidrugError
from model_zoo.type_aliases import Json

Format = Annotated[int, Field(ge=1)]

UPGRADE = "bring this installation to the version that wrote it, or go back to what was backed up before that one"


class Part(BaseModel):
    """A part of an artefact: frozen, finite numbers only, and no unknown field where it is constructed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Artefact(Part):
    """A file that other versions of this project read and write."""

    NAME: ClassVar[str]
    """What it is called in messages."""
    READER: ClassVar[int] = 1
    """The newest format whose rules this code knows, which is the one that it writes. A class that has another than the
    first one says so by the defaults of `format` and, where older readers must not read it, `minimum_reader`."""

    format: Format = READER
    minimum_reader: Format = 1

    def as_json(self) -> dict[str, JsonValue]:
        """Return what is written, as JSON values."""
        return self.model_dump(mode="json")

    def as_bytes(self) -> bytes:
        """Return the file."""
        return (json.dumps(self.as_json(), sort_keys=True, allow_nan=False) + "\n").encode()

    @model_serializer(mode="wrap")
    def _state_format(self, write: SerializerFunctionWrapHandler) -> dict[str, Json]:
        stated: dict[str, Json] = {"format": self.format, "minimum_reader": self.minimum_reader}
        fields = {name: value for name, value in write(self).items() if name not in stated}
        return fields if self.format == 1 else {**stated, **fields}  # readers of that time take nothing else for it


A = TypeVar("A", bound=Artefact)


def read_artefact(kind: type[A], content: bytes, where: str, fault: type[AidrugError], advice: str = "") -> A:
    """Read an artefact's bytes.

    Parameters
    ----------
    kind
        Which artefact it is.
    content
        The file.
    where
        Its name, for messages.
    fault
        The error to raise.
    advice
        What to do about a file that is damaged.

    Raises
    ------
    AidrugError
        The `fault`: when the bytes are no JSON object, when another version wrote them for newer readers, or when a
        value is missing or of another type.
    """
    try:  # parsed once where nothing is wrong: a plan reads thousands of entries, a service hundreds of manifests
        artefact = kind.model_validate_json(content, strict=True, extra="ignore")
    except ValidationError as error:
        _require_reader(kind, _fields(kind, content, where, fault, advice), where, fault)
        raise fault(_damaged(kind, where, _summary(error), advice)) from error
    stated: dict[str, Json] = {
        name: getattr(artefact, name) for name in ("format", "minimum_reader") if name in artefact.model_fields_set
    }
    _require_reader(kind, stated, where, fault)
    return artefact if "format" in stated else artefact.model_copy(update={"format": 1, "minimum_reader": 1})


def _fields(kind: type[Artefact], content: bytes, where: str, fault: type[AidrugError], advice: str) -> dict[str, Json]:
    """Return the fields of what is no valid artefact; what is not even an object is the fault."""
    try:
        fields = json.loads(content)
    except ValueError as error:  # of JSON, or of UTF-8
        got = f"expected JSON, got {_begin(content)}: {error}"
        raise fault(_damaged(kind, where, got, advice)) from error
    if not isinstance(fields, dict):
        raise fault(_damaged(kind, where, f"expected a JSON object, got {_begin(content)}", advice))
    return fields


def _require_reader(kind: type[Artefact], fields: dict[str, Json], where: str, fault: type[AidrugError]) -> None:
    written, least = fields.get("format", 1), fields.get("minimum_reader", 1)
    if type(written) is not int or written < 1:
        raise fault(f"{where} is not a valid {kind.NAME}: expected a format of 1 or more, got {written!r}")
    if type(least) is not int or not 1 <= least <= written:
        raise fault(f"{where} is not a valid {kind.NAME}: expected a minimum_reader of 1 to {written}, got {least!r}")
    if least > kind.READER:
        raise fault(
            f"{where}: this {kind.NAME} needs a reader of version {least} or newer, and this one is of version "
            f"{kind.READER}: {UPGRADE}"
        )


def _damaged(kind: type[Artefact], where: str, why: str, advice: str) -> str:
    return f"{where} is not a valid {kind.NAME}: {why}" + (f". {advice}" if advice else "")


def _summary(error: ValidationError) -> str:
    """Say the first faults of a file, each with its place."""
    faults = error.errors(include_url=False)
    summary = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}" for each in faults[:3])
    return summary + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")


def _begin(content: bytes) -> str:
    return f"{content[:20]!r}..." if len(content) > 20 else repr(content)
