"""`docs/suggestions.md`, made from `tests/benchmarks/results/suggest.json`.

Run `python -m tests.benchmarks.suggestion_report` after `bench_suggest`. Every number in the document comes from the
result; a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model_zoo.inference.suggestion import EXPLORATION
from tests.benchmarks.bench_suggest import BATCH, COUNTED_AFTER, OURS, RESULTS, START

DOCUMENT = Path(__file__).parents[2] / "docs" / "suggestions.md"
TITLES = {
    "bace": "BACE-1 inhibitors; hits: the most potent tenth",
    "egfr": "EGFR inhibitors in the order of their ChEMBL numbers; hits: the most potent tenth",
    "biogen": "Biogen's molecules in the order of their numbers; hits: stable in HLM, soluble, low efflux",
}
STRATEGIES = {
    OURS: f"**`aidrug suggest`** (exploration {EXPLORATION:g})",
    "suggest 0.5": "the same, exploration 0.5",
    "suggest 2": "the same, exploration 2",
    "greedy": "the best as they are (exploration 0)",
    "order": "in the order of registration",
    "random": "at random",
    "uncertain": "the most uncertain",
}

HEAD = """# What to measure next

`aidrug suggest FILE --batch 24` asks the running service which molecules of a file to measure next. FILE is what
`aidrug predict` takes; `--out batch.csv` keeps its columns, `--json` is for machines, `--endpoint` names those that
count. Over HTTP: `GET /v1/jobs/{id}/suggestion?batch=24` of any finished job.

- **What is wanted** is set in the endpoints' YAML: a range (`desirable`), else a `direction`. An endpoint with neither
  does not count. The desirability of several endpoints is their geometric mean: a molecule that is hopeless in one
  respect is worth little, and if all are, the other respects decide.
- **A batch** is picked one by one. Each pick has the highest expected desirability plus `--exploration` (1) times
  its standard deviation, by the endpoints' own intervals. A picked molecule counts as measured: molecules like it
  have less left to teach, so a batch does not ask the same question twice.
- **Every row is accounted for**: rows that cannot be predicted or have no value for a goal, molecules that came
  before (`same-molecule`) and those in all goals' training data (`measured`) are left out, counted and named. Each
  endpoint judges that by its own standardisation.
- Values that an earlier champion predicted in another unit are refused: submit the file again.
- The same file and champions lead to the same batch; the order of rows only breaks ties. Of more than 2,000 candidates,
  the 2,000 with the highest bounds are compared with each other.
- If reliability is low, nobody knows how wide the interval should be: look at the molecule before you order it.

## What it finds: real series, replayed

A campaign starts with {start} molecules of the earliest part of a series (of all where there is no order) and
measures {batch} per round. Each round Gaussian processes (Tanimoto covariance) learn from all that was measured, and
the strategies pick. Share of all hits found, mean over campaigns with different starts. *More*: how many points more
`aidrug suggest` found than this strategy, with the 95 % interval over the starts. The exploration was chosen on
BACE-1, whose order is unknown; the other series judge it. `python -m tests.benchmarks.bench_suggest FOLDER` replays
them.
"""


def read_results() -> dict[str, Any]:
    """Read what was measured."""
    content: dict[str, Any] = json.loads(RESULTS.read_bytes())
    return content


def report(results: dict[str, Any]) -> str:
    """Write the document."""
    lines = [HEAD.format(id="{id}", start=START, batch=BATCH)]
    for name in (each for each in TITLES if "share" in results.get(each, {})):
        found = results[name]
        lines += [f"### {TITLES[name]}", ""]
        lines += [f"{found['molecules']:,} molecules, {found['hits']} hits, {found['campaigns']} campaigns.", ""]
        rounds = [f"{number} rounds ({START + BATCH * number} measured)" for number in COUNTED_AFTER]
        more = [f"more after {COUNTED_AFTER[place]} rounds" for place in (0, -1)]
        lines += [f"| picked | {' | '.join([*rounds, *more])} |", f"|{'---|' * (len(rounds) + len(more) + 1)}"]
        for strategy in (each for each in STRATEGIES if each in found["share"]):
            shares = [f"{100 * share:.0f} %" for share in found["share"][strategy]]
            gains = ["" if strategy == OURS else points(found["gain"][strategy][place]) for place in (0, -1)]
            lines.append(f"| {STRATEGIES[strategy]} | {' | '.join([*shares, *gains])} |")
        lines.append("")
    return "\n".join(lines)


def points(three: list[float]) -> str:
    """Write a gain and the ends of its interval in points of a hundred."""
    mean, low, high = (100 * value for value in three)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    DOCUMENT.write_text(report(read_results()), encoding="utf-8")
