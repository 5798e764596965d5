"""The bundle: the immutable folder that the service loads.

Belongs here: checking, loading a bundle, and predicting with one.
Does not belong here: writing one (see `bundle_writing.py`), where bundles live and which one is current (see
`store.py`), how a champion is chosen (see `champion.py`), HTTP.

Layout of a bundle (data only; nothing in it is ever unpickled)::

    manifest.json      what it is, how to predict with it, SHA-256 of every other file
    card.json          model card: scores, decision, losers, data, record of the signature
    model/             the fitted model, see model_formats.py
    domain.npy         packed fingerprints of the training molecules
    neighbours.json    their SMILES, measured values and absolute out-of-fold errors, same order
    explanation.npz    tables of the model's trees, for explaining predictions
    reference.json     reference molecules and what the model predicted for them when it was bundled

Format 2 added `trust` to the manifest and `errors` to the neighbours. Bundles of format 1 are served as they were
meant: one width for all molecules, probabilities as the model gives them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from model_zoo import explanation, featurizers
from model_zoo.conformal import NEIGHBOURS, difficulty
from model_zoo.desirability import Desirable
from model_zoo.digests import file_digest
from model_zoo.errors import BundleError
from model_zoo.explanation import Explainer
from model_zoo.model_formats import Model, load_model
from model_zoo.molecules import Molecule, Standardise, parse_molecule
from model_zoo.targets import Target
from model_zoo.trust import Trust
from model_zoo.uncertainty import Domain, pack

FORMAT: Literal[2] = 2
REFERENCE_TOLERANCE = 1e-4
"""Largest accepted difference to a stored reference prediction, relative to max(1, |value|): ONNX Runtime may
differ in the last bits of float32 between processors, a wrong model differs by far more."""


class Manifest(BaseModel):
    """What a bundle is and how to predict with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1, 2] = FORMAT
    endpoint: str
    version: str
    model: str
    signature: str
    title: str
    description: str
    unit: str
    direction: Literal["higher", "lower", "none"]
    desirable: Desirable | None = None
    features: tuple[str, ...]
    standardise: Standardise
    target: Target
    interval_half_width: float | None
    """Half width of the 90 % interval on the scale the model was trained on, of a typical molecule where `trust` gives
    each molecule its own; none for binary endpoints."""
    trust: Trust = Trust()
    domain_threshold: float
    files: dict[str, str]
    """SHA-256 of every other file, by its path in the bundle."""


@dataclass(frozen=True)
class Neighbours:
    """The training molecules as people know them, in the order of the domain.

    Attributes
    ----------
    smiles
        `n` standardised SMILES.
    values
        `n` measured values in the endpoint's unit, or classes.
    errors
        `n` absolute out-of-fold errors on the scale of training; empty in bundles of format 1.
    """

    smiles: tuple[str, ...]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]


class Neighbour(NamedTuple):
    """A training molecule near another one: its Tanimoto similarity to that, and what was measured for it."""

    smiles: str
    similarity: float
    value: float


@dataclass(frozen=True)
class Predictions:
    """Predictions for `n` molecules in the endpoint's own unit.

    Attributes
    ----------
    value
        `n` values: in the endpoint's unit, or the calibrated probability of class 1.
    lower, upper
        Ends of the 90 % interval, or none where the endpoint is binary.
    similarity
        Highest Tanimoto similarity to a training molecule, in [0, 1].
    percentile
        Share of the reference drugs' predictions below the value, 0 to 100; none where the bundle knows none.
    label, sets
        Of a binary endpoint: `n` labels, and `n x 2` whether each class belongs to the 90 % set.
    """

    value: NDArray[np.float64]
    lower: NDArray[np.float64] | None
    upper: NDArray[np.float64] | None
    similarity: NDArray[np.float64]
    percentile: NDArray[np.float64] | None = None
    label: NDArray[np.int_] | None = None
    sets: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory, ready to predict."""

    folder: Path
    manifest: Manifest
    card: Mapping[str, Any]
    model: Model
    domain: Domain
    neighbours: Neighbours
    explainer: Explainer | None = None
    """None in bundles of format 1."""

    def __post_init__(self) -> None:
        """Refuse parts that do not belong together.

        Raises
        ------
        BundleError
            When there is not one neighbour per row of the domain, or an error for each where intervals need them.
        """
        needed = {"SMILES": self.neighbours.smiles, "values": self.neighbours.values}
        if self.manifest.trust.interval is not None:
            needed["errors"] = self.neighbours.errors
        for name, got in needed.items():
            if len(got) != len(self.domain.packed):
                raise BundleError(
                    f"{self.folder}: expected {name} of {len(self.domain.packed)} training molecules, got {len(got)}"
                )

    def nearest(self, molecules: Sequence[Molecule], k: int = 3) -> list[list[Neighbour]]:
        """Give the `k` training molecules most like each molecule, most similar first; fewer where there are fewer."""
        if not molecules or not len(self.neighbours.values):
            return [[] for _ in molecules]
        similarity, rows = self.domain.nearest(pack(molecules), k)
        return [
            [
                Neighbour(self.neighbours.smiles[row], float(alike), float(self.neighbours.values[row]))
                for row, alike in zip(row_of, alike_of, strict=True)
            ]
            for row_of, alike_of in zip(rows, similarity, strict=True)
        ]

    def predict(
        self,
        molecules: Sequence[Molecule],
        X: NDArray[Any] | None = None,
        packed: NDArray[np.uint8] | None = None,
    ) -> Predictions:
        """Predict for standardised molecules, in order.

        Parameters
        ----------
        molecules
            Molecules standardised by `manifest.standardise`.
        X
            Their features, when the caller already has them (`featurizers.featurize(manifest.features,
            molecules)`): endpoints that share featurizers share the work.
        packed
            Their fingerprints as `uncertainty.pack` gives them, for the same reason.
        """
        manifest = self.manifest
        if X is None:
            X = featurizers.featurize(manifest.features, molecules)
        raw = self.model.predict(X)
        similarity, rows = self.domain.nearest(pack(molecules) if packed is None else packed, NEIGHBOURS)
        nearest = similarity[:, 0] if molecules else np.empty(0)
        value, trust = manifest.target.to_unit(raw), manifest.trust
        lower = upper = label = sets = None
        half_width: NDArray[np.float64] | float | None = manifest.interval_half_width
        if trust.interval is not None and molecules:
            half_width = trust.interval.half_width(difficulty(similarity, self.neighbours.errors[rows]))
        if half_width is not None:
            lower, upper = manifest.target.to_unit(raw - half_width), manifest.target.to_unit(raw + half_width)
        if trust.probability is not None:
            value = trust.probability.calibrate(value)
            label, sets = trust.probability.label(value), trust.probability.contains(value, nearest)
        percentile = None if trust.reference is None else trust.reference.percentile(value)
        return Predictions(value, lower, upper, nearest, percentile, label, sets)


def load_bundle(folder: Path) -> Bundle:
    """Verify a bundle completely and load it.

    Checks every checksum, that no file is missing or extra, and that the model reproduces the reference
    predictions stored beside it. The replay also warms the model up.

    Raises
    ------
    BundleError
        When anything is missing, altered, unreadable, or predicts something else.
    """
    manifest = verify_files(folder)
    try:
        card = json.loads((folder / "card.json").read_bytes())
        reference = json.loads((folder / "reference.json").read_bytes())
        smiles, expected = list(reference["smiles"]), np.asarray(reference["values"], dtype=np.float64)
        packed = np.load(folder / "domain.npy", allow_pickle=False)
        known = json.loads((folder / "neighbours.json").read_bytes())
        neighbours = Neighbours(
            tuple(map(str, known["smiles"])),
            np.asarray(known["values"], dtype=np.float64),
            np.asarray(known.get("errors", []), dtype=np.float64),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder}: unreadable content: {error!r}") from error
    domain = Domain(packed, manifest.domain_threshold)
    model, explainer = load_model(folder / "model"), None
    if explanation.FILE in manifest.files:
        explainer = explanation.load_explainer(folder, model, manifest.features, manifest.target, manifest.unit)
    bundle = Bundle(folder, manifest, card, model, domain, neighbours, explainer)
    got = bundle.predict(reference_molecules(smiles, manifest)).value
    if expected.shape != got.shape:
        raise BundleError(f"{folder}: expected a reference value for each of {len(got)} molecules, got {expected.size}")
    difference = np.abs(got - expected) / np.maximum(1.0, np.abs(expected))
    if not np.all(difference <= REFERENCE_TOLERANCE):
        raise BundleError(
            f"{folder}: the model does not reproduce its reference predictions: largest relative difference "
            f"{np.max(difference):.3g}, expected at most {REFERENCE_TOLERANCE:g}"
        )
    return bundle


def verify_files(folder: Path) -> Manifest:
    """Read a bundle's manifest and check the checksum of every file it names.

    Raises
    ------
    BundleError
        When the manifest is missing or invalid, or a file is missing, extra or altered.
    """
    path = folder / "manifest.json"
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path}: expected a bundle manifest, got {error.strerror}") from error
    except ValidationError as error:
        raise BundleError(f"{path}: not a valid manifest: {error}") from error
    present = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file() and file != path}
    if present != set(manifest.files):
        missing, extra = set(manifest.files) - present, present - set(manifest.files)
        raise BundleError(f"{folder}: missing files {sorted(missing)}, unexpected files {sorted(extra)}")
    for name, digest in manifest.files.items():
        if file_digest(folder / name) != digest:
            raise BundleError(f"{folder / name}: the checksum differs from the manifest: the file was altered")
    return manifest


def reference_molecules(smiles: Sequence[str], manifest: Manifest) -> list[Molecule]:
    """Parse reference molecules as the endpoint's molecules are.

    Raises
    ------
    BundleError
        When one of them is not readable.
    """
    molecules = [parse_molecule(text, manifest.standardise) for text in smiles]
    valid = [molecule for molecule in molecules if isinstance(molecule, Molecule)]
    if len(valid) != len(smiles):
        raise BundleError(f"{manifest.endpoint}: a reference molecule of the bundle is not readable")
    return valid
