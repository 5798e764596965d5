"""What a trained model's bundle holds: collected from its files, its snapshot and the decision, model card included.

Belongs here: everything that shapes a bundle's content, given where the parts lie. Signatures cover it.
Does not belong here: who gets a bundle (see `selection/election.py`), its format (see `writer.py`), the card's words
(see `model_card.py`), publishing it (see `ai_drug_assets/assets/bundling.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from model_zoo.bundles.card import (
    Curated,
    Data,
    Division,
    Drugs,
    ModelCard,
    Performance,
    Property,
    Recipe,
    Standing,
    Trusted,
    Verdict,
)
from model_zoo.bundles.matched_pairs import MatchedPairs, find_matched_pairs
from model_zoo.bundles.model_card import intended_use, limits, score_intervals
from model_zoo.bundles.reader import Bundle
from model_zoo.bundles.writer import Background, Featurize, write_bundle
from model_zoo.chemistry.similarity import pack, rows_asked
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.chemistry.stored_molecules import StoredMolecules
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.model_spec import ModelSpec
from model_zoo.data.dataset import Dataset
from model_zoo.data.folds import TEST_FOLD
from model_zoo.data.reference_drugs import DrugList, chembl_drugs
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.selection.election import Candidate, Election
from model_zoo.selection.leaderboard import Leaderboard, Row
from model_zoo.training.scales import scale_words
from model_zoo.type_aliases import Json
from model_zoo.uncertainty.applicability_domain import fit_domain
from model_zoo.uncertainty.fit import OutOfFoldPredictions, Uncertainty, fit_uncertainty

REFERENCE_MOLECULES = 20
MOST_PAIRED_AT_ONCE = 2_000
"""Training molecules whose matched pairs a provisional champion waits for: some seconds."""
SIDES = {"=": 0, ">": 1, "<": -1}
"""Where a true value is, by its relation to the one on record."""


@dataclass(frozen=True)
class Chosen:
    """A trained model that gets a bundle.

    Attributes
    ----------
    endpoint, model
        Its configuration.
    candidate, decision
        Its scores as they were judged, and the judgement.
    board, row
        The leaderboard, and the model's row in it.
    snapshot, trained
        The folders of its snapshot and of its files.
    auxiliary
        Other endpoints that it learnt from.
    record
        What its signature is the digest of.
    made_by
        Digest of what shapes the bundle beside the model.
    git_sha
        The revision that bundles it.
    """

    endpoint: Endpoint
    model: ModelSpec
    contender: Candidate
    decision: Election
    board: Leaderboard
    row: Row
    snapshot: Path
    trained: Path
    auxiliary: Sequence[str]
    record: SignatureRecord
    made_by: str
    git_sha: str


def make_bundle(folder: Path, chosen: Chosen, featurize: Featurize) -> Bundle:
    """Write a trained model's bundle into an empty folder.

    Parameters
    ----------
    folder
        An existing, empty folder.
    chosen
        The model.
    featurize
        Gives features: names of featurizers and `n` molecules to `n x d`.
    """
    endpoint, model, place = chosen.endpoint, chosen.model, chosen.trained
    snapshot = Dataset.load(chosen.snapshot)
    everyone = snapshot.molecules()
    train = training_rows(everyone.smiles, snapshot.folds)
    smiles = [everyone.smiles[row] for row in train]
    packed, kinds = pack(everyone), size_and_kind(everyone)
    trust, errors, trusted = _trust(endpoint, snapshot, (packed, kinds), train, place)
    drugs, domain = chembl_drugs(), fit_domain(packed[train], kinds[train], snapshot.folds[train])
    some = StoredMolecules(smiles[row] for row in rows_asked(len(smiles)))
    fields = {
        "endpoint": endpoint.name,
        "model": chosen.contender.model,
        "signature": chosen.contender.signature,
        **endpoint.model_dump(include={"title", "description", "unit", "display_unit", "direction", "desirable"}),
        "features": model.features,
        "standardise": endpoint.curation.standardise,
        "target": endpoint.target,
        "interval_half_width": trusted["interval"]["held_out"]["half_width"]["median"] if trust.interval else None,
        "trust": trust,
    }
    step = max(1, len(smiles) // REFERENCE_MOLECULES)
    return write_bundle(
        folder,
        fields=fields,
        card=_card(chosen, snapshot, domain.threshold, trusted, drugs),
        model_folder=place / "model",
        domain=domain,
        neighbours={
            "smiles": smiles,
            "values": snapshot.values[train].tolist(),
            "errors": errors.tolist(),
            **_relations(snapshot.table["relation"][train].tolist()),
        },
        reference_smiles=smiles[::step][:REFERENCE_MOLECULES],
        background=Background(
            featurize(model.features, some), drugs, featurize, _matched_pairs(chosen, snapshot, everyone, train)
        ),
    )


def training_rows(smiles: Sequence[str], folds: NDArray[np.int_]) -> list[int]:
    """Return the training rows, ordered by SMILES: which of equally near molecules comes first is no chance."""
    known: list[int] = np.flatnonzero(folds != TEST_FOLD).tolist()
    return sorted(known, key=smiles.__getitem__)


def candidate(row: Row) -> Candidate:
    """Return a row of the leaderboard as the rules of the contest take it."""
    return Candidate(
        model=row.model,
        signature=row.signature,
        snapshot=row.snapshot,
        folds={metric: cv.folds for metric, cv in row.cv.items()},
        ms_per_molecule=row.ms_per_molecule,
    )


def _trust(
    endpoint: Endpoint,
    snapshot: Dataset,
    known: tuple[NDArray[np.uint8], NDArray[np.float64]],
    train: list[int],
    place: Path,
) -> tuple[Uncertainty, NDArray[np.float64], dict[str, Json]]:
    """Fit what the bundle says about trust, from what the trained model predicted while molecules were held out."""
    predictions, target = np.load(place / "predictions.npz", allow_pickle=False), endpoint.target
    tested, residual = snapshot.folds == TEST_FOLD, np.full(len(snapshot.folds), np.nan)
    residual[~tested] = predictions["residual"]
    (packed, kinds), values = known, target.to_training(snapshot.values)
    side = np.array([SIDES[sign] for sign in snapshot.table["relation"]], dtype=int)
    test = target.to_training(predictions["test"])
    return fit_uncertainty(
        target,
        OutOfFoldPredictions(
            values[train] - residual[train],
            values[train],
            packed[train],
            kinds[train],
            snapshot.folds[train],
            side[train],
        ),
        OutOfFoldPredictions(test, values[tested], packed[tested], kinds[tested], snapshot.folds[tested], side[tested]),
        endpoint.between_laboratories or 0.0,
    )


def _matched_pairs(
    chosen: Chosen, snapshot: Dataset, molecules: StoredMolecules, train: list[int]
) -> MatchedPairs | None:
    """Find the matched pairs of the training molecules.

    None for a provisional champion of many: it is wanted now, and the final one has them.
    """
    if chosen.decision.awaited and len(train) > MOST_PAIRED_AT_ONCE:
        return None
    target, residual = chosen.endpoint.target, np.full(len(molecules), np.nan)
    residual[snapshot.folds != TEST_FOLD] = np.load(chosen.trained / "predictions.npz", allow_pickle=False)["residual"]
    return find_matched_pairs(
        [molecules[row] for row in train],
        target.to_training(snapshot.values)[train],
        snapshot.exact[train],
        None if target.task == "binary" else residual[train],
        snapshot.folds[train],
    )


def _relations(signs: list[str]) -> dict[str, list[str]]:
    """Return what neighbours say of their values; nothing where all were measured."""
    return {} if set(signs) <= {"="} else {"relations": signs}


def _card(
    chosen: Chosen, snapshot: Dataset, domain_threshold: float, trusted: dict[str, Json], drugs: DrugList | None
) -> ModelCard:
    endpoint, model, decision, row = chosen.endpoint, chosen.model, chosen.decision, chosen.row
    metric = endpoint.champion.metric
    property_ = Property(**endpoint.model_dump(include=set(Property.model_fields)))
    card = ModelCard(
        endpoint=property_,
        model=Recipe(
            name=model.name,
            description=model.description,
            features=tuple(model.features),
            auxiliary=tuple(sorted(chosen.auxiliary)),
            config=model.settings(endpoint.name).model_dump(mode="json") | {"task": endpoint.task},
        ),
        signature=chosen.contender.signature,
        record=chosen.record,
        contender=chosen.contender,
        made_by=chosen.made_by,
        metric=metric,
        scores=Performance(
            cv=row.cv,
            test=row.test,
            rows=row.rows,
            test_interval=_test_intervals(endpoint, snapshot, chosen.trained),
            scale=row.scale,
            scale_name=scale_words(endpoint.scale, endpoint.target, endpoint.unit),
            scales=row.scales,
        ),
        split=Division(**endpoint.split.model_dump()),
        snapshot=row.snapshot,
        git_sha=chosen.git_sha,
        decision=Verdict(
            reason=decision.reason,
            refused=decision.refused,
            p_values=decision.p_values,
            challenger=decision.challenger.model if decision.challenger else None,
        ),
        leaderboard=tuple(
            Standing(
                model=other.model,
                signature=other.signature,
                cv=other.cv[metric].mean,
                cv_std=other.cv[metric].std,
                test=other.test[metric],
            )
            for other in chosen.board.rows
        ),
        absent=chosen.board.absent,
        awaited=tuple(decision.awaited),
        trust=Trusted.model_validate(trusted),
        reference=None if drugs is None else Drugs(name=drugs.name, licence=drugs.licence),
        data=_data(endpoint, snapshot, domain_threshold),
        intended_use=intended_use(property_),
    )
    return card.model_copy(update={"limits": tuple(limits(card))})


def _data(endpoint: Endpoint, snapshot: Dataset, domain_threshold: float) -> Data:
    measured, source = snapshot.values[(snapshot.folds != TEST_FOLD) & snapshot.exact], endpoint.dataset.source
    return Data(
        curated=curated(snapshot),
        source=f"{source.kind} {getattr(source, 'package', None) or getattr(source, 'set', '')}".strip(),
        training_range=(float(measured.min()), float(measured.max())),
        domain_threshold=domain_threshold,
    )


def curated(snapshot: Dataset) -> Curated:
    """Count what became of the rows, by the names of the files alone: their folders stay private."""
    report, counted = snapshot.report, snapshot.summary()
    names = report["file"].map(lambda name: str(name).replace("\\", "/").rpartition("/")[2])
    return Curated(
        files={str(name): int(count) for name, count in names.value_counts(sort=False).items()},
        rows=len(report),
        kept=int((report["action"] == "kept").sum()),
        merged=int((report["action"] == "merged").sum()),
        dropped=cast("dict[str, int]", counted["dropped"]),
        molecules=len(snapshot.table),
        bounds=int((~snapshot.exact).sum()),
    )


def _test_intervals(endpoint: Endpoint, snapshot: Dataset, place: Path) -> dict[str, tuple[float, float]]:
    test = snapshot.folds == TEST_FOLD
    predicted = np.load(place / "predictions.npz", allow_pickle=False)["test"]
    ends = snapshot.values[test & snapshot.exact], predicted[snapshot.exact[test]]
    if endpoint.scale == "training":
        ends = endpoint.target.to_training(ends[0]), endpoint.target.to_training(ends[1])
    return score_intervals(endpoint.task, *ends)
