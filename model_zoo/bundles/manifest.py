"""The manifest of a bundle: what it is, how to predict with it, by which rules, and the checksum of every other file.

Belongs here: its fields, its one reader and writer, and whether its content is what its version was computed from.
Does not belong here: the other files of a bundle, and loading it (see `reader.py`).

Format 5 adds the spread between laboratories to intervals. Format 4 has likeness by counts, and the error model
of three signals with its levels. Format 3 states its `minimum_reader` and the versions of the `policies` that its
molecules were read by. Format 2 added `trust`, and errors to the neighbours. Bundles of earlier formats are served as
they were meant: those of formats 1 and 2 by version 1 of every policy, and those of format 1 with one width for all
molecules and probabilities as the model gives them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Literal

from model_zoo.chemistry.molecules import Standardise
from model_zoo.config.desirability import Desirable
from model_zoo.data.display_unit import Display, display
from model_zoo.data.targets import Target
from model_zoo.errors import BundleError, ConfigError
from model_zoo.io.artefacts import Artefact, Format, read_artefact
from model_zoo.io.digests import json_digest
from model_zoo.policies import Policies
from model_zoo.type_aliases import Json
from model_zoo.uncertainty.fit import Uncertainty

FILE = "manifest.json"
DRAFT = "draft"
"""Takes the place of the version while the version is computed."""
_DIGITS = 12


class Manifest(Artefact):
    """What a bundle is and how to predict with it."""

    NAME: ClassVar[str] = "manifest"
    READER: ClassVar[int] = 5

    format: Format = READER
    minimum_reader: Format = READER
    endpoint: str
    version: str
    model: str
    signature: str
    title: str
    description: str
    unit: str
    display_unit: str | None = None
    """The unit that people read, where it is not `unit`."""
    direction: Literal["higher", "lower", "none"]
    desirable: Desirable | None = None
    features: tuple[str, ...]
    standardise: Standardise
    policies: Policies = Policies()
    """Versions of the rules by which its molecules become numbers and are looked at."""
    target: Target
    interval_half_width: float | None
    """Half width of the 90 % interval on the scale the model was trained on, of a typical molecule where `trust` gives
    each molecule its own; none for binary endpoints."""
    trust: Uncertainty = Uncertainty()
    domain_threshold: float
    files: Mapping[str, str]
    """SHA-256 of every other file, by its path in the bundle."""

    @cached_property
    def display(self) -> Display | None:
        """How values are shown; none where people read the endpoint's own unit."""
        return None if self.display_unit is None else display(self.unit, self.display_unit)

    @property
    def flips(self) -> bool:
        """Whether a larger value is shown as a smaller one."""
        return self.display is not None and self.display.flips

    @property
    def shown_unit(self) -> str:
        """The unit that people read."""
        return self.display_unit or self.unit

    @property
    def error_unit(self) -> str:
        """What errors on the scale of training are in."""
        if self.target.task == "binary":
            return "share of wrong labels"
        return self.unit if self.target.transform == "identity" else f"{self.target.transform} of {self.unit}"

    @property
    def reading(self) -> tuple[Standardise, int]:
        """How its molecules are read: the options, and the version of the rules. Equal ones share the work."""
        return self.standardise, self.policies.standardise


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Read a manifest's bytes.

    Raises
    ------
    BundleError
        When they are no manifest, need a newer reader or rules that this version does not have, or are not what the
        version was computed from.
    """
    manifest = read_artefact(Manifest, content, where, BundleError)
    expected = version_of(json.loads(content))
    if manifest.version != expected:
        raise BundleError(
            f"{where} is not a valid manifest: its content is that of version {expected}, and it says "
            f"{manifest.version}: it was altered. Restore the bundle from a backup, or roll back"
        )
    manifest.policies.require_known(manifest.features, where)
    try:
        _ = manifest.display
    except ConfigError as error:
        raise BundleError(f"{where} is not a valid manifest: {error}") from error
    return manifest


def version_of(content: Mapping[str, Json]) -> str:
    """Compute a bundle's version: the model, and a digest of all that the manifest says, the version itself aside."""
    return f"{content.get('model')}-{json_digest({**content, 'version': DRAFT})[:_DIGITS]}"
