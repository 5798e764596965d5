"""`aidrug adopt`: after the rule of signatures changed."""

from __future__ import annotations

import click

from ai_drug_assets.settings import Settings


@click.command()
@click.option("--benchmark", metavar="FOLDER", help="Adopt the committed results of this folder's sets instead.")
@click.option("--commit", default="HEAD", show_default=True, help="Whose code the results were computed with.")
def adopt(benchmark: str | None, commit: str) -> None:
    """Take over what was made under the former rule of signatures, where it is equal under both rules."""
    from ai_drug_assets.execution.adoption import adopt_home, adopt_results

    settings = Settings.from_env()
    if benchmark:
        adopt_results(settings, benchmark, commit, click.echo)
    else:
        adopt_home(settings, click.echo)
