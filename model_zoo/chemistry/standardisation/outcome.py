"""What standardising says beside the molecule: why there is none, and what was done to it."""

from __future__ import annotations

from typing import Literal, NamedTuple

ErrorCode = Literal[
    "empty",
    "too-long",
    "invalid-smiles",
    "too-large",
    "no-atoms",
    "standardise-failed",
    "incomplete-structure",
    "radical",
    "metal",
    "inorganic-salt",
    "mixture",
]
NoteCode = Literal["component-left-out", "isotopes-ignored", "stereo-mixture", "stereo-unknown", "tautomer-as-drawn"]


class Note(NamedTuple):
    """What a reader should know of how a structure was understood: a stable code and a sentence."""

    code: NoteCode
    detail: str


class RefusedError(Exception):
    """A structure that is not one molecule a model could speak of. Never leaves `model_zoo/chemistry/molecules.py`."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code: ErrorCode = code
        self.detail = detail
