"""The commands for ready-made endpoints: `aidrug panel list` and `add`."""

from __future__ import annotations

import click

from ai_drug_assets.cli.out_file import named_place
from ai_drug_assets.settings import Settings


@click.group()
def panel() -> None:
    """Ready-made endpoints from public collections."""


@panel.command("list")
def list_panels() -> None:
    """List the collections with their endpoints, licence, citation and origin."""
    from ai_drug_assets.operations.panels import as_text, load_panels

    click.echo(as_text(load_panels(Settings.from_env())))


@panel.command()
@click.argument("name")
@click.option(
    "--from", "place", metavar="FOLDER|ADDRESS", callback=named_place, help="The folder of the collection's files."
)
@click.option("--only", multiple=True, metavar="SET", help="Only this endpoint; may be repeated.")
def add(name: str, place: str | None, only: tuple[str, ...]) -> None:
    """Add the endpoints of the collection NAME. Verify each file by its SHA-256; overwrite nothing."""
    from ai_drug_assets.operations.panels import add as work

    added = work(Settings.from_env(), name, place, only, click.echo)
    click.echo(f"{len(added)} endpoints added; `aidrug run --quick` trains cheap models on them, `aidrug run` all")
