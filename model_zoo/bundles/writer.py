"""Writing a bundle: everything the service will need, in one folder, checked by loading it back.

Belongs here: which files are written, the reference predictions, the spread over reference drugs, checksums, version.
Does not belong here: reading (see `reader.py`), publishing (see `store.py`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo import featurizers, policies
from model_zoo.bundles.card import FILE as CARD
from model_zoo.bundles.card import ModelCard
from model_zoo.bundles.manifest import DRAFT, FILE, Manifest, version_of
from model_zoo.bundles.matched_pairs import FILE as MATCHED_PAIRS
from model_zoo.bundles.matched_pairs import MatchedPairs
from model_zoo.bundles.neighbours import Neighbours
from model_zoo.bundles.reader import PROPERTIES, Bundle, load_bundle, reference_molecules
from model_zoo.chemistry.molecules import Molecule
from model_zoo.data.reference_drugs import DrugList
from model_zoo.explanation.explanation_file import write_tables
from model_zoo.fitted_models.formats import load_model
from model_zoo.io.digests import file_digest
from model_zoo.type_aliases import Json
from model_zoo.uncertainty.applicability_domain import Domain
from model_zoo.uncertainty.fit import Uncertainty, reference_of

JUDGED_BY = 100
"""Drugs by which it is judged how much of the model atoms reproduce."""
Featurize = Callable[[Sequence[str], Sequence[Molecule]], NDArray[Any]]


@dataclass(frozen=True)
class Background:
    """What predictions are set against."""

    X_train: NDArray[Any]
    """`n x d` features of the training molecules, of many a sample: an explanation starts at what the model says of the
    average one."""
    drugs: DrugList | None = None
    """Drugs whose predictions a new prediction is set among; without them there are no percentiles."""
    featurize: Featurize = featurizers.featurize
    """Returns their features: names of featurizers and `n` molecules to `n x d`."""
    matched_pairs: MatchedPairs | None = None
    """What small changes of structure did to the measured values."""


def write_bundle(
    folder: Path,
    *,
    fields: Mapping[str, Json],
    card: ModelCard,
    model_folder: Path,
    domain: Domain,
    neighbours: Mapping[str, Sequence[object]],
    reference_smiles: Sequence[str],
    background: Background | None = None,
) -> Bundle:
    """Write a complete bundle into an empty folder and load it back as the service would.

    Parameters
    ----------
    folder
        An existing, empty folder. Publishing it is the store's work.
    fields
        Every field of `Manifest` but `version`, `domain_threshold`, `files`, `format` and `policies`, which are the
        newest: what is trained now is read by them.
    card
        The model card. No wall-clock time of the writing: the version is a digest of the content, so that writing the
        same bundle twice results in one version.
    model_folder
        A saved model.
    domain, neighbours
        The applicability domain and, in the same order, `smiles` and `values` of its molecules, and `errors` where
        the intervals need them; `relations` where some values are bounds.
    reference_smiles
        Standardised SMILES whose predictions are stored, and replayed whenever the bundle is loaded.
    background
        What predictions are set against; without it the bundle gives no percentiles and cannot explain.

    Returns
    -------
    Bundle
        The loaded bundle; its version is `<model>-<12 hexadecimal digits>`.
    """
    shutil.copytree(model_folder, folder / "model")
    np.save(folder / "domain.npy", domain.packed, allow_pickle=False)
    if domain.properties is not None:
        np.save(folder / PROPERTIES, domain.properties.astype(np.float32), allow_pickle=False)
    _write_json(folder / "neighbours.json", dict(neighbours))
    (folder / CARD).write_bytes(card.as_bytes())
    draft = Manifest(
        **dict(fields),
        policies=policies.newest(fields["features"]),
        version=DRAFT,
        domain_threshold=domain.threshold,
        files={},
    )
    known = Neighbours.of(neighbours)
    bundle = Bundle(folder, draft, card, load_model(folder / "model"), domain, known)
    values = bundle.predict(reference_molecules(reference_smiles, draft)).value
    _write_json(folder / "reference.json", {"smiles": list(reference_smiles), "values": values.tolist()})
    if background is not None:
        draft = draft.model_copy(update={"trust": _with_reference(bundle, background)})
        drugs = () if background.drugs is None else background.drugs.molecules(draft.standardise)
        others = drugs[:: max(1, len(drugs) // JUDGED_BY)]
        write_tables(folder, folder / "model", background.X_train, draft.target, known.smiles, bundle.blocks, others)
        if background.matched_pairs is not None:
            _write_json(folder / MATCHED_PAIRS, background.matched_pairs.as_json())
    files = {
        path.relative_to(folder).as_posix(): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
    whole = draft.model_copy(update={"files": files})
    manifest = whole.model_copy(update={"version": version_of(whole.as_json())})
    (folder / FILE).write_bytes(manifest.as_bytes())
    return load_bundle(folder)


def _with_reference(bundle: Bundle, background: Background) -> Uncertainty:
    manifest, drugs = bundle.manifest, background.drugs
    if drugs is None:
        return manifest.trust
    molecules = drugs.molecules(manifest.standardise)
    values = bundle.predict(molecules, background.featurize(manifest.features, molecules)).value
    finite = values[np.isfinite(values)]
    if not len(finite):
        return manifest.trust
    return manifest.trust.model_copy(update={"reference": reference_of(drugs.name, drugs.licence, finite)})


def _write_json(path: Path, content: Mapping[str, Json]) -> None:
    path.write_text(json.dumps(content, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
