"""How many hits are found, round by round, when `suggest` says what to measure? Real series, played again.

A campaign starts with 48 molecules drawn from the earliest part of a series, and measures 24 per round. Each round a
model is fitted on all that was measured, and says what it expects of the rest. Compared, over the same starts: what
`suggest` picks, the best as they are (no exploration), the most uncertain, random picks, and the order in which the
molecules were registered. The exploration was chosen on BACE alone, of which no order is known.

`python -m tests.benchmarks.bench_suggest FOLDER [SERIES ...]`, FOLDER being that of `moleculenet/bace.csv`,
`egfr_ic50/EGFR_compounds.csv` and `biogen_fang2023/ADME_public_set_3521.csv`; some minutes of a core for each series.
A strategy that is in the results is not played again.
Then `python -m tests.benchmarks.suggestion_report` writes `docs/suggestions.md`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.chemistry.similarity import PackedFingerprints, pack, tanimoto_to_all
from model_zoo.config.desirability import Desirable
from model_zoo.data.targets import Target
from model_zoo.inference.suggestion import EXPLORATION, WITHIN_INTERVAL, Goal, choose_batch, desirability

RESULTS = Path(__file__).parent / "results" / "suggest.json"
START, BATCH, ROUNDS, SEEDS = 48, 24, 20, 10
EARLIEST = 0.1
"""Of a series: where a start is drawn from."""
COUNTED_AFTER = (5, 10, 20)
"""Rounds after which hits are counted."""
EXPLORATIONS = (EXPLORATION, 0.5, 2.0)
OURS = f"suggest {EXPLORATION:g}"
NOISES = (0.03, 0.1, 0.3)
"""Shares of the variance that a model may take for noise; the likeliest counts."""
REGRESSION = Target(task="regression")
DRAWS = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Molecules in the order of their registration.

    Attributes
    ----------
    smiles, Y
        `n` molecules, and their `n x k` values.
    wanted
        What is wanted of each column: a range, or a direction.
    hits
        Which of them are what the campaign is for.
    ordered
        Whether the order means anything.
    """

    smiles: list[str]
    Y: Floats
    wanted: Sequence[Desirable | str]
    hits: NDArray[np.bool_]
    ordered: bool


def potency(table: pd.DataFrame, *, ordered: bool) -> Series:
    """Return a series whose hits are its most potent tenth."""
    values = table["value"].to_numpy(dtype=np.float64)
    hits = values >= np.quantile(values, 0.9)
    return Series(list(table["smiles"]), values[:, None], ["higher"], hits, ordered)


def bace(folder: Path) -> Series:
    """Inhibitors of BACE-1, pIC50; sorted by their source, so in no order of time."""
    raw = pd.read_csv(folder / "moleculenet" / "bace.csv")
    return potency(merged(raw["smiles"], raw[["pIC50"]], np.arange(len(raw))), ordered=False)


def egfr(folder: Path) -> Series:
    """Inhibitors of EGFR, pIC50, in the order of their ChEMBL numbers."""
    raw = pd.read_csv(folder / "egfr_ic50" / "EGFR_compounds.csv")
    number = raw["molecule_chembl_id"].str.removeprefix("CHEMBL").astype(int)
    return potency(merged(raw["smiles"], raw[["pIC50"]], number), ordered=True)


def biogen(folder: Path) -> Series:
    """Biogen's molecules with three assays, in the order of their numbers: stable, soluble, low efflux."""
    raw = pd.read_csv(folder / "biogen_fang2023" / "ADME_public_set_3521.csv")
    raw = raw.rename(columns=lambda name: next((key for key in ("HLM", "SOLUBILITY", "MDR1") if key in name), name))
    raw = raw.dropna(subset=["HLM", "SOLUBILITY", "MDR1"])
    table = merged(
        raw["SMILES"], raw[["HLM", "SOLUBILITY", "MDR1"]], raw["Internal ID"].str.removeprefix("Mol").astype(int)
    )
    wanted = [Desirable(high=1.0, margin=1.0), Desirable(low=1.5, margin=1.0), Desirable(high=0.3, margin=0.7)]
    Y = table[["HLM", "SOLUBILITY", "MDR1"]].to_numpy(dtype=np.float64)
    hits = np.all([[one.score(value) == 1 for value in Y[:, place]] for place, one in enumerate(wanted)], axis=0)
    return Series(list(table["smiles"]), Y, wanted, hits, ordered=True)


SERIES: dict[str, Callable[[Path], Series]] = {"bace": bace, "egfr": egfr, "biogen": biogen}


def merged(smiles: pd.Series, values: pd.DataFrame, order: Any) -> pd.DataFrame:
    """Return each molecule once, with the means of its values, by its first number."""
    read = [parse_molecule(text) for text in smiles]
    standard = [each.smiles if isinstance(each, Molecule) else None for each in read]
    table = values.assign(smiles=np.array(standard, dtype=object), order=np.asarray(order))
    made = table.dropna().groupby("smiles", sort=False).agg({**dict.fromkeys(values.columns, "mean"), "order": "min"})
    made = made.sort_values("order", kind="stable").reset_index()
    return made.rename(columns={values.columns[0]: "value"}) if len(values.columns) == 1 else made


class Campaign:
    """A series, and what its molecules have in common."""

    def __init__(self, series: Series) -> None:
        self.series = series
        molecules = [parse_molecule(text) for text in series.smiles]
        self.packed = pack([each for each in molecules if isinstance(each, Molecule)])
        references = PackedFingerprints(self.packed)
        self.covariance = np.array([tanimoto_to_all(row, references) for row in self.packed], dtype=np.float32)

    def found(self, strategy: str, seed: int) -> list[int]:
        """Play a campaign; give the hits among all that was measured, at the start and after each round."""
        generator, count = np.random.default_rng(seed), len(self.series.smiles)
        early = max(4 * START, round(EARLIEST * count)) if self.series.ordered else count
        measured = list(generator.choice(early, START, replace=False))
        found = [int(self.series.hits[measured].sum())]
        for _ in range(ROUNDS):
            left = np.setdiff1d(np.arange(count), measured)
            measured += list(left[self._picked(strategy, np.array(measured), left, generator)])
            found.append(int(self.series.hits[measured].sum()))
        return found

    def _picked(
        self, strategy: str, measured: NDArray[np.int_], left: NDArray[np.int_], generator: np.random.Generator
    ) -> NDArray[np.int_]:
        if strategy == "random":
            return generator.choice(len(left), BATCH, replace=False)
        if strategy == "order":
            return np.arange(BATCH)
        mean, spread = self.expected(measured, left)
        exploration = float(strategy.partition(" ")[2] or 0)
        if strategy == "uncertain":
            mean, exploration = np.zeros(len(left)), 1.0
        return np.array([pick.row for pick in choose_batch(mean, spread, self.packed[left], BATCH, exploration)])

    def expected(self, measured: NDArray[np.int_], left: NDArray[np.int_]) -> tuple[Floats, Floats]:
        """Return the mean and the spread of the desirability of what is left, by Gaussian processes."""
        goals, Y, half_widths = [], [], []
        for place, wanted in enumerate(self.series.wanted):
            known = self.series.Y[measured, place]
            direction = "none" if isinstance(wanted, Desirable) else wanted
            goal = Goal.of(REGRESSION, wanted if isinstance(wanted, Desirable) else None, direction, known)  # type: ignore[arg-type]
            assert goal is not None
            mean, deviation = gaussian_process(self.covariance, measured, left, known)
            goals.append(goal)
            Y.append(mean)
            half_widths.append(deviation * WITHIN_INTERVAL)
        return desirability(goals, np.column_stack(Y), np.column_stack(half_widths))


def gaussian_process(
    covariance: NDArray[np.float32], measured: NDArray[np.int_], left: NDArray[np.int_], y: Floats
) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation of what is left, the share of noise being the likeliest."""
    from scipy.linalg import cho_solve, cholesky, solve_triangular

    K, centered = covariance[np.ix_(measured, measured)].astype(np.float64), y - y.mean()
    best: tuple[float, Any] = (-np.inf, None)
    for noise in NOISES:
        factor = cholesky((1 - noise) * K + noise * np.eye(len(y)), lower=True)
        weights = cho_solve((factor, True), centered)
        variance = float(centered @ weights) / len(y)
        likelihood = -0.5 * len(y) * np.log(max(variance, 1e-12)) - float(np.log(np.diag(factor)).sum())
        if likelihood > best[0]:
            best = likelihood, (noise, factor, weights, variance)
    noise, factor, weights, variance = best[1]
    across = (1 - noise) * covariance[np.ix_(measured, left)].astype(np.float64)
    explained = (solve_triangular(factor, across, lower=True) ** 2).sum(axis=0)
    deviation = np.sqrt(np.maximum(variance * ((1 - noise) - explained), 0))
    return y.mean() + across.T @ weights, deviation


def compared(found: dict[str, list[list[int]]], hits: int) -> dict[str, Any]:
    """Return each strategy's share of all hits, and how much more `suggest` found than each, with intervals.

    The intervals (95 %) come from drawing starts, the same for both.
    """
    draws = np.random.default_rng(0).integers(0, SEEDS, (DRAWS, SEEDS))
    shares = {name: np.array(counts) / hits for name, counts in found.items()}
    ours = shares[OURS]
    gains = {}
    for name, theirs in shares.items():
        gap = ours - theirs
        low, high = np.quantile(gap[draws].mean(axis=1), [0.025, 0.975], axis=0)
        three = zip(gap.mean(axis=0), low, high, strict=True)
        gains[name] = [[round(float(value), 4) for value in each] for each in three]
    return {
        "share": {name: [round(float(value), 4) for value in each.mean(axis=0)] for name, each in shares.items()},
        "gain": gains,
    }


def main() -> None:
    """Play what was not played yet, strategy by strategy, and write what was found."""
    folder, *names = sys.argv[1:]
    for name in names or SERIES:
        campaign = Campaign(SERIES[name](Path(folder)))
        series = campaign.series
        explorations = (EXPLORATION,) if series.ordered else EXPLORATIONS
        explored = [f"suggest {each:g}" for each in explorations]
        hits = int(series.hits.sum())
        for strategy in [*explored, "greedy", "uncertain", "random", *(["order"] if series.ordered else [])]:
            known = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
            found = known.get(name, {}).get("found", {})
            if strategy in found:
                continue
            began = time.process_time()
            played = [campaign.found(strategy, seed) for seed in range(SEEDS)]
            found[strategy] = [[counts[number] for number in COUNTED_AFTER] for counts in played]
            made = {"molecules": len(series.smiles), "hits": hits, "campaigns": SEEDS, "found": found}
            known[name] = {**made, **(compared(found, hits) if OURS in found else {})}
            RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            print(name, strategy, found[strategy], f"{time.process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
