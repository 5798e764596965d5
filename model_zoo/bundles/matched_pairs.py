"""Matched pairs of the training molecules: what a small change of structure did to the measured value.

Belongs here: finding the pairs, what was measured for each change, how wrong predicted differences were, the file of a
bundle that keeps it.
Does not belong here: cutting molecules (see `chemistry/single_cuts.py`), suggestions for a molecule (see
`serving/page/what_if.py`).

A change counts by what hangs on what: chlorine for hydrogen on an aromatic carbon is another one than on an aliphatic
one, and a hydroxyl group on a carbon beside nitrogen is another one than in a chain. Cutting grows with the number of
molecules and is nearly all of the work (`bench_matched_pairs`). Pairs grow with the square of the molecules that share
a part, which is why of a part that very many share only those with the most frequent variable parts are paired.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_zoo.bundles.reader import Bundle, read_verified
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.single_cuts import HYDROGEN, context, single_cuts, with_hydrogen
from model_zoo.errors import BundleError
from model_zoo.type_aliases import Json

FILE = "matched_pairs.json"
FEWEST_PAIRS = 3
"""A change that fewer pairs show is not reported."""
MOST_OF_A_PART = 300
"""Molecules that are paired with each other for one part that they share: 45,000 pairs."""
FEWEST_DIFFERENCES = 30
"""With fewer pairs nothing is said about how wrong predicted differences are."""


class Change(NamedTuple):
    """A change of structure, and what was measured for it, on the scale of training."""

    before: str
    after: str
    """`before` and `after`: the variable parts, as SMILES with `[*:1]`."""
    context: str
    """What they hang on, see `context`."""
    pairs: int
    """How many pairs of molecules show it."""
    median: float
    low: float
    high: float
    """`median`, `low` and `high`: of the change of the value: the median and the quartiles."""
    rose: int
    fell: int
    """`rose` and `fell`: in how many pairs the value rose or fell."""

    @property
    def reversed(self) -> Change:
        """The same the other way round."""
        return Change(
            self.after, self.before, self.context, self.pairs, -self.median, -self.high, -self.low, self.fell, self.rose
        )


class Differences(NamedTuple):
    """How wrong predicted differences of matched pairs were, both molecules held out; on the scale of training."""

    pairs: int
    """How many pairs."""
    usual: float
    most: float
    """`usual` and `most`: what half and nine tenths of the absolute errors stay below."""
    unchanged: float
    """What nine tenths would stay below if no difference were predicted, ever."""


@dataclass(frozen=True)
class MatchedPairs:
    """What the matched pairs of a training set show."""

    changes: tuple[Change, ...]
    differences: Differences | None

    @cached_property
    def by_part(self) -> Mapping[tuple[str, str], tuple[Change, ...]]:
        """The changes that begin at a variable part in a context, in both directions."""
        found: dict[tuple[str, str], list[Change]] = defaultdict(list)
        for change in self.changes:
            for each in (change, change.reversed):
                found[each.before, each.context].append(each)
        return {key: tuple(each) for key, each in found.items()}

    def as_json(self) -> dict[str, Json]:
        """Return what the file holds."""
        columns = zip(*self.changes, strict=True) if self.changes else ((),) * len(Change._fields)
        return {
            "changes": {name: list(column) for name, column in zip(Change._fields, columns, strict=True)},
            "differences": None if self.differences is None else self.differences._asdict(),
        }

    @classmethod
    def of(cls, content: Mapping[str, Json]) -> MatchedPairs:
        """Read what the file holds; fields that this version does not know are passed over.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is something else.
        """
        columns, differences = content["changes"], content.get("differences")
        changes = zip(*(columns[name] for name in Change._fields), strict=True)
        known = (
            None if differences is None else Differences(**{name: differences[name] for name in Differences._fields})
        )
        return cls(tuple(Change(*each) for each in changes), known)


def read_matched_pairs(bundle: Bundle) -> MatchedPairs | None:
    """Read those of a bundle; none where it came without.

    Raises
    ------
    BundleError
        When the file is altered or something else.
    """
    if FILE not in bundle.manifest.files:
        return None
    try:
        return MatchedPairs.of(json.loads(read_verified(bundle.folder, FILE)))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{bundle.folder / FILE}: expected matched pairs, got {error!r}") from error


def find_matched_pairs(
    molecules: Sequence[Molecule],
    values: NDArray[np.float64],
    exact: NDArray[np.bool_],
    residuals: NDArray[np.float64] | None = None,
    folds: NDArray[np.int_] | None = None,
) -> MatchedPairs:
    """Find the matched pairs of `n` molecules.

    Parameters
    ----------
    molecules
        Standardised molecules.
    values
        `n` measured values on the scale of training, or classes.
    exact
        `n` times whether the value is one, not a bound: bounds are left out.
    residuals
        `n` measured values minus what was predicted while the molecule was held out; none for classes.
    folds
        The fold with which each was held out, beside residuals: of a difference the error is known where both were
        held out together. In another fold, the partner was learnt from.

    Returns
    -------
    MatchedPairs
        Changes in alphabetical order, each in one direction.
    """
    effects: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    wrong: dict[tuple[int, int], tuple[float, float]] = {}
    known: list[int] = np.flatnonzero(exact & np.isfinite(values)).tolist()
    for parts, where, a, b in _pairs([molecules[row] for row in known]):
        first, second = known[a], known[b]
        moved = float(values[second] - values[first])
        effects[(*parts, where)].append(moved)
        together = folds is None or folds[first] == folds[second]
        if residuals is not None and together:  # two molecules may be a pair in several ways
            wrong[min(a, b), max(a, b)] = abs(float(residuals[second] - residuals[first])), abs(moved)
    changes = [_change(key, given) for key, given in sorted(effects.items()) if len(given) >= FEWEST_PAIRS]
    return MatchedPairs(tuple(changes), _differences(np.array(list(wrong.values()))))


def _pairs(molecules: Sequence[Molecule]) -> Iterator[tuple[tuple[str, str], str, int, int]]:
    """Yield each matched pair once: both variable parts in alphabetical order, their context, the two places."""
    shared: dict[str, dict[str, int]] = defaultdict(dict)
    for row, molecule in enumerate(molecules):
        for cut in single_cuts(molecule.mol):
            shared[cut.constant].setdefault(cut.variable, row)
    place = {molecule.smiles: row for row, molecule in enumerate(molecules)}
    for constant, variables in shared.items():
        bare = place.get(with_hydrogen(constant) or "")
        if bare is not None:
            variables[HYDROGEN] = bare
    # A change needs both its parts in as many constant parts as it needs pairs.
    often = Counter(variable for variables in shared.values() for variable in variables)
    for constant in sorted(shared):
        able = [each for each in shared[constant] if often[each] >= FEWEST_PAIRS]
        if len(able) < 2:
            continue
        able = sorted(sorted(able, key=lambda each: (-often[each], each))[:MOST_OF_A_PART])
        where = context(constant)
        for before, after in combinations(able, 2):
            a, b = shared[constant][before], shared[constant][after]
            if a != b:
                yield (before, after), where, a, b


def _change(key: tuple[str, str, str], given: Sequence[float]) -> Change:
    low, median, high = (round(float(each), 6) for each in np.quantile(given, (0.25, 0.5, 0.75)))
    return Change(*key, len(given), median, low, high, sum(each > 0 for each in given), sum(each < 0 for each in given))


def _differences(wrong: NDArray[np.float64]) -> Differences | None:
    """Sum up the absolute errors of predicted differences and the absolute differences, `n x 2`."""
    known = wrong[np.isfinite(wrong).all(axis=1)] if len(wrong) else wrong
    if len(known) < FEWEST_DIFFERENCES:
        return None
    usual, most = (round(float(each), 6) for each in np.quantile(known[:, 0], (0.5, 0.9)))
    return Differences(len(known), usual, most, round(float(np.quantile(known[:, 1], 0.9)), 6))
