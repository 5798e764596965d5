"""The commands `aidrug data`: measurements that DVC tracks."""

from __future__ import annotations

import click

from ai_drug_assets.settings import Settings


@click.group()
def data() -> None:
    """Track measurements with DVC."""


@data.command("add")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
def data_add(files: tuple[str, ...]) -> None:
    """Track FILES with DVC and copy them to the remote. Commit the `.dvc` files that this writes."""
    from ai_drug_assets.operations.dvc import add

    click.echo(add(files, Settings.from_env()))


@data.command("pull")
def data_pull() -> None:
    """Fetch the version of every tracked file that its pointer names."""
    from ai_drug_assets.operations.dvc import pull_all

    click.echo(pull_all(Settings.from_env()))


@data.command("remote")
@click.argument("url")
def data_remote(url: str) -> None:
    """Keep tracked data at URL: a folder, or `s3://bucket/prefix`."""
    from ai_drug_assets.operations.dvc import set_remote

    click.echo(set_remote(url, Settings.from_env()))
