"""The commands of the benchmark: `aidrug benchmark`, `benchmark-set` and `benchmark-report`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ai_drug_assets.cli.out_file import OutFile
from ai_drug_assets.cli.run import FAILED
from ai_drug_assets.settings import Settings


@click.command()
@click.argument("folder", envvar="AIDRUG_BENCHMARK_FOLDER", type=click.Path(exists=True, file_okay=False))
@click.option("--only", multiple=True, metavar="SET", help="Only this set; may be repeated.")
@click.option("--models", multiple=True, metavar="MODEL", help="Only this model; may be repeated.")
@click.option("--board", "boards", multiple=True, type=click.Choice(["strict", "open"]), help="Both by default.")
@click.option("--seeds", type=click.IntRange(1), help="Use seeds 1 to this number; the official protocol has 5.")
@click.option("--out", type=OutFile(makes_folder=True), help="The file of results, kept and completed.")
def benchmark(
    folder: str,
    only: tuple[str, ...],
    models: tuple[str, ...],
    boards: tuple[str, ...],
    seeds: int | None,
    out: Path | None,
) -> None:
    """Run the models on a FOLDER of sets with official test rows. Compute only what changed since the last run."""
    from ai_drug_assets.operations.benchmarks import benchmark as work

    failed = work(
        Settings.from_env(), folder, only=only, models=models, boards=boards, seeds=seeds, out=out, say=click.echo
    )
    sys.exit(FAILED if failed else 0)


@click.command("benchmark-set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--name", required=True, help="The set's name.")
@click.option("--smiles", required=True, metavar="COLUMN", help="The column of structures in FILE.")
@click.option("--value", required=True, metavar="COLUMN", help="The column of values, in the unit to be scored.")
@click.option("--metric", default="RMSE", show_default=True, help="The metric: RMSE, MAE or Spearman.")
@click.option("--unit", default="pIC50", show_default=True)
def benchmark_set(**given: str) -> None:
    """Add a CSV FILE of measurements to a benchmark FOLDER as one more set, split 80 to 20 by scaffold."""
    from ai_drug_assets.operations.benchmarks import add_set

    click.echo(add_set(**given))


@click.command("benchmark-report")
@click.option("--results", type=click.Path(dir_okay=False), help="The results of `aidrug benchmark`.")
@click.option("--out", type=OutFile(), help="The document to write; docs/benchmark.md by default.")
@click.option("--folder", type=click.Path(exists=True, file_okay=False), help="The sets: report which are stale too.")
def benchmark_report(results: str | None, out: Path | None, folder: str | None) -> None:
    """Write the documents of the benchmark and of the potency sets from their results."""
    from ai_drug_assets.operations.benchmarks import report

    for path in report(Settings.from_env(), results, out, folder):
        click.echo(path)
