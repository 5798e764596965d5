"""What predicting takes of chemistry: texts are read as molecules, molecules featurized and explained.

Belongs here: what a predictor asks of structures, so that another process may do it without any model.
Does not belong here: how it is done (see `policies`), which process does it (see `serving/inference`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from model_zoo.chemistry.molecules import InvalidMolecule, Limits, Molecule, Standardise
from model_zoo.explanation.structures import Structures
from model_zoo.features.shared import Featurizing
from model_zoo.inference.complexity import MOST_WALKS, STEPS, is_too_complex
from model_zoo.policies import standardise

Reading = tuple[Standardise, int]
"""How a champion's molecules are read, see `Manifest.reading`."""


class ProcessEndedError(Exception):
    """The process that did the chemistry came to an end: killed, or by a molecule."""


class Refused(NamedTuple):
    """Why a text is not predicted: a stable code and a sentence."""

    code: str
    detail: str


class Chemistry(Featurizing, Structures):
    """Chemistry in this process.

    Examples
    --------
    >>> Chemistry().read(["OCC", "C1"], (Standardise(), 3), Limits())[0].smiles
    'CCO'
    """

    def read(self, texts: Sequence[str], reading: Reading, limits: Limits) -> list[Molecule | Refused]:
        """Standardise texts, one answer per text, in order; what would take too long is refused."""
        options, version = reading
        return [_outcome(standardise(text, options, limits, policy=version)) for text in texts]


def _outcome(parsed: Molecule | InvalidMolecule) -> Molecule | Refused:
    if isinstance(parsed, InvalidMolecule):
        return Refused(parsed.code, parsed.detail)
    if is_too_complex(parsed.mol):
        return Refused(
            "too-complex",
            f"expected a molecule with at most {MOST_WALKS} walks of up to {STEPS} bonds: its rings "
            "are too entangled to be predicted in time",
        )
    return parsed
