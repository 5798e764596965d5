"""`aidrug adopt`: after the rule of signatures changed."""

from __future__ import annotations

import click

from ai_drug_assets.settings import Settings


@click.command()
@click.option("--benchmark", metavar="FOLDER", help="Adopt the committed results for the sets in this folder instead.")
@click.option("--commit", default="HEAD", show_default=True, help="The commit whose code computed the results.")
def adopt(benchmark: str | None, commit: str) -> None:
    """Keep what was made under the former rule of signatures, where both rules agree."""
    from ai_drug_assets.execution.adoption import adopt_home, adopt_results

    settings = Settings.from_env()
    if benchmark:
        adopt_results(settings, benchmark, commit, click.echo)
    else:
        adopt_home(settings, click.echo)
