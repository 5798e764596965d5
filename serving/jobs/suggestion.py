"""What to measure next, of the molecules of a finished job.

Belongs here: reading a result as candidates, and who is left out and why. Does not belong here: the choice itself (see
`model_zoo/inference/suggestion.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from model_zoo import policies
from model_zoo.chemistry.molecules import CURATION_LIMITS, Molecule, Standardise, parse_molecule
from model_zoo.data.units import unit_name
from model_zoo.inference.suggestion import Goal, Pick, choose_batch, desirability
from model_zoo.type_aliases import Json
from serving.champions.champion_registry import Champion
from serving.http.problems import ProblemError

MOST_COMPARED = 2_000
"""Candidates of the highest bounds that are compared with each other; a batch comes from these."""
ROWS_NAMED = 20
"""Rows that are named of those left out for one reason."""
AS_IT_IS = Standardise(largest_fragment=False, uncharge=False, canonical_tautomer=False)

Entry = Mapping[str, Any]


class SuggestedMolecule(Struct, frozen=True):
    """A molecule of the batch, and why it is in it."""

    row: Annotated[int, Meta(description="Its row in the job, from 0.")]
    smiles: Annotated[str, Meta(description="As it was sent.")]
    desirability: Annotated[
        float, Meta(description="0 to 1: what to expect of all goals together, their geometric mean.")
    ]
    spread: Annotated[
        float, Meta(description="Standard deviation of `desirability` by the endpoints' own intervals, before picks.")
    ]
    bound: Annotated[
        float,
        Meta(description="What it was picked by: `desirability` plus `exploration` times what is left of `spread`."),
    ]
    similarity: Annotated[float, Meta(description="Highest Tanimoto similarity to an earlier pick, 0 to 1.")]
    like: Annotated[int | None, Meta(description="The row of that pick; null for the first.")]
    endpoints: Annotated[dict[str, Any], Meta(description="As in the job's result.")]
    columns: Annotated[dict[str, str], Meta(description="What came with the row.")]


class LeftOut(Struct, frozen=True):
    """Rows that take no part, for one reason."""

    code: Annotated[
        str,
        Meta(
            description="As in a prediction; `no-value` where a goal has none, `same-molecule` of a row before, "
            "`measured` where every goal's training data have the molecule."
        ),
    ]
    rows: Annotated[int, Meta(description="How many.")]
    first: Annotated[list[int], Meta(description=f"Which, from 0; the first {ROWS_NAMED}.")]


class Suggestion(Struct, frozen=True):
    """What to measure next, the most promising first."""

    picks: list[SuggestedMolecule]
    goals: Annotated[list[str], Meta(description="The endpoints that say what is wanted, by a range or a direction.")]
    candidates: Annotated[int, Meta(description="Rows that could be picked.")]
    left_out: list[LeftOut]


@dataclass
class _Candidates:
    """The rows that could be picked, and the others by reason."""

    rows: list[int] = field(default_factory=list)
    smiles: list[str] = field(default_factory=list)
    numbers: list[list[tuple[float, float, float]]] = field(default_factory=list)
    """By row and goal: value and the ends of its interval, in the endpoint's unit."""
    left_out: dict[str, list[int]] = field(default_factory=dict)
    refused: int = 0
    """Rows among `rows` that cannot be compared."""

    def leave_out(self, code: str, row: int) -> None:
        self.left_out.setdefault(code, []).append(row)


def goals_of(champions: Mapping[str, Champion]) -> dict[str, Goal]:
    """Return the goals of those endpoints that have one.

    Raises
    ------
    ProblemError
        `invalid-request` when none has.
    """
    found = {
        name: Goal.of(each.manifest.target, each.manifest.desirable, each.manifest.direction, each.measured)
        for name, each in champions.items()
    }
    goals = {name: goal for name, goal in found.items() if goal is not None}
    if not goals:
        raise ProblemError(
            "invalid-request",
            f"endpoints: expected at least one that says what is wanted, got {', '.join(found) or 'none'}. Give "
            "its YAML `desirable` (a range) or `direction` (higher or lower), and train it again",
        )
    return goals


def suggest(
    read: Callable[[], Iterable[bytes]],
    champions: Mapping[str, Champion],
    size: int,
    exploration: float,
) -> Suggestion:
    """Choose a batch from a result.

    Parameters
    ----------
    read
        Reads the result as NDJSON from its beginning; done twice, for a large one is never held whole.
    champions
        The endpoints that count.
    size, exploration
        As `choose_batch` takes them.
    """
    goals = goals_of(champions)
    found = _candidates(read(), {name: champions[name] for name in goals})
    picks: list[Pick] = []
    mean = spread = np.empty(0)
    best: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    if found.rows:
        Y, half_widths = _on_training_scale(goals, np.array(found.numbers))
        mean, spread = desirability(list(goals.values()), Y, half_widths)
        best = np.sort(np.argsort(-(mean + exploration * spread), kind="stable")[:MOST_COMPARED])
        best, molecules = _compared(found, best)
        if molecules:
            picks = choose_batch(mean[best], spread[best], policies.fingerprints(molecules), size, exploration)
    rows = {found.rows[best[pick.row]]: pick for pick in picks}
    entries = {row: entry for row, entry in _entries(read()) if row in rows} if rows else {}

    def suggested(row: int, pick: Pick) -> SuggestedMolecule:
        place, entry = best[pick.row], entries[row]
        return SuggestedMolecule(
            row=row,
            smiles=entry["smiles"],
            desirability=round(float(mean[place]), 4),
            spread=round(float(spread[place]), 4),
            bound=round(pick.bound, 4),
            similarity=round(pick.similarity, 4),
            like=None if pick.like is None else found.rows[best[pick.like]],
            endpoints=entry["endpoints"],
            columns=entry["columns"],
        )

    left_out = [LeftOut(code, len(each), each[:ROWS_NAMED]) for code, each in sorted(found.left_out.items())]
    candidates = len(found.rows) - found.refused
    return Suggestion([suggested(row, pick) for row, pick in rows.items()], list(goals), candidates, left_out)


def _entries(pieces: Iterable[bytes]) -> Iterator[tuple[int, Entry]]:
    return enumerate(msgspec.json.decode(line) for piece in pieces for line in piece.splitlines())


def _candidates(pieces: Iterable[bytes], goals: Mapping[str, Champion]) -> _Candidates:
    """Sort the rows into those that could be picked and the others.

    Endpoints may standardise differently: what is one molecule for any of them need not be bought twice, and what was
    measured each of them says of its own reading.
    """
    found = _Candidates()
    measured = {name: set(each.bundle.neighbours.smiles) for name, each in goals.items()}
    seen: dict[str, set[str]] = {name: set() for name in goals}
    for row, entry in _entries(pieces):
        estimates: Mapping[str, Json] = entry.get("endpoints") or {}
        if "error" in entry:
            found.leave_out(entry["error"]["code"], row)
        elif any(name not in estimates for name in goals):
            found.leave_out("no-value", row)
        elif all(estimates[name]["standardised"] in measured[name] for name in goals):
            found.leave_out("measured", row)
        elif any(estimates[name]["standardised"] in seen[name] for name in goals):
            found.leave_out("same-molecule", row)
        else:
            for name, each in goals.items():
                seen[name].add(estimates[name]["standardised"])
                _require_unit(name, estimates[name]["unit"], each.manifest.unit)
            found.rows.append(row)
            found.smiles.append(next(estimates[name]["standardised"] for name in goals))
            found.numbers.append([_numbers(estimates[name]) for name in goals])
    return found


def _require_unit(name: str, predicted: str, wished: str) -> None:
    """Refuse values of an earlier champion in another unit than what is wanted of the present one, however written."""
    if unit_name(predicted) != unit_name(wished):
        raise ProblemError(
            "invalid-request",
            f"{name}: the job's values are in {predicted}, and its champion of now says what is wanted in {wished}: "
            "submit the molecules again",
        )


def _numbers(estimate: Mapping[str, Json]) -> tuple[float, float, float]:
    low, high = estimate.get("interval") or (estimate["value"], estimate["value"])
    return estimate["value"], low, high


def _on_training_scale(
    goals: Mapping[str, Goal], numbers: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values and half widths, `n x k` each; an interval that a bound cuts is as wide as its other side says."""
    Y, half_widths = np.empty(numbers.shape[:2]), np.empty(numbers.shape[:2])
    for place, (name, goal) in enumerate(goals.items()):
        if np.any(goal.target.outside(numbers[:, place])):
            raise ProblemError(
                "invalid-request",
                f"{name}: an earlier champion predicted, and that of now takes only {goal.target.takes}: submit the "
                "molecules again",
            )
        value, low, high = map(goal.target.to_training, numbers[:, place].T)
        Y[:, place], half_widths[:, place] = value, np.maximum(high - value, value - low)
    return Y, half_widths


def _compared(found: _Candidates, places: NDArray[np.intp]) -> tuple[NDArray[np.intp], list[Molecule]]:
    """Read the structures at some places; what a champion by earlier rules predicted and is refused now is left out."""
    read = {int(place): parse_molecule(found.smiles[place], AS_IT_IS, CURATION_LIMITS) for place in places}
    for place, molecule in read.items():
        if not isinstance(molecule, Molecule):
            found.leave_out(molecule.code, found.rows[place])
            found.refused += 1
    kept = {place: molecule for place, molecule in read.items() if isinstance(molecule, Molecule)}
    return np.array(list(kept), dtype=np.intp), list(kept.values())
