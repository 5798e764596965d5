"""The bundle: the immutable folder that the service loads.

Belongs here: checking, loading a bundle, and predicting with one.
Does not belong here: its manifest (see `manifest.py`), writing one (see `writer.py`), where bundles live and
which one is current (see `store.py`), how a champion is chosen (see `selection/election.py`), HTTP.

Layout of a bundle (data only; nothing in it is ever unpickled)::

    manifest.json      what it is, how to predict with it, SHA-256 of every other file
    card.json          model card: scores, decision, losers, data, record of the signature
    model/             the fitted model, see model_formats.py
    domain.npy         packed fingerprints of the training molecules
    properties.npy     their sizes and kinds, in the same order
    neighbours.json    their SMILES, measured values (and relations, where some are bounds) and absolute out-of-fold
                       errors, same order
    matched_pairs.json what small changes of structure did to measured values, see matched_pairs.py; not in every bundle
    explanation.npz    tables of the model's trees, for explaining predictions
    reference.json     reference molecules and what the model predicted for them when it was bundled

The manifest covers all other files, and its version covers the manifest. Who has the manifest's own digest from the
pointer names it, and a bundle that was altered as a whole is refused too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_zoo import policies
from model_zoo.bundles.card import FILE as CARD
from model_zoo.bundles.card import ModelCard, parse_card
from model_zoo.bundles.manifest import FILE, Manifest, parse_manifest
from model_zoo.bundles.neighbours import Neighbour, Neighbours
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.errors import BundleError
from model_zoo.explanation.explainer import Explainer
from model_zoo.explanation.explanation_file import FILE as EXPLANATION
from model_zoo.explanation.explanation_file import load_explainer
from model_zoo.featurizers import join
from model_zoo.fitted_models.formats import Model, load_model
from model_zoo.io.digests import content_digest, file_digest
from model_zoo.type_aliases import Numbers
from model_zoo.uncertainty.applicability_domain import Domain
from model_zoo.uncertainty.error_model import NEIGHBOURS, ErrorModel, difficulty, doubt
from model_zoo.uncertainty.reliability import NAMES, Reliability

PROPERTIES = "properties.npy"
REFERENCE_TOLERANCE = 1e-4
"""Largest accepted difference to a stored reference prediction, relative to the size of the values (see
`Target.size`): ONNX Runtime may differ in the last bits of float32 between processors, a wrong model differs by far
more."""


@dataclass(frozen=True)
class Predictions:
    """Predictions for `n` molecules in the endpoint's own unit."""

    value: NDArray[np.float64]
    """`n` values: in the endpoint's unit, or the calibrated probability of class 1."""
    lower: NDArray[np.float64] | None
    upper: NDArray[np.float64] | None
    """`lower` and `upper`: ends of the 90 % interval, or none where the endpoint is binary."""
    similarity: NDArray[np.float64]
    """Highest Tanimoto similarity to a training molecule, in [0, 1]."""
    percentile: NDArray[np.float64] | None = None
    """Share of the reference drugs' predictions below the value, 0 to 100; none where the bundle knows none."""
    label: NDArray[np.int_] | None = None
    sets: NDArray[np.bool_] | None = None
    """`label` and `sets`: of a binary endpoint: `n` labels, and `n x 2` whether each class belongs to the 90 % set."""
    expected_error: NDArray[np.float64] | None = None
    """The absolute error to expect, on the scale of training; none where the bundle has no error model."""
    reliability: tuple[Reliability, ...] | None = None
    usual_error: NDArray[np.float64] | None = None
    """`reliability` and `usual_error`: `n` levels, and what was usual in them, see `Levels`; none where the bundle has
    none."""
    raw: NDArray[np.float64] | None = None
    half_width: NDArray[np.float64] | None = None
    """`raw` and `half_width`: `n` predictions and halves of intervals on the scale of training; the latter none where
    there is no interval."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory, ready to predict."""

    folder: Path
    manifest: Manifest
    card: ModelCard
    model: Model
    domain: Domain
    neighbours: Neighbours
    explainer: Explainer | None = None
    """None in bundles of format 1, and where nobody asked for it."""

    def __post_init__(self) -> None:
        """Refuse parts that do not belong together.

        Raises
        ------
        BundleError
            When there is not one neighbour per row of the domain, or an error for each where intervals need them.
        """
        needed: dict[str, Sized] = {"SMILES": self.neighbours.smiles, "values": self.neighbours.values}
        if self._error_model is not None:
            needed["errors"] = self.neighbours.errors
        if self.reads_properties:
            needed["sizes and kinds"] = () if self.domain.properties is None else self.domain.properties
        if self.neighbours.relations:
            needed["relations"] = self.neighbours.relations
        for name, got in needed.items():
            if len(got) != len(self.domain.packed):
                raise BundleError(
                    f"{self.folder}: expected {name} of {len(self.domain.packed)} training molecules, got {len(got)}"
                )

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """How its featurizers are found at its own versions, see `Policies.blocks`."""
        return self.manifest.policies.blocks(self.manifest.features)

    def nearest(self, molecules: Sequence[Molecule], k: int = 3) -> list[list[Neighbour]]:
        """Return the `k` training molecules most like each molecule, most similar first, or as many as there are."""
        if not molecules or not len(self.neighbours.values):
            return [[] for _ in molecules]
        similarity, rows = self.domain.nearest(self._packed(molecules), k)
        return [
            [
                Neighbour(
                    self.neighbours.smiles[row],
                    float(alike),
                    float(self.neighbours.values[row]),
                    self.neighbours.relations[row] if self.neighbours.relations else "=",
                )
                for row, alike in zip(row_of, alike_of, strict=True)
            ]
            for row_of, alike_of in zip(rows, similarity, strict=True)
        ]

    def predict(
        self,
        molecules: Sequence[Molecule],
        X: Numbers | None = None,
        packed: NDArray[np.uint8] | None = None,
        properties: NDArray[np.float64] | None = None,
    ) -> Predictions:
        """Predict for standardised molecules, in order.

        Parameters
        ----------
        molecules
            Molecules standardised by `manifest.standardise` and the version of the rules in `manifest.policies`.
        X
            Their features, when the caller already has them (of `blocks`, side by side): endpoints that share
            featurizers share the work.
        packed, properties
            Their fingerprints by the version of the rule in `manifest.policies`, and what `size_and_kind` says of them,
            for the same reason.
        """
        manifest = self.manifest
        if X is None:
            X = join([policies.featurizer(block).featurize(molecules) for block in self.blocks])
        raw = self.model.predict(X)
        similarity, rows = self.domain.nearest(self._packed(molecules) if packed is None else packed, NEIGHBOURS)
        nearest = similarity[:, 0] if molecules else np.empty(0)
        value, trust = manifest.target.to_unit(raw), manifest.trust
        lower = upper = label = sets = None
        half_width: NDArray[np.float64] | float | None = manifest.interval_half_width
        if trust.probability is not None:
            value = trust.probability.calibrate(value)
            label, sets = trust.probability.label(value), trust.probability.contains(value, nearest)
        expected = places = usual = None
        if self._error_model is not None and molecules:
            if properties is None and self.reads_properties:
                properties = size_and_kind(molecules)
            hard = self._difficulty(similarity, rows, properties, value)
            expected = self._error_model.scale(hard)
            if trust.levels is not None and properties is not None:
                expected, places, usual = trust.levels.place(self._error_model, hard, self.domain.beyond(properties))
            if trust.interval is not None:
                half_width = trust.interval.around(expected)
        if half_width is not None:
            lower, upper = manifest.target.to_unit(raw - half_width), manifest.target.to_unit(raw + half_width)
        percentile = None if trust.reference is None else trust.reference.percentile(value)
        reliability = None if places is None else tuple(NAMES[place] for place in places)
        widths = None if half_width is None else np.broadcast_to(np.asarray(half_width, dtype=np.float64), raw.shape)
        columns = (value, lower, upper, nearest, percentile, label, sets, expected, reliability, usual)
        return Predictions(*columns, raw, widths)

    @property
    def reads_properties(self) -> bool:
        """Whether its error model asks for sizes and kinds of molecules."""
        return self._error_model is not None and self._error_model.signals > 2

    @property
    def _error_model(self) -> ErrorModel | None:
        return self.manifest.trust.interval or self.manifest.trust.error

    def _packed(self, molecules: Sequence[Molecule]) -> NDArray[np.uint8]:
        return policies.fingerprints(molecules, policy=self.manifest.policies.similarity)

    def _difficulty(
        self,
        similarity: NDArray[np.float64],
        rows: NDArray[np.intp],
        properties: NDArray[np.float64] | None,
        value: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return how hard the molecules are by as many signals as the bundle's own rule has."""
        assert self._error_model is not None
        errors = self.neighbours.errors[rows]
        if self._error_model.signals == 2 or properties is None:
            return difficulty(similarity, errors)
        far = self.domain.distance(properties)
        more = (far,) if self._error_model.signals == 3 else (far, doubt(value))
        return difficulty(similarity, errors, *more)


def load_bundle(folder: Path, manifest_digest: str | None = None, *, explained: bool = True) -> Bundle:
    """Verify a bundle completely and load it.

    Checks every checksum, that no file is missing or extra, and that the model reproduces the reference
    predictions stored beside it. The replay also warms the model up.

    Parameters
    ----------
    folder
        The bundle.
    manifest_digest
        What the pointer says of its manifest; none where nobody says anything.
    explained
        Whether to read what explains its predictions: a seventh of the time and a fifth of the memory of a forest's.

    Raises
    ------
    BundleError
        When anything is missing, altered, unreadable, or predicts something else.
    """
    manifest = verify_files(folder, manifest_digest)
    try:
        card = parse_card((folder / CARD).read_bytes(), str(folder / CARD))
        reference = json.loads((folder / "reference.json").read_bytes())
        smiles, expected = list(reference["smiles"]), np.asarray(reference["values"], dtype=np.float64)
        packed = np.load(folder / "domain.npy", allow_pickle=False)
        properties = np.load(folder / PROPERTIES, allow_pickle=False) if PROPERTIES in manifest.files else None
        known = json.loads((folder / "neighbours.json").read_bytes())
        neighbours = Neighbours.of(known)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder}: unreadable content: {error!r}") from error
    domain = Domain(packed, manifest.domain_threshold, properties)
    model, explainer = load_model(folder / "model"), None
    if explained and EXPLANATION in manifest.files:
        blocks = manifest.policies.blocks(manifest.features)
        explainer = load_explainer(folder, model, blocks, manifest.target, manifest.unit, manifest.trust.probability)
    bundle = Bundle(folder, manifest, card, model, domain, neighbours, explainer)
    got = bundle.predict(reference_molecules(smiles, manifest)).value
    if expected.shape != got.shape:
        raise BundleError(f"{folder}: expected a reference value for each of {len(got)} molecules, got {expected.size}")
    difference = np.abs(got - expected) / manifest.target.size(expected)
    if not np.all(difference <= REFERENCE_TOLERANCE):
        raise BundleError(
            f"{folder}: the model does not reproduce its reference predictions: largest relative difference "
            f"{np.max(difference):.3g}, expected at most {REFERENCE_TOLERANCE:g}"
        )
    return bundle


def verify_files(folder: Path, manifest_digest: str | None = None) -> Manifest:
    """Read a bundle's manifest and check the checksum of every file it names.

    Raises
    ------
    BundleError
        When the manifest is missing, invalid or not the one of `manifest_digest`, or a file is missing, extra or
        altered.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: expected a bundle manifest, got {error.strerror}") from error
    if manifest_digest is not None and content_digest(content) != manifest_digest:
        raise BundleError(f"{path}: the checksum differs from what the pointer says: the manifest was altered")
    manifest = parse_manifest(content, str(path))
    present = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file() and file != path}
    if present != set(manifest.files):
        missing, extra = set(manifest.files) - present, present - set(manifest.files)
        raise BundleError(f"{folder}: missing files {sorted(missing)}, unexpected files {sorted(extra)}")
    for name, digest in manifest.files.items():
        if file_digest(folder / name) != digest:
            raise BundleError(f"{folder / name}: the checksum differs from the manifest: the file was altered")
    return manifest


def read_verified(folder: Path, name: str) -> bytes:
    """Read one file of a bundle that is not loaded, as its manifest covers it.

    Raises
    ------
    BundleError
        When the manifest or the file is missing, invalid or altered.
    """
    try:
        manifest = parse_manifest((folder / FILE).read_bytes(), str(folder / FILE))
        content = (folder / name).read_bytes()
    except OSError as error:
        raise BundleError(f"{folder / name}: cannot be read: {error.strerror}") from error
    if content_digest(content) != manifest.files.get(name):
        raise BundleError(f"{folder / name}: the checksum differs from the manifest: the file was altered")
    return content


def reference_molecules(smiles: Sequence[str], manifest: Manifest) -> list[Molecule]:
    """Parse reference molecules as the endpoint's molecules are, by the versions of the bundle's own rules.

    Raises
    ------
    BundleError
        When one of them is not readable.
    """
    version = manifest.policies.standardise
    molecules = [policies.standardise(text, manifest.standardise, policy=version) for text in smiles]
    valid = [molecule for molecule in molecules if isinstance(molecule, Molecule)]
    if len(valid) != len(smiles):
        raise BundleError(f"{manifest.endpoint}: a reference molecule of the bundle is not readable")
    return valid
