"""The command `aidrug suggest`: which molecules of a file to measure next."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from ai_drug_assets.cli.out_file import OutFile
from ai_drug_assets.settings import Settings


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--batch", type=click.IntRange(1, 1000), default=24, show_default=True, help="How many molecules.")
@click.option(
    "--endpoint", "--endpoints", "endpoints", multiple=True, help="Only these endpoints, separated by commas."
)
@click.option(
    "--exploration",
    type=click.FloatRange(0, 10),
    help="How much uncertainty counts; 1 if omitted, 0 picks the best predictions.",
)
@click.option("--column", help="The column of SMILES, if the service cannot find it.")
@click.option("--sheet", help="The sheet of an Excel workbook, if it has several.")
@click.option("--out", type=OutFile(), help="Write the batch to this CSV file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def suggest(
    file: str,
    batch: int,
    endpoints: tuple[str, ...],
    exploration: float | None,
    column: str | None,
    sheet: str | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Suggest which molecules of FILE to measure next, through the running service.

    Those are chosen that promise most of what the endpoints' YAML want (`desirable`, else `direction`), of which most
    is still to be learnt, and that are unlike each other. FILE is what `aidrug predict` takes; rows that cannot be
    predicted, were measured or come twice are left out, and named.
    """
    if exploration is not None and math.isnan(exploration):
        raise click.UsageError("--exploration: expected a number from 0 to 10, got nan")
    from ai_drug_assets.operations import suggestions

    names = [name.strip() for each in endpoints for name in each.split(",") if name.strip()]
    place = suggestions.checked(out, Path(file)) if out else None
    found = suggestions.suggest_batch(
        Settings.from_env().service_url,
        Path(file),
        size=batch,
        exploration=exploration,
        endpoints=names or None,
        column=column,
        sheet=sheet,
    )
    if place is not None:
        suggestions.write_file(found, place)
    click.echo(json.dumps(found, indent=1) if as_json else suggestions.as_text(found))
