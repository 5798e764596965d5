"""Versions of the rules that turn a structure into what a model sees, and what people see beside it.

Belongs here: choosing a rule by its version, the versions that there are, and the record of them in a manifest.
Does not belong here: the rules themselves (see `chemistry/molecules.py`, `featurizers/`,
`chemistry/structural_alerts.py`, `chemistry/similarity.py`).

Whatever is trained uses the newest version of every rule. A bundle is read, replayed and served by the versions in its
manifest, so that a rule that is corrected reaches a champion with its next training and never at a restart.

A rule that has to change is copied first: standardisation, alerts and similarity to a module `<rule>_<version>.py`
beside its own that is entered below, a featurizer to `featurizers/_earlier/<name>_<version>.py`, which is found by its
name. Then the module itself becomes the next version. A table of results
(`tests/unit/model_zoo/policies/policy_results.json`) holds every version to what it said when it was new. An earlier
version stays for as long as a bundle may need it: at least a year and two releases after its successor.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rdkit import Chem

from model_zoo import featurizers
from model_zoo.chemistry import molecules, similarity, structural_alerts
from model_zoo.chemistry.molecules import InvalidMolecule, Limits, Molecule, Standardise
from model_zoo.chemistry.structural_alerts import Alert
from model_zoo.errors import BundleError, ConfigError
from model_zoo.featurizers import Featurizer
from model_zoo.io.artefacts import UPGRADE, Part
from model_zoo.policies import molecules_1, molecules_2, similarity_1

Version = Annotated[int, Field(ge=1)]
Parse = Callable[[str, Standardise | None, Limits | None], Molecule | InvalidMolecule]

STANDARDISATIONS: Mapping[int, Parse] = {
    1: molecules_1.parse_molecule,
    2: molecules_2.parse_molecule,
    3: molecules.parse_molecule,
}
"""How a text becomes a standardised molecule, by version; the newest is what is trained with."""
ALERTS: Mapping[int, Callable[[Chem.Mol], tuple[Alert, ...]]] = {1: structural_alerts.find_alerts}
"""How structural alerts are found, by version."""
SIMILARITIES: Mapping[int, Callable[[Sequence[Molecule]], NDArray[np.uint8]]] = {
    1: similarity_1.pack,
    2: similarity.pack,
}
"""What likeness to training molecules is computed from, by version: environments that occur, or how often they do."""
_EARLIER = "_earlier"


class Policies(Part):
    """The versions of the rules that a bundle was made by."""

    standardise: Version = 1
    featurizers: Mapping[str, Version] = {}
    """By name; one that is not there has version 1."""
    alerts: Version = 1
    similarity: Version = 1

    def require_known(self, features: Iterable[str], where: str) -> None:
        """Refuse versions that this installation does not have."""
        needed = [
            ("standardisation", self.standardise, tuple(STANDARDISATIONS)),
            ("structural alerts", self.alerts, tuple(ALERTS)),
            ("similarity", self.similarity, tuple(SIMILARITIES)),
            *((f"the featurizer {name!r}", self.featurizers.get(name, 1), versions(name)) for name in features),
        ]
        for what, version, known in needed:
            if version not in known:
                there = ", ".join(map(str, known))
                raise BundleError(
                    f"{where}: expected a version of {what} that is here ({there}), got version {version}: {UPGRADE}"
                )

    def blocks(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return how `featurizer` finds these featurizers at the versions of this record.

        Examples
        --------
        >>> Policies().blocks(["erg", "tokens"])
        ('erg', 'tokens')
        """
        return tuple(
            name if (version := self.featurizers.get(name, 1)) == versions(name)[-1] else f"{name}@{version}"
            for name in features
        )

    def earlier(self, features: Iterable[str]) -> tuple[str, ...]:
        """Name the rules of this record that have a newer version, for the operator of the service."""
        rules = [
            ("standardisation", self.standardise, max(STANDARDISATIONS)),
            ("alerts", self.alerts, max(ALERTS)),
            ("similarity", self.similarity, max(SIMILARITIES)),
            *((name, self.featurizers.get(name, 1), versions(name)[-1]) for name in features),
        ]
        return tuple(f"{name} {version}" for name, version, newest in rules if version < newest)


def newest(features: Iterable[str]) -> Policies:
    """Return the versions that are trained with now.

    Examples
    --------
    >>> newest(["erg"]).featurizers
    {'erg': 1}
    """
    return Policies(
        standardise=max(STANDARDISATIONS),
        featurizers={name: versions(name)[-1] for name in features},
        alerts=max(ALERTS),
        similarity=max(SIMILARITIES),
    )


def standardise(
    smiles: str, options: Standardise | None = None, limits: Limits | None = None, *, policy: int | None = None
) -> Molecule | InvalidMolecule:
    """Parse one SMILES and standardise it by a version of the rules, the newest when none is named.

    Examples
    --------
    >>> standardise("CC(=O)[O-].[Na+]", policy=1).smiles
    'CC(=O)O'
    """
    return STANDARDISATIONS[policy or max(STANDARDISATIONS)](smiles, options, limits)


def find_alerts(mol: Chem.Mol, *, policy: int | None = None) -> tuple[Alert, ...]:
    """Return every structural alert of a molecule by a version of the rules, the newest when none is named."""
    return ALERTS[policy or max(ALERTS)](mol)


def fingerprints(molecules: Sequence[Molecule], *, policy: int | None = None) -> NDArray[np.uint8]:
    """Return `n x b` packed fingerprints by a version of the rule for similarity, the newest when none is named."""
    return SIMILARITIES[policy or max(SIMILARITIES)](molecules)


@cache
def versions(name: str) -> tuple[int, ...]:
    """List the versions of a featurizer, the newest last.

    Examples
    --------
    >>> versions("erg")
    (1,)
    """
    folder = Path(featurizers.__file__).parent / _EARLIER
    found = (re.fullmatch(rf"{re.escape(name)}_(\d+)", path.stem) for path in folder.glob(f"{name}_*.py"))
    kept = sorted(int(match[1]) for match in found if match)
    return (*kept, kept[-1] + 1 if kept else 1)


@cache
def featurizer(block: str) -> Featurizer:
    """Find a featurizer as `Policies.blocks` names it: by its name, or `name@version` for an earlier version.

    Raises
    ------
    ConfigError
        When there is no such featurizer or version.
    """
    name, _, version = block.partition("@")
    if not version:
        return featurizers.get(name)
    if int(version) not in versions(name)[:-1]:
        raise ConfigError(f"unknown version {version} of featurizer {name!r}: expected one of {versions(name)}")
    return cast(Featurizer, importlib.import_module(f"{featurizers.__name__}.{_EARLIER}.{name}_{version}"))
