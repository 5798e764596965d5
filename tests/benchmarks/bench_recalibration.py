"""How fast intervals follow measured values that come back: simulated shifts, and whole sources that were withheld.

Simulated: errors of Laplace's law whose size is multiplied, 400 streams each. Sources: AqSolDB and Biogen, withheld
from a model of the embedded solubilities as in `bench_uncertainty`; values come back in the order of the source's own
file, in which series follow one another, and in 20 random orders. Reported is how often intervals hold for **all values
that came later**, before any value came back, and after so many. The baseline is the bundle's own interval in the same
run. Hostile values are real ones of AqSolDB that were altered: by a laboratory's offset, by a unit that nobody named.

`python -m tests.benchmarks.bench_recalibration [CACHE --data FOLDER] [--write]`; `--write` puts the tables into
`docs/uncertainty.md`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from model_zoo.chemistry.molecules import Molecule, parse_molecule
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import load_configs
from model_zoo.data.targets import Target
from model_zoo.monitoring.calibration_rows import PredictedInterval
from model_zoo.monitoring.prediction_log import MeasurementRow
from model_zoo.monitoring.recalibration import Recalibration, recalibrate
from tests.benchmarks.bench_uncertainty import DOCUMENT, apply_rules
from tests.benchmarks.marked_table import write_between
from tests.benchmarks.withheld import ROOT, Case, cases, elsewhere

STREAMS, ORDERS = 400, 20
COUNTS = (30, 60, 100, 300)
SHIFTS = (1.0, 1.3, 1.7, 2.5, 0.7)
FAMILIES = ("xgb", "gp")
AFTER = (20, 50, 100, 300)
RECENT = 50
ALTERED = {"as they are": 0.0, "all 0.5 higher": 0.5, "all 1 higher": 1.0, "umol/L sent as mol/L (all 6 higher)": 6.0}


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path, nargs="?")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    lines = simulated()
    if asked.cache is not None and asked.data is not None:
        lines += ["", *replayed(asked.cache, asked.data)]
    print("\n".join(lines))
    if asked.write:
        write_between(DOCUMENT, "recalibration", lines)


def followed(errors: np.ndarray) -> Recalibration:
    """Follow errors in half widths, one molecule each."""
    names = [number.to_bytes(16, "big") for number in range(len(errors))]
    rows = [
        MeasurementRow(float(at), name, None, "e", value)
        for at, (name, value) in enumerate(zip(names, errors.tolist(), strict=True), start=1)
    ]
    return recalibrate(Target(task="regression"), "", {name: PredictedInterval(0.0, 1.0, 0.0) for name in names}, rows)


def simulated() -> list[str]:
    """Return coverage and factor after so many values, by how much larger errors are than those of training."""
    titles = ["errors are larger by", "before", *(f"after {count} values" for count in COUNTS)]
    lines = begin([*titles, f"factor after {COUNTS[-1]} (two of three streams)"])
    generator, unit = np.random.default_rng(0), 1 / math.log(10.0)
    for shift in SHIFTS:
        size, cells = shift * unit, [f"{shift:g}", f"{1 - math.exp(-1 / (shift * unit)):.0%}"]
        streams = generator.laplace(0.0, size, (STREAMS, COUNTS[-1]))
        for count in COUNTS:
            factors = np.array([followed(stream[:count]).factor for stream in streams])
            held = 1 - np.exp(-factors / size)
            cells.append(f"{held.mean():.0%} ± {held.std():.0%}")
        low, high = np.quantile(factors, [1 / 6, 5 / 6])
        lines.append("| " + " | ".join([*cells, f"{low:.2f} to {high:.2f}"]) + " |")
    return lines


def replayed(cache: Path, data: Path) -> list[str]:
    """Return how often intervals held for the values of a source that came back one after another."""
    titles = ["model", "source", "order", "values", "before", *(f"after {count}" for count in AFTER),
              "factor at the end", "own intervals, first and last 50"]  # fmt: skip
    lines, hostile = begin(titles), begin(["values of AqSolDB", "before", *(f"after {n}" for n in AFTER), "factor"])
    configs = load_configs(ROOT / "configs")
    endpoint = configs.endpoints["solubility_logs"]
    for case in cases(configs, [endpoint.name], FAMILIES, cache, 0, data):
        found, order = apply_rules(case, endpoint), file_order(case, data, endpoint)
        errors, generator = found.errors / found.widths, np.random.default_rng(0)
        orders = {"of the file": [order], "random": [generator.permutation(len(order)) for _ in range(ORDERS)]}
        for name, each in orders.items():
            cells = followed_on([errors[places] for places in each])
            ends = [errors[each[0]][part] <= 1 for part in (slice(RECENT), slice(-RECENT, None))]
            drift = " and ".join(f"{end.mean():.0%}" for end in ends) if len(each) == 1 else ""
            lines.append(row(case.model, case.withheld, name, len(errors), *cells, drift))
        if (case.model, case.withheld) == ("blend", "AqSolDB"):
            for name, offset in ALTERED.items():
                wrong = np.abs(case.predicted - case.new_values - offset) / found.widths
                hostile.append(row(name, *followed_on([wrong[order]])))
    return [*lines, "", *hostile]


def followed_on(streams: list[np.ndarray]) -> list[str]:
    """Return the mean share inside of the own intervals, of those after so many values, and the factor at the end."""
    cells = [f"{np.mean([stream <= 1 for stream in streams]):.0%}"]
    for count in AFTER:
        held = [np.mean(stream[count:] <= followed(stream[:count]).factor) for stream in streams]
        cells.append(f"{np.mean(held):.0%}")
    return [*cells, f"{np.mean([followed(stream).factor for stream in streams]):.2f}"]


def file_order(case: Case, data: Path, endpoint: Endpoint) -> np.ndarray:
    """Return the places of the withheld molecules in the order of the source's own file."""
    place: dict[str, int] = {}
    for number, (text, _) in enumerate(elsewhere(case.withheld, data)):
        molecule = parse_molecule(text, endpoint.curation.standardise)
        if isinstance(molecule, Molecule):
            place.setdefault(molecule.smiles, number)
    return np.argsort([place[str(text)] for text in case.new_smiles], kind="stable")


def row(*cells: object) -> str:
    """Write a row."""
    return "| " + " | ".join(map(str, cells)) + " |"


def begin(titles: list[str]) -> list[str]:
    """Begin a table."""
    return ["| " + " | ".join(titles) + " |", "| " + " | ".join(["---"] * len(titles)) + " |"]


if __name__ == "__main__":
    main()
