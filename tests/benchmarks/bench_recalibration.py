"""How fast intervals follow measured values that come back: simulated shifts, and whole sources that were withheld.

Simulated: errors of Laplace's law whose size is multiplied, 400 streams each. Sources: AqSolDB and Biogen, withheld
from a model of the embedded solubilities as in `bench_uncertainty`; the values come back in 20 random orders. The
baseline is the bundle's own interval in the same run.

`python -m tests.benchmarks.bench_recalibration [CACHE --data FOLDER] [--write]`; `--write` puts the tables into
`docs/uncertainty.md`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from model_zoo.config.files import load_configs
from model_zoo.data.targets import Target
from model_zoo.io.files import atomic_write
from model_zoo.monitoring.calibration_rows import ToldRow
from model_zoo.monitoring.prediction_log import MeasurementRow
from model_zoo.monitoring.recalibration import Recalibration, recalibrate
from tests.benchmarks.bench_uncertainty import DOCUMENT, told
from tests.benchmarks.withheld import ROOT, cases

STREAMS, ORDERS = 400, 20
COUNTS = (30, 60, 100, 300)
SHIFTS = (1.0, 1.3, 1.7, 2.5, 0.7)
FAMILIES = ("xgb", "gp")


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
        write(lines)


def followed(errors: np.ndarray) -> Recalibration:
    """Follow errors in half widths, one molecule each."""
    names = [number.to_bytes(16, "big") for number in range(len(errors))]
    rows = [
        MeasurementRow(float(at), name, None, "e", value)
        for at, (name, value) in enumerate(zip(names, errors.tolist(), strict=True), start=1)
    ]
    return recalibrate(Target(task="regression"), "", {name: ToldRow(0.0, 1.0, 0.0) for name in names}, rows)


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
    lines = begin(["model", "source", "values", "own intervals", "told", "told from the 100th on", "factor at the end"])
    configs = load_configs(ROOT / "configs")
    target = configs.endpoints["solubility_logs"].target
    for case in cases(configs, ["solubility_logs"], FAMILIES, cache, 0, data):
        found = told(case, target)
        errors = found.errors / found.widths
        generator, held, late, factors = np.random.default_rng(0), [], [], []
        for _ in range(ORDERS):
            stream = errors[generator.permutation(len(errors))]
            whole, first = followed(stream), followed(stream[:100])
            assert whole.told is not None and first.told is not None  # noqa: PT018  of so many there are shares
            held.append(whole.told)
            late.append((whole.told * len(stream) - first.told * 100) / (len(stream) - 100))
            factors.append(whole.factor)
        cells = (case.model, case.withheld, str(len(errors)), f"{np.mean(errors <= 1):.1%}", f"{np.mean(held):.1%}",
                 f"**{np.mean(late):.1%}**", f"{np.mean(factors):.2f}")  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def begin(titles: list[str]) -> list[str]:
    """Begin a table."""
    return ["| " + " | ".join(titles) + " |", "| " + " | ".join(["---"] * len(titles)) + " |"]


def write(lines: list[str]) -> None:
    """Put the tables between the document's marks."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- recalibration -->\n")
    _, _, after = rest.partition("<!-- end of recalibration -->")
    whole = before + "<!-- recalibration -->\n" + "\n".join(lines) + "\n<!-- end of recalibration -->" + after
    atomic_write(DOCUMENT, whole.encode())


if __name__ == "__main__":
    main()
