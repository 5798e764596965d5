"""The commands for ready-made endpoints: `aidrug panel list` and `add`."""

from __future__ import annotations

import click

from ai_drug_assets.settings import Settings


@click.group()
def panel() -> None:
    """Ready-made endpoints of public collections."""


@panel.command("list")
def list_panels() -> None:
    """Name the collections, their endpoints, licence, citation and origin."""
    from ai_drug_assets.operations.panels import as_text, load_panels

    click.echo(as_text(load_panels(Settings.from_env())))


@panel.command()
@click.argument("name")
@click.option("--from", "place", metavar="FOLDER|ADDRESS", help="Where the files of the collection lie.")
@click.option("--only", multiple=True, metavar="SET", help="Only this endpoint; may be given again.")
def add(name: str, place: str | None, only: tuple[str, ...]) -> None:
    """Add the endpoints of the collection NAME. Each file is verified by its SHA-256; nothing is overwritten."""
    from ai_drug_assets.operations.panels import add as work

    added = work(Settings.from_env(), name, place, only, click.echo)
    click.echo(f"{len(added)} endpoints added; `aidrug run --quick` trains cheap models on them, `aidrug run` all")
