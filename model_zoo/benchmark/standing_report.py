"""The part of the benchmark's document that says how its results rank, what is noise, and what is stale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model_zoo.benchmark.boards import BOARDS, STRICT
from model_zoo.benchmark.report import OFFICIAL_SEEDS, Goal, mean_and_deviation
from model_zoo.benchmark.standing import Scored, Standing, noise_share, standing, standings
from model_zoo.type_aliases import Json

FIRST = 8
"""Published models that are listed."""
WITHIN = 2.0
"""Published standard deviations within which a figure counts as reproduced."""

INTRODUCTION = """\
## Rank among published results

*Normalised rank*: the share of a set's other scores that are better, 0 for the best and 1 for the worst; its mean over
the sets. The interval draws our scores as widely as their bootstrap intervals and leaves the published ones as they
are. They are scores on the same test molecules, which would move with ours, so the interval is rather too wide. A
result that ranks first can only get worse in a draw, so the interval reaches farther up than down.
"""
NOISE = """\
### How much of a gap is noise

*Gap*: what is missing to the strict goal. *Noise*: the standard deviation of our score over draws of test molecules.
*Share*: noise over gap, 100 % at most; from 51 % on the 95 % interval reaches the goal.
"""
MAPLIGHT = """\
### MapLight, computed here

The reference recipe of `model_zoo/benchmark/maplight.py`, by `python -m tests.benchmarks.bench_maplight FOLDER`. *Off*:
in published standard deviations, one below half of the last digit counted as that.
"""
REPRODUCED = ("set", "metric", "here", "published", "off")


def standing_text(
    results: Sequence[Mapping[str, Json]],
    goals: Mapping[str, Goal],
    published: Mapping[str, Mapping[str, float]],
    maplight: Mapping[str, Mapping[str, Json]],
) -> str:
    """Write the part of the document; equal for equal arguments."""
    done = [entry for entry in results if entry.get("signature")]
    lines = [INTRODUCTION]
    if stale := [f"{entry['set']} ({entry['board']})" for entry in done if entry.get("stale")]:
        named = "all of them" if len(stale) == len(done) else ", ".join(stale)
        warning = f"**Stale**: {len(stale)} of {len(done)} results were computed under other signatures of code,"
        warning += f" configuration or data than the present ones: {named}. `aidrug benchmark` computes them again."
        lines += [warning, ""]
    lines += ["| | mean normalised rank | 95 % interval | sets |", "|---|---|---|---|"]
    strict: dict[str, Scored] = {}
    for board in BOARDS:
        scored = {entry["set"]: _scored(entry) for entry in done if entry["board"] == board}
        strict = scored if board == STRICT else strict
        if any(published.get(name) for name in scored):
            lines.append(_standing(f"**{board} board**", standing(scored, published)))
    if strict:
        lines += [_standing(name, each) for name, each in list(standings(strict, published).items())[:FIRST]]
        lines += ["", *_noise(strict, goals)]
    if maplight:
        lines += ["", *_maplight(maplight)]
    return "\n".join([*lines, ""])


def _scored(entry: Mapping[str, Json]) -> Scored:
    low, high = entry["interval"]
    return Scored(entry["metric"], mean_and_deviation(entry["scores"])[0], (low, high))


def _standing(name: str, found: Standing) -> str:
    interval = "" if found.interval is None else f"{found.interval[0]:.3f} to {found.interval[1]:.3f}"
    return f"| {name} | {found.mean:.3f} | {interval} | {found.sets} |"


def _noise(strict: Mapping[str, Scored], goals: Mapping[str, Goal]) -> list[str]:
    lines = [NOISE, "| set | metric | gap | noise | share |", "|---|---|---|---|---|"]
    shares = []
    for name, scored in strict.items():
        if name not in goals or (share := noise_share(scored, goals[name].strict)) is None:
            continue
        shares.append(share)
        gap = abs(goals[name].strict - scored.mean)
        lines.append(f"| {name} | {scored.metric} | {gap:.3f} | {scored.noise:.3f} | {100 * share:.0f} % |")
    beyond = sum(share < 1 / 1.959964 for share in shares)
    return [*lines, "", f"{beyond} of {len(shares)} goals that were missed lie outside of the 95 % interval."]


def _maplight(found: Mapping[str, Mapping[str, Json]]) -> list[str]:
    lines = [MAPLIGHT, f"| {' | '.join(REPRODUCED)} |", f"|{'---|' * len(REPRODUCED)}"]
    for name, each in sorted(found.items()):
        seeds = len(each["scores"])
        here = f"{each['mean']:.3f} (one seed)" if seeds == 1 else f"{each['mean']:.3f} ± {each['std']:.3f}"
        here += f" ({seeds} seeds)" if 1 < seeds < OFFICIAL_SEEDS else ""
        theirs = f"{each['published']:g} ± {each['published_std']:g}"
        lines.append(f"| {name} | {each['metric']} | {here} | {theirs} | {each['deviations']:.1f} |")
    within = sum(each["deviations"] <= WITHIN for each in found.values())
    whole = sum(len(each["scores"]) == OFFICIAL_SEEDS for each in found.values())
    summary = f"{within} of {len(found)} sets within {WITHIN:g} published standard deviations; {whole} of them have all"
    return [*lines, "", f"{summary} {OFFICIAL_SEEDS} seeds."]
