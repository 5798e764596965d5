"""`docs/performance.md`, made from `tests/benchmarks/results/service.json`.

Run `python -m tests.benchmarks.performance_report` after `python -m tests.benchmarks.bench_service`. Every number in
the document comes from the result; a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_service import RESULT

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
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


TEMPLATE = """# Performance of the service

Made by `python -m tests.benchmarks.performance_report` from what `python -m tests.benchmarks.bench_service` measured in
one sitting on {cores} cores that client, server and other work shared
({versions}).
**Processor time** per request is the server's, from its process tree, and says what a core can do; times to an answer
hold the waiting of a busy machine, and compare only within the sitting.

{clients} connections ask as fast as they are answered, unless a row says otherwise; one molecule per request, every
prediction with interval and applicability.

| what | processor time, ms per request | requests/s of one core | p50 / p99, ms | failed |
| --- | --- | --- | --- | --- |
{rows}

## Batching

Requests that wait together are predicted together: {batched} of the processor time of predicting each alone, at the
same load. Of 64 requests sent at the same moment, {at_once} failed.

## Changing champions under load

{swaps} changes of the pointer at {clients} connections, {swaps_served} of them served (the others came while one was
being loaded): {swap_failures:.0f} of {swap_requests:,.0f} requests failed. p99 {swap_p99:.1f} ms, against
{calm_p99:.1f} ms without changes. That every answer comes from one version is tested in
`tests/integration/test_hot_swap.py`.

{mlflow}## Start and memory

With 20 CatBoost endpoints the service is ready after {start:.1f} s of processor time, and then holds {memory} MB of its
own.
"""


MLFLOW = """## Against `mlflow models serve`

The same CatBoost champion, new molecules, one row per request, 16 connections, one worker each:

| server | processor time, ms per request | requests/s of one core | failed |
| --- | --- | --- | --- |
{servers}

This service answers {times:.1f} times as many requests with a core. Both compute the same features and the same model,
and that is most of either cost. MLflow's answer holds the value alone, ours also interval and applicability.

"""


def report(content: dict[str, Any]) -> str:
    """Write the document."""
    figures = content["figures"]
    swaps, heavy = figures["under_swaps"], figures["catboost_20_endpoints"]
    rows = [
        f"| {text} | {_cost(figures[name])} | {figures[name]['p50_ms']:.1f} / {figures[name]['p99_ms']:.1f} "
        f"| {figures[name]['failures']:.0f} |"
        for name, text in ROWS
    ]
    return TEMPLATE.format(
        cores=content["cores"],
        clients=content["clients"],
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
        mlflow=_mlflow(figures) if "mlflow_same_model" in figures else "",
        start=heavy["start_cpu_s"],
        memory=heavy["memory_mb"],
    )


def _mlflow(figures: dict[str, Any]) -> str:
    ours, theirs = figures["ours_same_model"], figures["mlflow_same_model"]
    servers = [
        f"| {name} | {_cost(row)} | {row['failures']:.0f} |"
        for name, row in (("this service", ours), ("`mlflow models serve`", theirs))
    ]
    return MLFLOW.format(servers="\n".join(servers), times=theirs["cpu_ms_per_request"] / ours["cpu_ms_per_request"])


def _cost(row: dict[str, float]) -> str:
    return f"{row['cpu_ms_per_request']:.2f} | {row['requests_per_core_second']:,.0f}"


def _ratio(one: dict[str, float], other: dict[str, float]) -> str:
    return f"{100 * other['cpu_ms_per_request'] / one['cpu_ms_per_request']:.0f} %"


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(report(json.loads(RESULT.read_text(encoding="utf-8"))), encoding="utf-8")
    print(DOCUMENT)


if __name__ == "__main__":
    main()
