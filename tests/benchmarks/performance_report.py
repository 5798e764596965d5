"""`docs/performance.md`, made from `tests/benchmarks/results/`.

Run `python -m tests.benchmarks.performance_report` after `bench_service`, `bench_jobs`, `bench_page` and
`bench_admet_ai`; `make bench` runs them all. Every number in the document comes from a result; a test compares the two.
A benchmark that was not run leaves its section out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_memory import table as rows_table
from tests.benchmarks.bench_rows import SHOWN, STEPS
from tests.benchmarks.bench_screen import lines as screen_lines
from tests.benchmarks.growth import table

RESULTS = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
Content = dict[str, Any]
ROWS = (
    ("bare_litestar", "one Litestar JSON handler that does nothing: the framework's ceiling"),
    ("known_molecule", "5 light champions, a molecule that was asked before"),
    ("fingerprint_only", "1 champion on a fingerprint, new molecules"),
    ("new_molecules", "5 light champions, new molecules"),
    ("new_molecules_unbatched", "the same, every request predicted alone"),
    ("new_molecules_one_client", "the same, one request at a time"),
    ("hundred_new_molecules_per_request", "the same, 100 new molecules in each request"),
    ("catboost_20_endpoints", "20 CatBoost champions on fingerprints and all 217 descriptors, new molecules"),
    ("catboost_20_endpoints_one_client", "the same, one request at a time"),
)

HEAD = """# Performance of the service

Made by `make bench`, which runs the benchmarks in `tests/benchmarks/` and puts their results into this document:
`bench_service`, `bench_page`, `bench_table`, `bench_jobs`, `bench_attack` and, where another environment holds it,
`bench_admet_ai`.
A quarter of an hour on two idle cores. Each section was measured in one run on a machine that client, server and
other work shared: **processor time** is the server's, from its process tree, and says what a core can do, though
neighbours add to it by what they drive out of the caches; times to an answer hold the waiting of a busy machine, and
compare only within their section.
"""

SERVICE = """
## Requests

On {cores} ({versions}).{load}
{clients} connections ask as fast as they are answered, unless a row says otherwise; one molecule per request, every
prediction with interval and applicability.

| what | processor time, ms per request | requests/s of one core | p50 / p99, ms | failed |
| --- | --- | --- | --- | --- |
{rows}

### Batching

Requests that wait together are predicted together: {batched} of the processor time of predicting each alone, at the
same load. Of 64 requests sent at the same moment, {at_once} failed.

### Changing champions under load

{swaps} changes of the pointer at {clients} connections, {swaps_served} of them served (the others came while one was
being loaded): {swap_failures:.0f} of {swap_requests:,.0f} requests failed. p99 {swap_p99:.1f} ms, against
{calm_p99:.1f} ms without changes. That every answer comes from one version is tested in
`tests/integration/test_hot_swap.py`.

### Start and memory

With 20 CatBoost endpoints of 200 trees the service is ready after {start:.1f} s of processor time, and then holds
{memory} MB of its own.
"""

NOT_MEASURED = "not measured"
ROUNDS = " Of four rounds the one of the least processor time counts."

MLFLOW = """
## Against `mlflow models serve`

The same CatBoost champion, new molecules, one row per request, 16 connections, one worker each:

| server | processor time, ms per request | requests/s of one core | failed |
| --- | --- | --- | --- |
{servers}

This service answers {times:.1f} times as many requests with a core. Both compute the same features and the same model,
and that is most of either cost. MLflow's answer holds the value alone, ours also interval and applicability.
"""

ADMET = """
## Against `admet-ai`

The same real drugs ({singles} one by one, {batch:,} together), on the same one core, with one thread, in one run. The
peer is called in its own process by its Python API; the service is asked over HTTP and pays for that too. The peer
gives 41 ADMET properties, the service what its panel holds, each with interval, applicability and version.
{panels}{load}

| | {titles} |
| --- | {rule} |
{rows}

{verdict} What a new molecule costs here is
mostly its features, the same for one endpoint as for twenty; the peer computes a network on the molecule's graph.

Four requests at the same moment, four times, to the peer's web application: {peer_failed} of {peer_asked} fail
({alone}). Of 64 at the same moment, {failed} fail here.
"""

JOBS = """
## Batch jobs

{endpoints} light champions. A second job of the same rows is killed (`kill -9`) in its middle and continues in a new
process; its stored result is compared with the undisturbed one, part by part.

{table}
"""

PAGE = """
## The page

The first load brings {total:.1f} KB on the wire ({files}). An answer in HTML against the same in JSON, processor time,
predictions remembered:

| molecules | JSON, ms | page, ms | page with structures not drawn before, ms | KB on the wire |
| --- | --- | --- | --- | --- |
{rows}
"""

TABLE = """
## The table of many molecules

`python -m tests.benchmarks.bench_table`: a stored result of {molecules:,} molecules and {endpoints} endpoints is opened
in headless Chromium. It shows the longest task of the page's thread in which a script ran, drawing included, from
the browser's trace: processor time / by the clock, ms.{load}
The first rows are there after {first_rows_s:.0f} s, all after {all_rows_s:.0f} s; meanwhile the table is used.

| action | {chosen_columns} columns | all {all_columns} columns |
| --- | --- | --- |
{rows}

Of both together {long} of {tasks:,} such tasks took over 50 ms of processor time. At most {most} rows are in the page.
*Baseline*: a plain table of as many rows and twelve columns, all of them in the page, sorted: {baseline:,.0f} ms,
{ratio} times as long as the longest above.
"""


ATTACK = """
## Beside an attacker

`python -m tests.benchmarks.bench_attack`: a client asks for one new molecule after the other, first alone, then beside
{attackers} attackers who send cages, lattices, ladders, dendrimers, random graphs and polymers up to the limits, 32 at
a time, and ask for explanations of such; on one machine, clients included. *Computing* is the floor of the machine: as
many processes as cores beside the service that only compute, and give way as hard chemistry does.{load}

| round | alone, p50 / p99, ms | attacked, p50 / p99, ms | computing, p50 / p99, ms | failed, attacked |
| --- | --- | --- | --- | --- |
{rows}

The median of the ratios of p99 to that alone is {ratio} attacked{floor}.
Memory of the service and its processes: {before} MB before, {after} MB after.

While {held:,} connections were held, each tenth with half a request, 64 clients at work had {failures} of {requests:,}
requests fail; p50 {p50:.0f} ms, p99 {p99:.0f} ms.
"""

FIRST_RUN = """
## The first run

`python -m tests.benchmarks.bench_first_run --against CHECKOUT --write`: `aidrug up` from an empty AIDRUG_HOME, packages
installed and compiled, on {cores} cores{load}. *Before* is the revision that worked in stages: all datasets, all
features, all models, then the elections.

{table}
"""

GRID = """
## Many endpoints

`python -m tests.benchmarks.bench_grid {sizes} --write now`: every endpoint has 200 rows, and `naive`, `rf`
and `xgb` of 20 trees; three are trained, the others are copies of their files under other names, each bundle with its
training molecules in another order, so that nothing is shared for being equal. The service has {workers} workers.
Seconds and milliseconds are processor time unless a row says otherwise. The law is the growth between the two largest
sizes: n^1 is with the number. Times by the clock are those of a machine whose 2 cores 15 to 25 processes wanted. All
columns are from one run; what is said of the service was measured again by the next revision, whose workers take
65 MB less.
{parts}"""


SCREEN = """
## Screens

`python -m tests.benchmarks.bench_screen 5 50 200 --write` on endpoints of that project: rows on Ray, against one
process without Ray on the same rows. Milliseconds are processor time of all of Ray's processes together, its own
included, once every worker has opened its bundles, which it does once. What a billion rows take is computed from
that.{load}

{table}
"""

MOST_ROWS = 500_000
ROWS_HEAD = """
## An endpoint of many rows

`python -m tests.benchmarks.bench_rows {sizes} --write`: new molecules of real parts, from the CSV to what
a champion's bundle says of trust, by the procedures that runs use; curation, the check for leaks and features in as
many processes as there are cores (here {cores}), the booster with as many threads. Seconds are processor time of all of
them together unless a row says otherwise, on a machine that up to {busy:.0f} processes wanted, which adds to them.
"""
PROJECTED = """**A projection, not a measurement**, by the line through {small:,} and {large:,} rows: {most:,} rows
take, in processor time and at the peak:
{projections}.
 Where all cores work, the clock shows half of these minutes on two
idle ones; the last step works on one."""

MEMORY = """
## What models take

`python -m tests.benchmarks.bench_memory 4000 20000 --models rf --write`: real molecules and, beyond 11,505, new ones of
their halves; the model's own features and settings, each model fitted in a process of its own and loaded in another.
Memory is what these take beyond what they had before. Seconds and milliseconds are processor time, on a machine that
about 20 processes wanted.

"""


def report(results: dict[str, Content]) -> str:
    """Write the document from the results by name."""
    sections: tuple[tuple[str, Callable[[Content], str]], ...] = (
        ("service", _service),
        ("admet_ai", _admet),
        ("jobs", _jobs),
        ("page", _page),
        ("table", _table),
        ("attack", _attack),
        ("first_run", _first_run),
        ("grid", _grid),
        ("rows", _rows),
        ("screen", _screen),
        ("memory", _memory),
    )
    return HEAD + "".join(write(results[name]) for name, write in sections if name in results)


def read_results() -> dict[str, Content]:
    """Read the results that are there."""
    names = ("service", "admet_ai", "jobs", "page", "table", "attack", "first_run", "grid", "rows", "screen", "memory")
    paths = {name: RESULTS / f"{name}.json" for name in names}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}


def _service(content: Content) -> str:
    figures = content["figures"]
    swaps, heavy = figures["under_swaps"], figures["catboost_20_endpoints"]
    rows = [
        f"| {text} | {_cost(figures[name])} | {figures[name]['p50_ms']:.1f} / {figures[name]['p99_ms']:.1f} "
        f"| {figures[name]['failures']:.0f} |"
        for name, text in ROWS
    ]
    text = SERVICE.format(
        cores="one core" if content["cores"] == 1 else f"{content['cores']} cores",
        clients=content["clients"],
        load=_load(content) + (ROUNDS if "rounds" in content else ""),
        versions=", ".join(f"{name} {number}" for name, number in content["versions"].items()),
        rows="\n".join(rows),
        batched=_ratio(figures["new_molecules_unbatched"], figures["new_molecules"]),
        at_once=figures["sixty_four_at_once_failures"],
        swaps=swaps["swaps"],
        swaps_served=swaps["swaps_served"],
        swap_failures=swaps["failures"],
        swap_requests=swaps["requests"],
        swap_p99=swaps["p99_ms"],
        calm_p99=figures["no_swaps"]["p99_ms"],
        start=heavy["start_cpu_s"],
        memory=heavy["memory_mb"],
    )
    return text + (_mlflow(figures) if "mlflow_same_model" in figures else "")


def _mlflow(figures: Content) -> str:
    ours, theirs = figures["ours_same_model"], figures["mlflow_same_model"]
    servers = [
        f"| {name} | {_cost(row)} | {row['failures']:.0f} |"
        for name, row in (("this service", ours), ("`mlflow models serve`", theirs))
    ]
    return MLFLOW.format(servers="\n".join(servers), times=theirs["cpu_ms_per_request"] / ours["cpu_ms_per_request"])


def _admet(content: Content) -> str:
    peer = content["peer"]
    parts = [(name, content[name]) for name in ("embedded", "twenty") if name in content]
    columns = [row for _, row in parts] + [peer]
    titles = [f"{row['endpoints']} endpoints" for _, row in parts] + ["`admet-ai`"]
    lines: tuple[tuple[str, Callable[[Content], str]], ...] = (
        ("one molecule, processor time, ms", lambda row: f"{row['single_cpu_ms']:.1f}"),
        ("one molecule, p50 / p99, ms", lambda row: f"{row['p50_ms']:.0f} / {row['p99_ms']:.0f}"),
        ("molecules/s of one core", lambda row: f"{row['molecules_per_core_second']:,.0f}"),
        ("start to ready, processor time / clock, s", lambda row: f"{row['ready_cpu_s']:.1f} / {row['ready_s']:.1f}"),
        ("memory, MB", lambda row: f"{row['memory_mb']:,}"),
        ("installed, MB", lambda row: f"{row.get('installed_mb', content['installed_mb']):,}"),
    )
    rows = [f"| {title} | " + " | ".join(show(row) for row in columns) + " |" for title, show in lines]
    times = [
        f"{row['endpoints']} endpoints: {row['molecules_per_core_second'] / peer['molecules_per_core_second']:.1f} "
        f"times the molecules per core; one molecule takes {row['single_cpu_ms'] / peer['single_cpu_ms']:.0%} of the "
        f"processor time"
        for _, row in parts
    ]
    return ADMET.format(
        singles=content["molecules"]["singles"],
        batch=content["molecules"]["batch"],
        panels=f"Panels: the embedded endpoints' champions; {content['panel']}."
        if len(parts) == 2
        else f"Panel: {content['panel']}.",
        load=_load(content),
        titles=" | ".join(titles),
        rule=" | ".join("---" for _ in titles),
        rows="\n".join(rows),
        verdict=". ".join(times) + ".",
        peer_failed=peer["web"]["at_once_failed"],
        peer_asked=peer["web"]["at_once"],
        alone="one fails" if peer["web"]["alone_failed"] else "one alone is answered",
        failed=" and ".join(str(row["sixty_four_at_once_failed"]) for _, row in parts),
    )


def _jobs(content: Content) -> str:
    runs = sorted(content.values(), key=lambda run: run["rows"])
    columns: dict[str, Callable[[Content], str]] = {
        "rows": lambda run: f"{run['rows']:,}",
        "different molecules": lambda run: f"{run['distinct']:,}",
        "processor time, ms per row": lambda run: f"{run['cpu_ms_per_row']:.2f}",
        "rows/s by the clock": lambda run: f"{run['rows_per_second']:,.0f}",
        "peak memory at 10 % / at the end / of the new process, MB": lambda run: (
            f"{run['peak_mb_at_10_percent']} / {run['peak_mb_at_100_percent']} / "
            f"{run['killed']['peak_mb_at_100_percent']}"
        ),
        "rows done when killed / found again / in the result": lambda run: " / ".join(
            f"{run['killed'][name]:,}" for name in ("rows_before", "rows_found_after", "rows_in_result")
        ),
        "equal result": lambda run: "yes" if run["killed"]["same_result_as_undisturbed"] else "NO",
    }
    if not all("cpu_ms_per_row" in run for run in runs):  # results of before it was measured
        del columns["processor time, ms per row"]
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(show(run) for show in columns.values()) for run in runs]
    return JOBS.format(endpoints=runs[0]["endpoints"], table="\n".join(f"| {line} |" for line in lines))


def _page(content: Content) -> str:
    sizes = content["first_load_bytes"]
    rows = [
        f"| {each['molecules']} | {each['json_ms']:.1f} | {each['page_ms']:.1f} | {each['page_new_ms']:.1f} "
        f"| {each['bytes'] / 1000:.1f} |"
        for each in content["answers"]
    ]
    files = ", ".join(f"`{name}` {size / 1000:.1f}" for name, size in sizes.items())
    return PAGE.format(total=sum(sizes.values()) / 1000, files=files, rows="\n".join(rows))


def _table(content: Content) -> str:
    parts = [content["chosen"], content["all"]]
    actions = [name for name, value in parts[0].items() if isinstance(value, dict)]
    rows = [
        f"| {name} | "
        + " | ".join(f"{part[name]['longest_ms']:.0f} / {part[name]['longest_clock_ms']:.0f}" for part in parts)
        + " |"
        for name in actions
    ]
    every = [part[name] for part in parts for name in actions]
    return TABLE.format(
        **{name: content[name] for name in ("molecules", "endpoints", "first_rows_s", "all_rows_s", "ratio")},
        load=_load(content),
        chosen_columns=parts[0]["columns"],
        all_columns=parts[1]["columns"],
        rows="\n".join(rows),
        long=sum(each["long"] for each in every),
        tasks=sum(each["tasks"] for each in every),
        most=max(part["rows_in_page"] for part in parts),
        baseline=content["baseline"]["longest_ms"],
    )


def _attack(content: Content) -> str:
    cases = ("alone", "attacked", "computing")
    rows = [
        f"| {number} | {' | '.join(_percentiles(each, case) for case in cases)} "
        f"| {each['attacked']['failures']} of {each['attacked']['requests']} |"
        for number, each in enumerate(content["rounds"], 1)
    ]
    kept, (before, after) = content["held"], content["memory_mb"]
    return ATTACK.format(
        attackers=content["attackers"],
        load=_load(content),
        rows="\n".join(rows),
        ratio=content["ratio"],
        floor=f" and {content['ratio_computing']} beside processes that only compute"
        if "ratio_computing" in content
        else ". These rounds are older than the processes that hard chemistry has of its own",
        before=before,
        after=after,
        held=kept["held"],
        failures=kept["failures"],
        requests=kept["requests"],
        p50=kept["p50_ms"],
        p99=kept["p99_ms"],
    )


def _percentiles(measured: Content, case: str) -> str:
    return f"{measured[case]['p50_ms']:.0f} / {measured[case]['p99_ms']:.0f}" if case in measured else NOT_MEASURED


def _first_run(content: Content) -> str:
    names = [name for name in ("before", "now") if name in content]
    lines = ["", *(f"{name}, s by the clock / processor time / share" for name in names)]
    rows = [" | ".join(lines), " | ".join("---" for _ in lines)]
    for event in content["now"]:
        cells = []
        for name in names:
            clock, work = content[name][event]
            whole = list(content[name].values())[-1][0]
            cells.append(f"{clock:.0f} / {work:.0f} / {clock / whole:.0%}")
        rows.append(" | ".join([event, *cells]))
    load = f", where {content['waiting']:.1f} other processes wanted them" if "waiting" in content else ""
    return FIRST_RUN.format(cores=content["cores"], load=load, table="\n".join(f"| {row} |" for row in rows))


def _memory(content: Content) -> str:
    parts = []
    for model, figures in content.items():
        sizes = {int(size): figures[size] for size in figures}
        parts.append(f"### `{model}`\n\n" + "\n".join(rows_table(sizes)) + "\n")
    return MEMORY + "\n".join(parts)


def _rows(content: Content) -> str:
    sizes = {int(size): content[size] for size in content}
    busy, cores = (max(each[name] for each in sizes.values()) for name in ("busy", "cores"))
    head = ROWS_HEAD.format(sizes=" ".join(map(str, sorted(sizes))), busy=busy, cores=cores)
    projected = [_projection(sizes), ""] if max(sizes) < MOST_ROWS and len(sizes) > 1 else []
    return "\n".join([head, *rows_table(sizes, SHOWN), "", *projected])


def _projection(sizes: dict[int, dict[str, float]]) -> str:
    """Carry seconds and peaks on to `MOST_ROWS`, by the line through the two largest sizes."""
    small, large = sorted(sizes)[-2:]

    def carried(name: str) -> float:
        slope = (sizes[large][name] - sizes[small][name]) / (large - small)
        return sizes[large][name] + slope * (MOST_ROWS - large)

    projections = [
        f"{title} {carried(f'{name}_s') / 60:.0f} min and {carried(f'{name}_mb') / 1000:.1f} GB"
        for name, title in STEPS.items()
    ]
    return PROJECTED.format(small=small, large=large, most=MOST_ROWS, projections=",\n".join(projections))


def _grid(content: Content) -> str:
    current = content["now"]
    sizes = " ".join(sorted(current["figures"], key=int))
    parts = "\n" + "\n".join(table(current["figures"])) + "\n"
    return GRID.format(workers=current["workers"], sizes=sizes, parts=parts)


def _screen(content: Content) -> str:
    return SCREEN.format(table="\n".join(screen_lines(content["figures"])), load=_load(content))


def _load(content: Content) -> str:
    """Say how busy the machine was, where the result knows."""
    load = content.get("load")
    return f" Meanwhile {load['processes']:.0f} processes wanted its {load['cores']} cores." if load else ""


def _cost(row: dict[str, float]) -> str:
    return f"{row['cpu_ms_per_request']:.2f} | {row['requests_per_core_second']:,.0f}"


def _ratio(one: dict[str, float], other: dict[str, float]) -> str:
    return f"{100 * other['cpu_ms_per_request'] / one['cpu_ms_per_request']:.0f} %"


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(report(read_results()), encoding="utf-8")
    print(DOCUMENT)


if __name__ == "__main__":
    main()
