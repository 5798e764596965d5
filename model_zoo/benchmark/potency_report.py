"""The document on potency sets, made of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model_zoo.benchmark.report import OFFICIAL_SEEDS, candidates_table, mean_and_deviation
from model_zoo.metrics import HIGHER_IS_BETTER
from model_zoo.type_aliases import Json

SETS = {"bace_pic50", "egfr_pic50", "herg_pic50"}

INTRODUCTION = """\
# Potency: BACE-1, EGFR and hERG

Made by `aidrug benchmark-report` from `tests/benchmarks/results/potency.json`; do not edit it by hand. To compute the
results again, turn each file into a set with `aidrug benchmark-set FILE FOLDER --name NAME --smiles COLUMN --value
COLUMN`, then `aidrug benchmark FOLDER --out tests/benchmarks/results/potency.json`.

**Data.** `bace_pic50`: the 1,513 BACE-1 inhibitors of MoleculeNet. `egfr_pic50`: 5,568 IC50 values on EGFR from ChEMBL,
as TeachOpenCADD publishes them. `herg_pic50`: the 4,042 hERG values of Practical Cheminformatics; the larger file of
5,691 beside it is not used, because it contains values near 0 that no assay measures (0.02, 0.12, ..), while this one
starts at 4. Values are pIC50; several measurements of a molecule became their median.

**Split.** 80 to 20 by scaffold, deterministic: molecules with one Bemis-Murcko scaffold stay together, groups go to
`train_val` from the largest to the smallest while they fit in 0.8 of the molecules, the rest is the test set. So rare
scaffolds are tested. Scores compare with those of others only on the same split.

**Protocol.** That of the [benchmark](benchmark.md): the champion by scaffold-fold cross-validation of `train_val`
alone, then five seeds, mean ± population standard deviation. The references are plain recipes of the zoo on the same
fingerprint: a random forest of 300 trees on ECFP4 counts (`rf_ecfp`) and a support vector machine with the Tanimoto
kernel on ECFP4 bits (`svm_ecfp`, its C chosen by cross-validation). *Difference*: the champion's score minus the
reference's, with a bootstrap 95 % interval over the test molecules, the same drawn molecules for both; the champion is
better if the whole interval is on its side of zero.
"""


def potency_text(results: Sequence[Mapping[str, Json]]) -> str:
    """Write the document from the entries of a results file; equal for equal arguments."""
    done = [entry for entry in results if entry.get("signature") and entry["board"] == "strict"]
    lines = [INTRODUCTION, "## Results", ""]
    lines += ["| set | metric | champion | score | 95 % interval | reference | its score | difference | better |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for entry in done:
        lines += [_row(entry, reference) for reference in entry["official"].get("references", [])]
    if absent := sorted(SETS - {entry["set"] for entry in done}):
        lines += ["", f"No result yet: {', '.join(absent)}."]
    lines += ["", "## What each candidate scored in cross-validation", ""]
    return "\n".join([*lines, *candidates_table(done), ""])


def _row(entry: Mapping[str, Json], reference: Mapping[str, Json]) -> str:
    low, high = entry["interval"]
    cells = [entry["set"], entry["metric"], entry["champion"], _score(entry["scores"]), f"{low:.3f} to {high:.3f}"]
    low, high = reference["interval"]
    better = low > 0 if HIGHER_IS_BETTER[entry["metric"]] else high < 0
    cells += [reference["name"], _score(reference["scores"])]
    cells += [f"{reference['difference']:+.3f} ({low:+.3f} to {high:+.3f})", "yes" if better else "no"]
    return f"| {' | '.join(cells)} |"


def _score(scores: Sequence[float]) -> str:
    mean, deviation = mean_and_deviation(scores)
    note = "" if len(scores) == OFFICIAL_SEEDS else f" (seeds: {len(scores)})"
    return f"{mean:.3f} ± {deviation:.3f}{note}"
