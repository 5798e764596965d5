"""How small JSON files that outlive a version of this project are written and read.

Belongs here: the contract that all of them share, its one reader, and its one way to write.
Does not belong here: what any of them says (one module each: `pointer.py`, `manifest.py`), checksums of whole files
(see `seal.py`, `digests.py`).

Every artefact says its `format`, which grows with every change, and its `minimum_reader`, the oldest version of the
reader that may use it. A reader ignores fields that it does not know; a change that it must not ignore raises
`minimum_reader`, and an older reader then refuses the file by name. Values are read strictly: a text is no number, a
boolean is none, and what is not finite is refused. Writers construct the class itself, which refuses unknown fields.

The classes are pydantic's: configuration is read by it, the service has it loaded for every bundle's manifest anyway,
and it alone (beside msgspec, which the service adds for HTTP) can switch from strict writing to tolerant reading for
all nested parts at once, while the same parts stay strict in YAML.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_zoo.errors import AidrugError

UPGRADE = "bring this installation to the version that wrote it, or go back to what was backed up before that one"


class Part(BaseModel):
    """A part of an artefact: frozen, finite numbers only, and no unknown field where it is constructed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Artefact(Part):
    """A file that other versions of this project read and write.

    Attributes
    ----------
    NAME
        What it is called in messages.
    READER
        The newest format whose rules this code knows.
    FIRST_VERSIONED
        The first format that states its `minimum_reader`; those before it are told apart by their number alone.
    """

    NAME: ClassVar[str]
    READER: ClassVar[int]
    FIRST_VERSIONED: ClassVar[int]

    format: Annotated[int, Field(ge=1)]
    minimum_reader: Annotated[int, Field(ge=1)] = 1

    def as_json(self) -> dict[str, Any]:
        """Give what is written, as JSON values."""
        return self.model_dump(mode="json")


A = TypeVar("A", bound=Artefact)


def read_artefact(kind: type[A], content: bytes, where: str, fault: type[AidrugError]) -> A:
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

    Raises
    ------
    AidrugError
        The `fault`: when the bytes are no JSON object, when another version wrote them for newer readers, or when a
        value is missing or of another type.
    """
    try:
        fields = json.loads(content)
    except ValueError as error:  # of JSON, or of UTF-8
        raise fault(f"{where} is not a valid {kind.NAME}: expected JSON, got {_begin(content)}: {error}") from error
    if not isinstance(fields, dict):
        raise fault(f"{where} is not a valid {kind.NAME}: expected a JSON object, got {_begin(content)}")
    _require_reader(kind, fields, where, fault)
    try:
        return kind.model_validate_json(content, strict=True, extra="ignore")
    except ValidationError as error:
        raise fault(f"{where} is not a valid {kind.NAME}: {_told(error)}") from error


def _require_reader(kind: type[Artefact], fields: dict[str, Any], where: str, fault: type[AidrugError]) -> None:
    written, least = fields.get("format"), fields.get("minimum_reader")
    if type(written) is not int or written < 1:
        raise fault(f"{where} is not a valid {kind.NAME}: expected a format of 1 or more, got {written!r}")
    if written < kind.FIRST_VERSIONED:
        return
    if type(least) is not int or not 1 <= least <= written:
        raise fault(f"{where} is not a valid {kind.NAME}: expected a minimum_reader of 1 to {written}, got {least!r}")
    if least > kind.READER:
        raise fault(
            f"{where}: this {kind.NAME} needs a reader of version {least} or newer, and this one is of version "
            f"{kind.READER}: {UPGRADE}"
        )


def _told(error: ValidationError) -> str:
    """Say the first faults of a file, each with its place."""
    faults = error.errors(include_url=False)
    told = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}" for each in faults[:3])
    return told + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")


def _begin(content: bytes) -> str:
    return f"{content[:20]!r}..." if len(content) > 20 else repr(content)
