"""How far what is said of a prediction's error holds where the chemistry is new: sources and clusters withheld whole.

Fits families of models on what is left (`withheld.py`), and applies the rules of a bundle. Reported: how often the
90 % intervals hold, overall and in five bins of expected error; how expected errors rank the real ones, beside what an
oracle reaches that knows the mean error of the 25 nearest *withheld* molecules; AUROC for errors above a threshold
(1 for solubility, else the largest fifth; for classes wrong labels); the median width against constants that cover 90 %
of each bin; and what was found at each level of reliability. `before` is, of coverage, the rule of bundles of format 4
(the factor of the hardest fold, no spread between laboratories); of ranks and AUROC that of format 3 (environments that
occur, two signals).

`python -m tests.benchmarks.bench_uncertainty CACHE [--data FOLDER] [--parts N] [--kept] [--write] [ENDPOINT ...]` keeps
fits in the folder CACHE (with `--kept` none is made); `--write` puts the table into `docs/uncertainty.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.similarity import tanimoto_nearest
from model_zoo.chemistry.size_and_kind import size_and_kind
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import load_configs
from model_zoo.policies import fingerprints
from model_zoo.uncertainty.conformal import conformal_half_width
from model_zoo.uncertainty.error_model import (
    NEIGHBOURS,
    difficulty,
    doubt,
    fit_error_model,
    held_out_difficulty,
)
from model_zoo.uncertainty.fit import OutOfFoldPredictions, fit_uncertainty
from model_zoo.uncertainty.property_distance import PropertySpace
from model_zoo.uncertainty.reliability import NAMES
from model_zoo.uncertainty.withheld_report import BINS, auroc, fifths, oracle, spearman
from tests.benchmarks.marked_table import write_between
from tests.benchmarks.withheld import ROOT, Case, cases, hardest

DOCUMENT = ROOT / "docs" / "uncertainty.md"
FAMILIES = ("gp", "xgb")


@dataclass(frozen=True)
class Looks:
    """How molecules look, by the present rule and by the one before."""

    packed: np.ndarray
    before: np.ndarray
    properties: np.ndarray

    @classmethod
    def of(cls, smiles: np.ndarray) -> Looks:
        """Look at standardised SMILES."""
        molecules = [Molecule(str(text), Chem.MolFromSmiles(str(text))) for text in smiles]
        return cls(fingerprints(molecules), fingerprints(molecules, policy=1), size_and_kind(molecules))


@dataclass(frozen=True)
class WithheldErrors:
    """Of withheld molecules: real and expected errors, half widths, levels, and what an oracle expects."""

    errors: np.ndarray
    expected: np.ndarray
    expected_before: np.ndarray
    widths: np.ndarray
    widths_before: np.ndarray
    levels: np.ndarray
    oracle: np.ndarray
    wrong: np.ndarray


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path)
    parser.add_argument("endpoints", nargs="*")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--parts", type=int, default=2)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--kept", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_intermixed_args()
    configs = load_configs(ROOT / "configs")
    names, families = asked.endpoints or list(configs.endpoints), asked.families.split(",")
    groups: dict[tuple[str, str, str], list[WithheldErrors]] = {}
    for case in cases(configs, names, families, asked.cache, asked.parts, asked.data, only_kept=asked.kept):
        key = (case.endpoint, case.model, case.withheld.split()[0])
        groups.setdefault(key, []).append(apply_rules(case, configs.endpoints[case.endpoint]))
    pooled = {key: join(parts) for key, parts in sorted(groups.items())}
    regressions = {key: each for key, each in pooled.items() if configs.endpoints[key[0]].target.task == "regression"}
    classes = {key: each for key, each in pooled.items() if key not in regressions}
    lines = [*regression_table(regressions), "", *class_table(classes)]
    print("\n".join(lines))
    if asked.write:
        write_between(DOCUMENT, "table", lines)


def apply_rules(case: Case, endpoint: Endpoint) -> WithheldErrors:
    """Apply the rules of a bundle, and those before, to what was withheld."""
    known, new = Looks.of(case.smiles), Looks.of(case.new_smiles)
    nobody = np.empty(0)
    empty = OutOfFoldPredictions(nobody, nobody, known.packed[:0], known.properties[:0], nobody.astype(int))
    held = OutOfFoldPredictions(case.out_of_fold, case.values, known.packed, known.properties, case.folds)
    trust, errors, _ = fit_uncertainty(endpoint.target, held, empty, endpoint.between_laboratories or 0.0)
    near, rows = tanimoto_nearest(new.packed, known.packed, NEIGHBOURS)
    space = PropertySpace(known.properties)
    signals = [space.distance(new.properties)]
    value = case.predicted
    if trust.probability is not None:
        value = trust.probability.calibrate(value)
        signals.append(doubt(value))
    hard = difficulty(near, errors[rows], *signals)
    model = trust.interval or trust.error
    assert model is not None and trust.levels is not None  # noqa: PT018  a benchmark has enough molecules
    expected, levels, _ = trust.levels.place(model, hard, space.beyond(new.properties))
    real = np.abs(value - case.new_values)
    expected_before = before(known, new, errors, case.folds)
    widths = widths_before = expected
    if trust.interval is not None:
        known_hard = held_out_difficulty(known.packed, errors, case.folds, known.properties)
        ceiling = float(np.abs(case.values - case.values.mean()).mean())
        widths = trust.interval.around(expected)
        widths_before = expected * hardest(known_hard, errors, case.folds, ceiling)
    wrong = real if trust.probability is None else (trust.probability.label(value) != case.new_values).astype(float)
    return WithheldErrors(
        real, expected, expected_before, widths, widths_before, levels, oracle(new.packed, real), wrong
    )


def before(known: Looks, new: Looks, errors: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return expected errors by the rule of format 3."""
    hard = held_out_difficulty(known.before, errors, folds)
    near, rows = tanimoto_nearest(new.before, known.before, NEIGHBOURS)
    return fit_error_model(hard, errors).scale(difficulty(near, errors[rows]))


def join(parts: list[WithheldErrors]) -> WithheldErrors:
    """Put the parts of an endpoint that were withheld in turn together."""
    return WithheldErrors(
        *(np.concatenate([vars(part)[name] for part in parts]) for name in WithheldErrors.__dataclass_fields__)
    )


def regression_table(found: dict[tuple[str, str, str], WithheldErrors]) -> list[str]:
    """Report intervals and expected errors."""
    titles = (
        "endpoint", "model", "withheld", "molecules", "coverage", "before", "by fifth of expected error",
        "rank of errors", "before", "oracle", "AUROC", "before", "oracle", "width", "errors by level (molecules)",
    )  # fmt: skip
    lines = begin(titles)
    for (endpoint, model, withheld), each in found.items():
        holds, number = each.errors <= each.widths, fifths(each.expected)
        bins = " ".join(f"{holds[number == place].mean():.0%}".rstrip("%") for place in range(BINS))
        large = each.errors > (1.0 if endpoint == "solubility_logs" else np.quantile(each.errors, 0.8))
        constant = np.median([conformal_half_width(each.errors[number == place]) for place in number])
        cells = (
            endpoint, model, withheld, len(holds), f"**{holds.mean():.1%}**",
            f"{(each.errors <= each.widths_before).mean():.1%}", bins,
            *ranks(each, each.errors), *aurocs(each, large),
            f"{np.median(each.widths) / constant:.2f}", by_level(each, each.errors),
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def class_table(found: dict[tuple[str, str, str], WithheldErrors]) -> list[str]:
    """Report expected errors of classes."""
    titles = ("endpoint", "model", "withheld", "molecules", "wrong labels", "AUROC for wrong ones", "before", "oracle",
              "wrong by level (molecules)")  # fmt: skip
    lines = begin(titles)
    for (endpoint, model, withheld), each in found.items():
        cells = (endpoint, model, withheld, len(each.wrong), f"{each.wrong.mean():.1%}",
                 *aurocs(each, each.wrong > 0), by_level(each, each.wrong))  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def begin(titles: tuple[str, ...]) -> list[str]:
    """Return the first two lines of a table."""
    return ["| " + " | ".join(titles) + " |", "| " + " | ".join(["---"] * len(titles)) + " |"]


def ranks(each: WithheldErrors, errors: np.ndarray) -> Iterator[str]:
    """Yield the rank correlations with real errors: now, before, and the oracle's."""
    for place, guess in enumerate((each.expected, each.expected_before, each.oracle)):
        yield f"**{spearman(guess, errors):.2f}**" if place == 0 else f"{spearman(guess, errors):.2f}"


def aurocs(each: WithheldErrors, large: np.ndarray) -> Iterator[str]:
    """Yield how often a large error was expected to be larger than a small one: now, before, and the oracle's."""
    for place, guess in enumerate((each.expected, each.expected_before, each.oracle)):
        share = auroc(guess, large)
        yield f"**{share:.2f}**" if place == 0 else f"{share:.2f}"


def by_level(each: WithheldErrors, errors: np.ndarray) -> str:
    """Return the mean error of each level, and how many molecules are in it."""
    found = ((name, each.levels == place) for place, name in enumerate(NAMES))
    return ", ".join(f"{name} {errors[inside].mean():.2f} ({inside.sum()})" for name, inside in found if inside.any())


if __name__ == "__main__":
    main()
