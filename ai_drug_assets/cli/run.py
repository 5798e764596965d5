"""The commands that make what is stale and report how it went: `aidrug plan`, `run`, `up` and `status`.

Exit codes: 0 done (`plan`: nothing is stale), 1 an error or a failed asset, 2 `plan`: something is stale, 130 stopped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace

import click

from ai_drug_assets.cli.out_file import named_place
from ai_drug_assets.settings import Settings

STALE, FAILED, STOPPED = 2, 1, 130


def _selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command be given some endpoints, some models, or the cheap candidates alone."""
    for add in (
        click.option("--quick", is_flag=True, help="Only models that are `cheap`; their champions are provisional."),
        click.option("--model", "models", multiple=True, metavar="MODEL", help="Only this model; may be repeated."),
        click.argument("endpoints", nargs=-1, metavar="[ENDPOINT]..."),
    ):
        command = add(command)
    return command


@click.command()
@_selecting
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a workflow's summary.")
@click.option(
    "--ledger",
    metavar="PLACE",
    callback=named_place,
    help="Compare with production's copy of the ledger: a folder or s3://...",
)
def plan(
    endpoints: tuple[str, ...],
    models: tuple[str, ...],
    *,
    quick: bool,
    as_json: bool,
    as_markdown: bool,
    ledger: str | None,
) -> None:
    """List what would run, and why. Run nothing. Exit with 0 if nothing is stale, with 2 if something is."""
    from ai_drug_assets.operations import earlier_rules, shared_compounds
    from ai_drug_assets.planning.catalog import load_catalog
    from ai_drug_assets.planning.ledger import Ledger
    from ai_drug_assets.planning.ledger_copy import LedgerCopy
    from ai_drug_assets.planning.plan import compare, make_plan
    from ai_drug_assets.planning.selection import Selection
    from ai_drug_assets.storage.bundles import open_bundle_store

    if as_json and as_markdown:
        raise click.UsageError("expected --json or --markdown, got both")
    settings = Settings.from_env()
    catalog = load_catalog(settings, keep_rest=True)
    chosen = Selection(endpoints, models, quick=quick).keys(catalog)
    if ledger:
        made = compare(catalog, LedgerCopy(ledger).entries())
    else:
        made = make_plan(catalog, Ledger(settings.home / "ledger"))
        others = (*earlier_rules.warnings(open_bundle_store(settings)), *shared_compounds.warnings(catalog))
        made = replace(made, warnings=(*made.warnings, *others))
    made = made.only(chosen)
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=1))
    else:
        click.echo(made.as_markdown() if as_markdown else made.as_text())
    for fault in catalog.configs.broken:
        click.echo(f"aidrug: {fault}", err=True)
    if catalog.configs.broken:
        sys.exit(FAILED)
    sys.exit(STALE if made.stale else 0)


@click.command()
@_selecting
@click.option("--json", "as_json", is_flag=True, help="Print JSON; progress goes to stderr, one line per asset.")
@click.option("--train-only", is_flag=True, envvar="AIDRUG_TRAIN_ONLY", help="Train; elect and publish nothing.")
def run(endpoints: tuple[str, ...], models: tuple[str, ...], *, quick: bool, as_json: bool, train_only: bool) -> None:
    """Make what is stale, then exit. The exit code is 1 if an asset failed; the others are made nevertheless.

    Without an ENDPOINT, make all of them. A chosen model is made with everything that it depends on, and takes part in
    an election. A champion that is elected before all candidates are trained is marked as provisional.
    """

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    try:
        from ai_drug_assets.execution.progress import display_for
        from ai_drug_assets.execution.runner import run_stale
        from ai_drug_assets.planning.selection import Selection

        selection = Selection(endpoints, models, quick=quick, train_only=train_only)
        with display_for(say, as_json=as_json) as display:
            report = run_stale(Settings.from_env(), display, selection, say)
    except KeyboardInterrupt as stopped:
        left = getattr(stopped, "left", None)
        count = "" if left is None else f" {left} assets are left."
        say(f"\nstopped: what was being made is lost, what was made is kept.{count} `aidrug run` continues from there")
        sys.exit(STOPPED)
    if as_json:
        click.echo(json.dumps(vars(report), indent=1))
    else:
        _tell(report.made, report.failed, report.seconds)
    sys.exit(FAILED if report.failed else 0)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> None:
    """Show the state of everything: processes, revision, what is stale and why. Exit with 1 if anything is wrong."""
    from ai_drug_assets.execution.status import status as collect

    found = collect(Settings.from_env())
    click.echo(json.dumps(found.as_json(), indent=1) if as_json else found.as_text())
    sys.exit(0 if found.is_well else FAILED)


@click.command()
@_selecting
def up(endpoints: tuple[str, ...], models: tuple[str, ...], *, quick: bool) -> None:
    """Make what is stale while the Dagster UI and the service run, and keep these running until Ctrl-C."""
    from ai_drug_assets.execution.local_stack import bring_up
    from ai_drug_assets.planning.selection import Selection

    sys.exit(bring_up(Settings.from_env(), click.echo, Selection(endpoints, models, quick=quick)))


def _tell(made: list[str], failed: dict[str, str], seconds: float) -> None:
    trained = [key for key in made if key.startswith("trained_model/")]
    if not made and not failed:
        click.echo(f"nothing is stale, nothing to do ({seconds:.1f} s)")
        return
    click.echo(f"made {len(made)} assets, {len(trained)} of them trained models, in {seconds:.0f} s")
    for key, error in failed.items():
        click.echo(f"FAILED {key}: {error}", err=True)
