"""The commands `aidrug benchmark` and `aidrug benchmark-report`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from model_zoo.benchmark.boards import BOARDS
from model_zoo.benchmark.candidates import Snapshot
from model_zoo.benchmark.layout import SetDescription, lay_out
from model_zoo.benchmark.potency_report import potency_text
from model_zoo.benchmark.report import read_goals, read_leaderboard, report_text
from model_zoo.benchmark.results import mark_stale, read_results
from model_zoo.benchmark.runner import Job, choose, run_benchmark, stale_boards
from model_zoo.benchmark.sets import load_benchmark_config, read_sets
from model_zoo.benchmark.standing_report import standing_text
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import load_configs
from model_zoo.config.naming import NAME
from model_zoo.data.sources import CsvSource
from model_zoo.errors import ConfigError, DataError
from model_zoo.features.cache import FeatureCache
from model_zoo.io.files import atomic_write
from serving.machine import processors

from ai_drug_assets.operations.predictions import require_another
from ai_drug_assets.settings import Settings

RESULTS = "tests/benchmarks/results/tdc_admet.json"
GOALS = "tests/benchmarks/published/tdc_admet.csv"
MAPLIGHT = "tests/benchmarks/results/maplight.json"
PUBLISHED = "tests/benchmarks/published/tdc_admet_leaderboard.csv"
DOCUMENT = "docs/benchmark.md"
POTENCY_RESULTS = "tests/benchmarks/results/potency.json"
POTENCY_DOCUMENT = "docs/potency.md"


def benchmark(
    settings: Settings,
    folder: str,
    *,
    only: Sequence[str],
    models: Sequence[str],
    boards: Sequence[str],
    seeds: int | None,
    out: Path | None,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Bring the benchmark's results up to date; return what went wrong, by set."""
    failed: dict[str, str] = {}
    for job, endpoint in jobs(settings, folder, only=only, models=models, boards=boards, seeds=seeds, out=out):
        failed |= run_benchmark(job, [endpoint], say)
    return failed


def jobs(
    settings: Settings,
    folder: str,
    *,
    only: Sequence[str] = (),
    models: Sequence[str] = (),
    boards: Sequence[str] = (),
    seeds: int | None = None,
    out: Path | None = None,
) -> Iterator[tuple[Job, Endpoint]]:
    """Yield what is computed for each set."""
    config = load_benchmark_config(settings.configs / "benchmark.yaml")
    zoo = load_configs(settings.configs).models
    place = Path(folder).resolve()
    features = FeatureCache(settings.feature_folder, settings.code_root, processes=processors())
    job = Job(
        folder=place,
        models=choose(zoo, models or config.models),
        code_root=settings.code_root,
        out=out or settings.root / RESULTS,
        kept=settings.folder("benchmark"),
        features=features,
        seeds=seeds or config.seeds,
        boards=boards or BOARDS,
        holder=config.holder,
        others={
            endpoint.name: Snapshot(endpoint, place, features)
            for endpoint in read_sets(place, config)
            if (place / endpoint.name).is_dir()  # a part of a benchmark is one too: nothing is learnt from the rest
        },
    )
    for endpoint in read_sets(job.folder, config, only):
        one = replace(
            job,
            models=choose(zoo, models or config.competing(endpoint.name)),
            references={
                name: item.recipe for name, item in config.references.items() if item.stands_for(endpoint.name)
            },
        )
        yield one, endpoint


def add_set(*, file: str, folder: str, name: str, smiles: str, value: str, metric: str, unit: str) -> str:
    """Write a file of measurements as a set of a benchmark folder; report what became of its rows.

    Raises
    ------
    ConfigError
        When the name is not that of an endpoint, which each set is.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"--name: expected a name of lower-case letters, digits and underscores, got {name!r}")
    path = Path(file).resolve()
    source = CsvSource(kind="csv", files=(path.name,), smiles_column=smiles, value_column=value)
    done = lay_out(source, path.parent, Path(folder), SetDescription(name, metric, unit))
    return f"{name}: " + ", ".join(f"{number} {what}" for what, number in done.items())


def report(
    settings: Settings, results: str | None = None, out: Path | None = None, folder: str | None = None
) -> list[str]:
    """Write the benchmark's document (and, from the committed results, that on potency); give their paths.

    With the folder of the sets it is noted in the results first which of them are stale.

    Raises
    ------
    DataError
        When there are no results, or the document would replace them.
    """
    path = Path(results) if results else settings.root / RESULTS
    if not path.is_file():
        raise DataError(f"{path}: expected the results of `aidrug benchmark`, got no such file")
    require_another(path, out)
    if folder is not None:
        made = jobs(settings, folder, out=path)
        mark_stale(path, {(one.name, board) for job, one in made for board in stale_boards(job, one)})
    written = {out or settings.root / DOCUMENT: document(settings.root, path)}
    if not (results or out):
        written[settings.root / POTENCY_DOCUMENT] = potency_text(read_results(settings.root / POTENCY_RESULTS))
    for path, content in written.items():
        atomic_write(path, content.encode())
    return [str(path) for path in written]


def document(root: Path, results: Path) -> str:
    """Write the benchmark's document from results, and from what is published and measured beside them."""
    done, goals = read_results(results), read_goals(root / GOALS)
    published, maplight = read_leaderboard(root / PUBLISHED), root / MAPLIGHT
    measured = json.loads(maplight.read_bytes()) if maplight.is_file() else {}
    return f"{report_text(done, goals, published)}\n{standing_text(done, goals, published, measured)}"
