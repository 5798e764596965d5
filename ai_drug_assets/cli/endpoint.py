"""The commands about endpoints and their measurements: `aidrug endpoint new` and `remove`, `curate`, `accept`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from model_zoo.errors import DataError

from ai_drug_assets.cli.out_file import OutFile
from ai_drug_assets.settings import Settings


@click.group()
def endpoint() -> None:
    """Create endpoints from a lab's files, and remove them."""


@endpoint.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--columns", multiple=True, metavar="COLUMN", help="Only this column of measurements; may be repeated.")
@click.option("--name", help="The endpoint's name; with several endpoints, the beginning of their names.")
@click.option("--unit", help="The unit of the values, if FILE does not state one.")
@click.option(
    "--where",
    "where",
    multiple=True,
    metavar="COLUMN=TEXT",
    help="Only rows with this text; * for all rows.",
)
@click.option("--decimal", type=click.Choice([".", ","]), help="The decimal sign.")
@click.option("--thousands", type=click.Choice([",", ".", " ", "'"]), help="The thousands separator.")
@click.option("--smiles", metavar="COLUMN", help="The column of structures.")
@click.option("--delimiter", help="The separator of cells: comma, semicolon, tab, pipe or one character.")
@click.option("--encoding", type=click.Choice(["utf-8", "utf-16", "cp1252", "latin-1"]))
@click.option("--sheet", help="The sheet of an Excel workbook.")
@click.option("--header/--no-header", default=None, help="Whether the first row contains the column names.")
@click.option("--together", is_flag=True, help="Write one file, with what the endpoints have in common stated once.")
@click.option("--apart", is_flag=True, help="Write no group, although the endpoints share compounds.")
@click.option("--yes", is_flag=True, help="Accept the guesses without asking; what cannot be guessed is still refused.")
def new(  # noqa: PLR0913, PLR0917  one per option
    file: str,
    columns: tuple[str, ...],
    name: str | None,
    unit: str | None,
    where: tuple[str, ...],
    decimal: str | None,
    thousands: str | None,
    smiles: str | None,
    delimiter: str | None,
    encoding: str | None,
    sheet: str | None,
    *,
    header: bool | None,
    together: bool,
    apart: bool,
    yes: bool,
) -> None:
    """Guess what FILE contains, show it, and write the YAML of an endpoint for each column of measurements.

    Endpoints that share compounds become a group: no molecule is trained on at one and tested at another, and joint
    models learn all of them.

    FILE is CSV, TSV, SMILES, SDF, Excel (.xlsx) or Parquet, compressed or not. Nothing is overwritten, and FILE is not
    changed.
    """
    if decimal is not None and decimal == thousands:
        raise click.UsageError(f"expected another sign for --thousands than for --decimal, got {decimal!r} for both")
    from model_zoo.data.assays.proposal import Answers

    from ai_drug_assets.operations.own_assays import FileIs, file_for, look_at, write

    settings = Settings.from_env()
    pairs = tuple(_pair(text) for text in where)
    answers = Answers(name, unit, decimal, thousands, pairs)
    form = FileIs(delimiter, encoding, sheet, smiles, header)
    look = look_at(settings, Path(file), columns, answers, form, apart=apart)
    click.echo(look.as_text())
    questions = [question for each in look.proposals for question in each.questions]
    if questions:
        raise DataError(
            "nothing is written, because two readings would lead to different values:\n  "
            + "\n  ".join(dict.fromkeys(questions))
        )
    if not yes:
        if not sys.stdin.isatty():
            raise DataError(
                "nothing is written: say --yes to take these guesses, or correct them with options (--help)"
            )
        if not click.confirm(f"Write {len(look.proposals)} endpoint{'s' if len(look.proposals) > 1 else ''}?"):
            raise DataError("nothing is written: correct the guesses with options (--help)")
    for path in write(settings, look, file_for(Path(file), name), together=together):
        click.echo(f"wrote {path}")
    if Path(look.proposals[0].content["source"]["files"][0]).is_absolute():
        click.echo(f"{file} is outside of the checkout: the YAML works on this machine only, as long as it stays there")
    names = " ".join(each.name for each in look.proposals)
    click.echo(f"`aidrug curate {names}` shows what becomes of every row; `aidrug run {names}` trains on them")


@endpoint.command("list")
def list_endpoints() -> None:
    """List the endpoints with task, unit, group and the file that declares them, and any faults."""
    from ai_drug_assets.operations.own_assays import listed

    settings = Settings.from_env()
    lines = listed(settings)
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo(f"{settings.configs}: no endpoint is there; `aidrug endpoint new FILE` makes one", err=True)


@endpoint.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--examples", "embedded", is_flag=True, help="Remove all embedded examples.")
@click.option("--reason", default="the endpoint was removed", show_default=True, help="The reason that callers see.")
def remove(names: tuple[str, ...], reason: str, *, embedded: bool) -> None:
    """Remove endpoints: delete their YAML, or their part of one, and withdraw what serves them.

    Measurements and history stay.
    """
    from ai_drug_assets.operations.own_assays import examples, require_removable
    from ai_drug_assets.operations.own_assays import remove as work

    settings = Settings.from_env()
    chosen = dict.fromkeys([*names, *(examples(settings) if embedded else [])])
    if not chosen and not embedded:
        raise click.UsageError("expected the name of an endpoint, or --examples")
    require_removable(settings, chosen, reason)
    for name in chosen:
        for line in work(settings, name, reason):
            click.echo(line)


@click.command()
@click.argument("endpoints", nargs=-1, required=True, metavar="ENDPOINT...")
@click.option("--out", type=OutFile(), help="The CSV to write: each row, and what became of it.")
def curate(endpoints: tuple[str, ...], out: Path | None) -> None:
    """Show in seconds what curation would make of each row of an ENDPOINT's files. Keep and train nothing."""
    from ai_drug_assets.operations.curating import dry_run

    dry_run(Settings.from_env(), endpoints, out, click.echo)


@click.command()
@click.argument("endpoint")
def accept(endpoint: str) -> None:
    """Accept new measurements of an ENDPOINT that are held because they differ from the last ones."""
    from ai_drug_assets.assets.holding import accept as work

    click.echo(work(Settings.from_env(), endpoint))


def _pair(text: str) -> tuple[str, str]:
    column, equals, wanted = text.rpartition("=")
    if not equals or not column:
        raise click.UsageError(f"--where: expected COLUMN=TEXT, got {text!r}")
    return column, wanted
