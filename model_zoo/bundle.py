"""The bundle: the immutable folder that the service loads.

Belongs here: writing, checking, loading a bundle, and predicting with one.
Does not belong here: where bundles live and which one is current (see `store.py`), how a champion is
chosen (see `champion.py`), HTTP.

Layout of a bundle (data only; nothing in it is ever unpickled)::

    manifest.json      what it is, how to predict with it, SHA-256 of every other file
    card.json          model card: scores, decision, losers, data, record of the signature
    model/             the fitted model, see model_formats.py
    domain.npy         packed fingerprints of the training molecules
    neighbours.json    their SMILES and measured values, same order
    reference.json     reference molecules and what the model predicted for them when it was bundled
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from model_zoo import featurizers
from model_zoo.digests import file_digest, json_digest
from model_zoo.errors import BundleError
from model_zoo.model_formats import Model, load_model
from model_zoo.molecules import Molecule, Standardise, parse_molecule
from model_zoo.targets import Target
from model_zoo.uncertainty import Domain

FORMAT: Literal[1] = 1
REFERENCE_TOLERANCE = 1e-4
"""Largest accepted difference to a stored reference prediction, relative to max(1, |value|): ONNX Runtime may
differ in the last bits of float32 between processors, a wrong model differs by far more."""


class Manifest(BaseModel):
    """What a bundle is and how to predict with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    endpoint: str
    version: str
    model: str
    signature: str
    title: str
    description: str
    unit: str
    direction: Literal["higher", "lower", "none"]
    features: tuple[str, ...]
    standardise: Standardise
    target: Target
    interval_half_width: float | None
    """Half width of the 90 % interval on the scale the model was trained on; none for binary endpoints."""
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
    """

    smiles: tuple[str, ...]
    values: NDArray[np.float64]


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
        `n` values: in the endpoint's unit, or the probability of class 1.
    lower, upper
        Ends of the 90 % interval, or none where the endpoint is binary.
    similarity
        Highest Tanimoto similarity to a training molecule, in [0, 1].
    """

    value: NDArray[np.float64]
    lower: NDArray[np.float64] | None
    upper: NDArray[np.float64] | None
    similarity: NDArray[np.float64]


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory, ready to predict."""

    folder: Path
    manifest: Manifest
    card: Mapping[str, Any]
    model: Model
    domain: Domain
    neighbours: Neighbours

    def nearest(self, molecules: Sequence[Molecule], k: int = 3) -> list[list[Neighbour]]:
        """Give the `k` training molecules most like each molecule, most similar first; fewer where there are fewer."""
        if not molecules or not len(self.neighbours.values):
            return [[] for _ in molecules]
        similarity, rows = self.domain.nearest(molecules, k)
        return [
            [
                Neighbour(self.neighbours.smiles[row], float(alike), float(self.neighbours.values[row]))
                for row, alike in zip(row_of, alike_of, strict=True)
            ]
            for row_of, alike_of in zip(rows, similarity, strict=True)
        ]

    def predict(self, molecules: Sequence[Molecule], X: NDArray[Any] | None = None) -> Predictions:
        """Predict for standardised molecules, in order.

        Parameters
        ----------
        molecules
            Molecules standardised by `manifest.standardise`.
        X
            Their features, when the caller already has them (`featurizers.featurize(manifest.features,
            molecules)`): endpoints that share featurizers share the work.
        """
        manifest = self.manifest
        if X is None:
            X = featurizers.featurize(manifest.features, molecules)
        raw = self.model.predict(X)
        similarity = self.domain.nearest(molecules)[0][:, 0] if molecules else np.empty(0)
        lower = upper = None
        if manifest.interval_half_width is not None:
            lower = manifest.target.to_unit(raw - manifest.interval_half_width)
            upper = manifest.target.to_unit(raw + manifest.interval_half_width)
        return Predictions(manifest.target.to_unit(raw), lower, upper, similarity)


def write_bundle(
    folder: Path,
    *,
    fields: Mapping[str, Any],
    card: Mapping[str, Any],
    model_folder: Path,
    domain: Domain,
    neighbours: Mapping[str, Sequence[Any]],
    reference_smiles: Sequence[str],
) -> Bundle:
    """Write a complete bundle into an empty folder and load it back as the service would.

    Parameters
    ----------
    folder
        An existing, empty folder. Publishing it is the store's work.
    fields
        Every field of `Manifest` but `version`, `domain_threshold`, `files` and `format`.
    card
        The model card: anything JSON can say. No wall-clock time of the writing: the version is a digest
        of the content, so that writing the same bundle twice gives the same version.
    model_folder
        A saved model.
    domain, neighbours
        The applicability domain and, in the same order, `smiles` and `values` of its molecules.
    reference_smiles
        Standardised SMILES whose predictions are stored, and replayed whenever the bundle is loaded.

    Returns
    -------
    Bundle
        The loaded bundle; its version is `<model>-<12 hexadecimal digits>`.
    """
    shutil.copytree(model_folder, folder / "model")
    np.save(folder / "domain.npy", domain.packed, allow_pickle=False)
    _write_json(folder / "neighbours.json", dict(neighbours))
    _write_json(folder / "card.json", dict(card))
    draft = Manifest(**dict(fields), version="draft", domain_threshold=domain.threshold, files={})
    model = load_model(folder / "model")
    molecules = _reference_molecules(reference_smiles, draft)
    known = Neighbours(tuple(neighbours["smiles"]), np.asarray(neighbours["values"], dtype=np.float64))
    values = Bundle(folder, draft, card, model, domain, known).predict(molecules).value
    _write_json(folder / "reference.json", {"smiles": list(reference_smiles), "values": values.tolist()})
    files = {
        path.relative_to(folder).as_posix(): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
    content = draft.model_copy(update={"files": files}).model_dump(mode="json")
    version = f"{draft.model}-{json_digest(content)[:12]}"
    manifest = draft.model_copy(update={"files": files, "version": version})
    _write_json(folder / "manifest.json", manifest.model_dump(mode="json"))
    return load_bundle(folder)


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
        neighbours = Neighbours(tuple(map(str, known["smiles"])), np.asarray(known["values"], dtype=np.float64))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder}: unreadable content: {error!r}") from error
    if not len(neighbours.smiles) == len(neighbours.values) == len(packed):
        raise BundleError(
            f"{folder}: expected a SMILES and a value for each of {len(packed)} training molecules, got "
            f"{len(neighbours.smiles)} and {len(neighbours.values)}"
        )
    domain = Domain(packed, manifest.domain_threshold)
    bundle = Bundle(folder, manifest, card, load_model(folder / "model"), domain, neighbours)
    got = bundle.predict(_reference_molecules(smiles, manifest)).value
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


def _reference_molecules(smiles: Sequence[str], manifest: Manifest) -> list[Molecule]:
    molecules = [parse_molecule(text, manifest.standardise) for text in smiles]
    valid = [molecule for molecule in molecules if isinstance(molecule, Molecule)]
    if len(valid) != len(smiles):
        raise BundleError(f"{manifest.endpoint}: a reference molecule of the bundle is not readable")
    return valid


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
