"""Sections of `docs/programmes.md`: each a text, and what a benchmark found as its table."""

from __future__ import annotations

import math
from typing import Any

Content = dict[str, Any]
TITLES = {
    "biogen_hlm": "HLM clearance",
    "biogen_rlm": "RLM clearance",
    "biogen_mdr1_er": "MDR1-MDCK efflux",
    "biogen_solubility": "solubility",
    "biogen_hppb": "unbound, human",
    "biogen_rppb": "unbound, rat",
}
DRAWN = 800
"""Molecules that `bench_correction` takes of a set at most."""
EVERY = 3000
"""So many values of an assay are all there are."""

LABEL_FREE = """
## Targets that need no measurement

Where endpoints have few values, `mlp_joint` learns the quantiles of a molecule's descriptors beside them, by the weight
`auxiliary` (0: not at all; `auxiliary_until` says what is few). Mean absolute error in log10 units on all molecules of
the folds, where it learnt from so many values of each assay in all folds together, drawn at random; a change is the
mean over the four assays (95 % interval). `python -m tests.benchmarks.bench_auxiliary FOLDER KIND VALUES` measures it
again.

{errors}
"""

STACKED = """
## Boosters on what is predicted at the sister endpoints: measured, no model yet

A kernel ridge predicts each assay out of fold by molecule, so that neither the fold of a molecule nor the one held out
has a part in it at any endpoint, and shallow boosted trees correct it: from its own prediction of the assay, and from
its predictions of all six. Mean absolute error in log10 units; the change is the mean over the four assays of what the
sisters add (95 % interval). `python -m tests.benchmarks.bench_stacking FOLDER KIND` measures it again.

{errors}

This is what they add to one model whose noise and reach are fixed, of a single assay. The next section shows what they
add to the blend.
"""

CORRECTED = """
## A Gaussian process that boosters correct: a gain for programmes, no model yet

The same with `gp`, which finds noise and reach by itself, and with the blend, which is what counts. Shallow boosted
trees learn what the process misses: from its own prediction of the molecule, from those of all assays, or from its own
and the descriptors. What they learn from is predicted without the molecule's fold and the one held out; reach and noise
alone are found once for all folds but the one held out. The corrected process joins the blend of the members named,
beside `gp`. Negative is better (95 % interval, drawing what folds keep together). The process is judged by its mean
absolute error, the blend by that with shares that aim at it, and by the root mean squared error with shares that aim at
that; `mlp_joint` is the network without the embedding. Potency: {drawn} molecules at most, of the training part.
`python -m tests.benchmarks.bench_correction FOLDER KIND` measures it again.

{errors}

Rows, of {rows}, whose whole interval is on one side of zero: the process itself gets worse in {worse} and better in
{better}; the blend's absolute error falls in {gain} and rises in {lose}, its squared one falls in {gain_squared} and
rises in {lose_squared}.

Boosters that read one prediction alone can only bend its scale, which pays where values pile up at an end of an assay's
range. A joint model that corrects each assay's process from all of them needs one division of the molecules for all
assays within each fit, and each endpoint would carry the processes of all; it is not built yet.
What it would add to a blend whose joint network reads the embedding is not measured.
"""

UNDER = """
## What each split promises of the same molecules

The molecules that are in a fold under every split, each predicted once under each, by models that saw nothing of its
fold: mean absolute error of a kernel ridge on the features of `gp`, in log10 units. What a split keeps apart is all
that differs between the first three; the models of *identifiers* learn from the folds before alone, so from fewer
values: {fewest:,} to {most:,} of {name}, where the others learn from {others:,}. The file has no dates, and the order
of its identifiers is in their place; whether it is that of time is not known. Not here, as some of these spans hold no
value of it: {absent}. The test splits take no part. `python -m tests.benchmarks.bench_splits FOLDER` measures it again.

{errors}

Mean change against *random* over these assays (95 % interval, drawing clusters): {changes}. So a split is chosen
for what the model is used on (`split` of the group), and an error is quoted with its split.
"""

LEARNING = """
## Learning curves

Mean absolute error over folds of {kind}s, in log10 units, of models that learnt from so many values of an assay in all
folds together, drawn at random, each draw within the next larger one, on all molecules of the folds. The last column
compares the `blend` with the best of its four members, chosen for each assay on these very folds, so to their advantage
(mean over both assays, 95 % interval); with all values they are in the first table. `python -m
tests.benchmarks.bench_learning FOLDER KIND VALUES ...` measures it again.

{errors}

{doublings}
"""
KINDS = {"random": "random", "scaffold": "scaffold", "cluster": "cluster", "time": "identifiers"}


def change_of(one: Content) -> str:
    """Write a change with its interval."""
    low, high = one["interval"]
    return f"{one['mean']:+.1%} ({low:+.1%} to {high:+.1%})"


def table(lines: list[list[str]]) -> str:
    """Write a table, its head first."""
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([rows[0], f"|{' --- |' * len(lines[0])}", *rows[1:]])


def auxiliary(found: Content) -> str:
    """Write what targets without measurements bring; nothing where nothing was measured."""
    if not found:
        return ""
    judged = list(TITLES)[:4]
    lines = [["folds", "values", "`auxiliary`", *(TITLES[name] for name in judged), "change"]]
    for key in sorted(found, key=lambda key: (key.split(", ")[0], int(key.split(", ")[1]))):
        kind, count = key.split(", ")
        for weight in sorted(found[key]["errors"][judged[0]], key=float):
            one = found[key]["judged"].get(f"{weight}, mae")
            change = "" if one is None else change_of(one)
            errors = [f"{found[key]['errors'][name][weight]:.3f}" for name in judged]
            lines.append([f"{kind}s", count if int(count) < EVERY else "all", weight, *errors, change])
    return LABEL_FREE.format(errors=table(lines))


def stacking(found: Content) -> str:
    """Write what boosters gain from the sister endpoints; nothing where nothing was measured."""
    if not found:
        return ""
    lines = [["folds", *(f"{TITLES[name]}: ridge, corrected, with sisters" for name in list(TITLES)[:4]), "change"]]
    for kind, of_kind in sorted(found.items()):
        errors = [
            ", ".join(f"{of_kind['errors'][name][each]:.3f}" for each in ("ridge", "itself", "itself and sisters"))
            for name in list(TITLES)[:4]
        ]
        lines.append([f"{kind}s", *errors, change_of(of_kind["judged"]["mae"])])
    return STACKED.format(errors=table(lines))


def correction(found: Content) -> str:
    """Write what corrected processes bring to themselves and to the blend; nothing where nothing was measured."""
    if not found:
        return ""
    titles = {"itself": "its own", "sisters": "those of all assays", "described": "its own, descriptors"}
    lines = [
        ["molecules", "folds", "corrected from", "`gp`", "corrected", "blend of", "blend, absolute", "blend, squared"]
    ]
    changes: dict[str, list[Content]] = {"corrected": [], "absolute": [], "squared": []}
    for key, one in sorted(found.items()):
        name, kind = key.split(", ")
        process = ", ".join(f"{of_titles['gp']['mae']:.3f}" for of_titles in one["errors"].values())
        members = ", ".join(f"`{member}`" for member in one["members"])
        for title, label in titles.items():
            if title not in one["corrected"]:
                continue
            each = one["corrected"][title]["mae"], one["blended"][title]["mae"], one["blended"][title]["rmse"]
            for place, change in zip(changes.values(), each, strict=True):
                place.append(change)
            alone, absolute, squared = map(change_of, each)
            lines.append([name, f"{kind}s", label, process, alone, members, absolute, squared])
    below, above = (
        {of: sum(sign * each["interval"][end] > 0 for each in one) for of, one in changes.items()}
        for sign, end in ((-1, 1), (1, 0))
    )
    return CORRECTED.format(
        drawn=DRAWN,
        errors=table(lines),
        rows=len(lines) - 1,
        worse=above["corrected"],
        better=below["corrected"],
        gain=below["absolute"],
        gain_squared=below["squared"],
        lose=above["absolute"],
        lose_squared=above["squared"],
    )


def splits(found: Content) -> str:
    """Write what each split says of the same molecules; nothing where nothing was measured."""
    if not found:
        return ""
    lines = [["assay", "molecules", *KINDS.values()]]
    for name, of_kinds in sorted(found["errors"].items(), key=lambda each: list(TITLES).index(each[0])):
        errors = [f"{of_kinds[kind]:.3f}" for kind in KINDS]
        lines.append([TITLES[name], f"{found['rows'][name]:,}", *errors])
    changes = []
    for kind, one in found["against_random"].items():
        low, high = one["interval"]
        changes.append((list(KINDS).index(kind), f"*{KINDS[kind]}* {one['mean']:+.0%} ({low:+.0%} to {high:+.0%})"))
    name, learnt = "biogen_hlm", found["learnt_from"]
    return UNDER.format(
        fewest=min(learnt["time"][name]),
        most=max(learnt["time"][name]),
        name=TITLES[name],
        others=round(sum(learnt["random"][name]) / len(learnt["random"][name])),
        errors=table(lines),
        absent=", ".join(TITLES[each] for each in list(TITLES)[:4] if each not in found["errors"]) or "none",
        changes=", ".join(text for _, text in sorted(changes)),
    )


def learning(found: Content) -> str:
    """Write how errors fall with the number of values; nothing where nothing was measured."""
    written = []
    for kind, of_kind in sorted(found.items()):
        counts = sorted(of_kind, key=int)
        names = [name for name in TITLES if name in of_kind[counts[0]]["errors"]]
        models = list(of_kind[counts[0]]["errors"][names[0]])
        lines = [
            ["values", *(f"{TITLES[name]}: {', '.join(f'`{model}`' for model in models)}" for name in names), "blend"]
        ]
        for count in counts:
            errors = [[of_kind[count]["errors"][name][model] for model in models] for name in names]
            one = of_kind[count]["blend"]
            there = [f"{of_kind[count]['values'][name]:,}" for name in names]
            change = change_of(one)
            values = there[0] if len(set(there)) == 1 else f"all ({' and '.join(there)})"
            lines.append([values, *(", ".join(f"{each:.3f}" for each in of_name) for of_name in errors), change])
        less, more = (of_kind[count] for count in (counts[0], counts[-1]))
        doublings = []
        for name in names if less is not more else []:
            times = math.log2(more["values"][name] / less["values"][name])
            fell = (more["errors"][name]["blend"] / less["errors"][name]["blend"]) ** (1 / times) - 1
            doublings.append(f"{-fell:.1%} of {TITLES[name]}")
        taken = " and ".join(doublings) or "not measured"
        sentence = f"What a doubling takes off the blend's error, from the first row to the last: {taken}."
        written.append(LEARNING.format(kind=kind, errors=table(lines), doublings=sentence))
    return "".join(written)
