"""The command `aidrug`.

Arguments, output for people and for machines, and exit codes; the work itself is elsewhere. Every command imports what
it needs when it runs: `aidrug plan` answers in under two seconds, and so imports neither Dagster nor a model library.

Exit codes: 0 done, 1 an error or a failed asset; see `run.py` for more.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from model_zoo.errors import AidrugError

from ai_drug_assets.cli import benchmark as benchmark_
from ai_drug_assets.cli import endpoint as endpoint_
from ai_drug_assets.cli import hosts, run
from ai_drug_assets.cli import panel as panel_
from ai_drug_assets.cli.agents import mcp
from ai_drug_assets.cli.data import data
from ai_drug_assets.cli.keys import keys
from ai_drug_assets.cli.out_file import OutFile, named_place
from ai_drug_assets.cli.run import FAILED
from ai_drug_assets.cli.suggest import suggest
from ai_drug_assets.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="ai-drug-assets", message="%(prog)s %(version)s", help="Print the version.")
def aidrug() -> None:
    """Keep the best model for every molecular property, and serve it."""


aidrug.add_command(endpoint_.endpoint)
aidrug.add_command(endpoint_.curate)
aidrug.add_command(endpoint_.accept)
aidrug.add_command(panel_.panel)
aidrug.add_command(hosts.deploy)
aidrug.add_command(hosts.host)


for _command in (run.plan, run.run, run.up, run.status):
    aidrug.add_command(_command)


@aidrug.command()
@click.option(
    "--to", "place", envvar="AIDRUG_BACKUP", required=True, callback=named_place, help="A folder or s3://bucket/prefix."
)
@click.option("--keep", type=click.IntRange(1), default=30, show_default=True, help="How many snapshots to keep.")
@click.option("--take-over", is_flag=True, help="Write where another installation's backups are, in its place.")
def backup(place: str, keep: int, *, take_over: bool) -> None:
    """Write a snapshot of the whole state while everything continues to work, and delete the oldest."""
    from ai_drug_assets.operations.backup import back_up

    back_up(Settings.from_env(), place, click.echo, keep, take_over=take_over)


@aidrug.command()
@click.option(
    "--from",
    "place",
    envvar="AIDRUG_BACKUP",
    required=True,
    callback=named_place,
    help="A folder or s3://bucket/prefix.",
)
@click.option("--snapshot", metavar="NAME", help="The snapshot; the newest if omitted.")
@click.option("--replace", is_flag=True, help="Move existing files to AIDRUG_HOME/replaced.")
def restore(place: str, snapshot: str | None, *, replace: bool) -> None:
    """Restore the whole state from a snapshot. Stop everything else first."""
    from ai_drug_assets.operations.backup import restore as bring_back

    bring_back(Settings.from_env(), place, click.echo, snapshot=snapshot, replace=replace)


@aidrug.command()
@click.option("--undo", is_flag=True, help="Restore the backup from before the last upgrade instead.")
def migrate(*, undo: bool) -> None:
    """Upgrade the databases to the schema of the installed versions, after a backup, as `run` and `up` do."""
    from ai_drug_assets.execution.instance import prepare_instance
    from ai_drug_assets.operations import schema_migration

    settings = Settings.from_env()
    if undo:
        schema_migration.undo(settings, click.echo)
        return
    prepare_instance(settings)
    if not schema_migration.migrate(settings, click.echo):
        schema_migration.forget(settings)
        click.echo("the databases fit the installed versions")


@aidrug.command()
@click.argument("process", type=click.Choice(["code", "webserver", "daemon", "mlflow"]))
def start(process: str) -> None:
    """Run one PROCESS of a host in the foreground, as each container of infra/compose.yaml does."""
    from ai_drug_assets.execution.container_entry import start as become

    become(process, Settings.from_env())


@aidrug.command()
@click.argument("endpoint")
def rollback(endpoint: str) -> None:
    """Bring back the previous champion of an ENDPOINT. The present one does not return by itself."""
    from ai_drug_assets.operations.rollback import roll_back

    click.echo(roll_back(Settings.from_env(), endpoint))


@aidrug.command()
@click.argument("endpoint")
@click.option("--reason", show_default="no reason was given", help="The reason that callers see.")
@click.option("--undo", is_flag=True, help="Serve it again, with its last champion.")
def retire(endpoint: str, reason: str | None, *, undo: bool) -> None:
    """Stop serving an ENDPOINT. Keep its history, and show callers the date and the reason."""
    from ai_drug_assets.operations.retirement import bring_back
    from ai_drug_assets.operations.retirement import retire as work

    if undo and reason is not None:
        raise click.UsageError("--reason belongs to an endpoint that is retired, not to --undo")
    settings = Settings.from_env()
    click.echo(bring_back(settings, endpoint) if undo else work(settings, endpoint, reason or "no reason was given"))


@aidrug.command()
@click.argument("endpoint")
def promote(endpoint: str) -> None:
    """Promote an ENDPOINT's challenger on trial to champion. The former champion does not return by itself."""
    from ai_drug_assets.operations.rollback import promote as work

    click.echo(work(Settings.from_env(), endpoint))


@aidrug.command()
@click.argument("endpoint")
@click.option(
    "--out", type=OutFile(makes_folder=True), required=True, help="The CSV to write: smiles, relation, value, unit."
)
def feedback(endpoint: str, out: Path) -> None:
    """Write the measured values that were reported for an ENDPOINT to a CSV, as training data."""
    from ai_drug_assets.operations.feedback_export import export

    click.echo(export(Settings.from_env(), endpoint, out))


@aidrug.command()
@click.argument("name")
@click.option("--workers", type=click.IntRange(1), help="Processes on this machine; one per core if omitted.")
def screen(name: str, workers: int | None) -> None:
    """Predict the library of configs/screens/NAME.yaml with the champions; continue where it stopped."""
    from model_zoo.config.files import load_screens
    from model_zoo.config.similar_names import did_you_mean
    from model_zoo.errors import ConfigError

    from ai_drug_assets.operations.screens import run_screen

    settings = Settings.from_env()
    screens = load_screens(settings.configs / "screens")
    if name not in screens:
        known = ", ".join(screens) or "none: there is no screen"
        raise ConfigError(
            f"{settings.configs / 'screens'}: expected one of {known}, got {name!r}{did_you_mean(name, screens)}"
        )
    report = run_screen(settings, screens[name], click.echo, workers)
    click.echo(f"{report.out}: {report.rows} rows, {report.made} of {report.shards} shards made now")
    for number, why in report.failed.items():
        click.echo(f"FAILED shard {number}: {why}", err=True)
    sys.exit(FAILED if report.failed else 0)


for _command in (benchmark_.benchmark, benchmark_.benchmark_set, benchmark_.benchmark_report):
    aidrug.add_command(_command)
aidrug.add_command(data)
aidrug.add_command(keys)
aidrug.add_command(mcp)
aidrug.add_command(suggest)


@aidrug.command()
def schema() -> None:
    """Write the JSON Schemas of the configuration files into `configs/`, for editors."""
    from model_zoo.config.schema import write_schemas

    for path in write_schemas(Settings.from_env().configs):
        click.echo(path)


@aidrug.command()
@click.option("--structures", type=click.Path(dir_okay=False, path_type=Path), help="Molecules that it learns too.")
@click.option("--column", help="The column of structures, where it cannot be guessed.")
def pretrain(structures: Path | None, column: str | None) -> None:
    """Compute the weights that the transformer starts from, in ten minutes on a core, and report their quality.

    They are made of structures alone: the drugs of ChEMBL, the embedded endpoints, and a file of yours. Models that
    start from them are trained again.
    """
    if column is not None and structures is None:
        raise click.UsageError("--column is the column of a file: say --structures FILE too")
    from model_zoo.training.pretraining import write_weights

    write_weights(Settings.from_env().root, click.echo, own=structures, column=column)


@aidrug.command()
@click.argument("what", nargs=-1, required=True, metavar="SMILES...|FILE")
@click.option("--endpoint", "--endpoints", "endpoints", multiple=True, help="Only these, separated by commas.")
@click.option("--include", multiple=True, help="Add neighbours, explanation, alerts; separated by commas.")
@click.option("--column", help="FILE: the column of SMILES, if the service cannot find it.")
@click.option("--sheet", help="FILE: the sheet of an Excel workbook, if it has several.")
@click.option("--out", type=OutFile(), help="FILE: the result, as .csv, .parquet, .sdf or .ndjson.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; for a FILE without --out, one line per row.")
def predict(
    what: tuple[str, ...],
    endpoints: tuple[str, ...],
    include: tuple[str, ...],
    column: str | None,
    sheet: str | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Predict SMILES, or the molecules of a CSV, TSV, SMILES, SDF or Excel FILE, through the running service.

    A FILE becomes a job of the service. The result keeps the rows and columns of FILE in order. Without --out, it goes
    to stdout as CSV; progress goes to stderr. Ctrl-C cancels the job.
    """
    from ai_drug_assets.operations import predictions

    url = Settings.from_env().service_url
    names, extras = _listed(endpoints) or None, _listed(include)
    if len(what) == 1 and predictions.is_file(what[0]):
        form = "ndjson" if as_json else "csv"
        job = predictions.predict_file(
            url, Path(what[0]), out, column=column, sheet=sheet, endpoints=names, include=extras, stdout_format=form
        )
        if out is not None:
            click.echo(json.dumps(asdict(job), indent=1) if as_json else f"wrote {out}: {job.total:,} rows")
        return
    predictions.require_smiles(what)
    if out or column or sheet:
        raise AidrugError(f"--out, --column and --sheet belong to a file, and {what[0]!r} is not one")
    answer = predictions.predict_smiles(url, what, names, extras)
    click.echo(json.dumps(predictions.as_json(answer, extras), indent=1) if as_json else predictions.as_text(answer))


@aidrug.command()
@click.argument("model")
@click.argument("endpoints", nargs=-1)
@click.option("--trials", type=click.IntRange(1), default=30, show_default=True, help="With those of earlier runs.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the draws.")
@click.option(
    "--write/--no-write", default=True, help="Write what the outer folds confirm into the endpoint's YAML (default)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; progress goes to stderr.")
def search(model: str, endpoints: tuple[str, ...], *, trials: int, seed: int, write: bool, as_json: bool) -> None:
    """Search for better hyper-parameters of MODEL on ENDPOINTS (all of its endpoints by default), inside the folds.

    `search` in the model's YAML sets the ranges. Half of the folds choose; what the others confirm, by a paired
    interval, is written. An interrupted search continues.
    """
    from ai_drug_assets.operations.tuning import search_settings

    say = lambda line: click.echo(line, err=as_json)  # noqa: E731
    found = search_settings(Settings.from_env(), model, endpoints, trials=trials, seed=seed, write=write, say=say)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for endpoint, item in found.items():
        click.echo(f"{endpoint}: {_search_result(item)}")


def _search_result(item: dict[str, Any]) -> str:
    now = f"{item['own']:.4f} over the inner folds now"
    if not item["chosen"]:
        return f"{now}, nothing better in {item['trials']} trials; nothing written"
    low, high = item["interval"]
    result = f"{now}, {item['best']:.4f} with {item['chosen']}; better on the outer folds by {item['gain']:.4f} "
    last = (
        "written" if item["written"] else "confirmed, not written" if item["confirmed"] else "not confirmed or written"
    )
    return f"{result}({low:.4f} to {high:.4f}): {last}"


def main() -> None:
    """Run the command; a fault of the user's is one line on stderr and exit code 1."""
    try:
        _require_text(sys.argv[1:])
        aidrug.main(prog_name="aidrug")
    except AidrugError as error:
        click.echo(f"aidrug: {error}", err=True)
        sys.exit(FAILED)
    except Exception as error:
        from ai_drug_assets.planning.transient_failures import why_no_file, why_no_place

        why = why_no_file(error, _home())
        if why is None and (place := why_no_place(error)) is not None:
            why = (
                f"nothing can be written: {place}. Make room, or let AIDRUG_HOME name another folder. What was made is "
                "kept, and the next run continues from there."
            )
        if why is None:
            raise
        click.echo(f"aidrug: {why}", err=True)
        sys.exit(FAILED)


def _home() -> Path:
    """Return where all state is; a path that nothing is below where the settings do not say it."""
    try:
        return Settings.from_env().home
    except AidrugError:
        return Path()


def _require_text(words: Sequence[str]) -> None:
    """Refuse what no file, request or database of ours can contain.

    Raises
    ------
    AidrugError
        When a word is not UTF-8.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise AidrugError(
                f"expected words in UTF-8, got {word!a}: rename the file, or set a UTF-8 locale (LC_ALL=C.UTF-8)"
            ) from None


def _listed(values: tuple[str, ...]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]
