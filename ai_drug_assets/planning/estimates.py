"""How long it takes to make an asset: an estimate that learns.

Times are by the clock of this machine, so they are in AIDRUG_HOME and nowhere else, beside the ledger but not in it:
what an asset took decides nothing, and must not keep an older revision from reading the ledger.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from model_zoo.data.sources import Source
from model_zoo.errors import DataError
from model_zoo.io.files import atomic_write

from ai_drug_assets.planning.catalog import MODELS, Catalog, Node
from ai_drug_assets.settings import Settings

PER_THOUSAND_ROWS_S: Mapping[str, float] = {
    "dataset": 2.5,
    "features/descriptors": 0.7,
    "features/erg": 1.0,
    "features/morgan_count": 0.7,
    "features/avalon_count": 1.0,
    "features/rdkit_descriptors": 4.0,
    "features/tokens": 0.3,
    "features": 5.0,
    "trained_model/naive": 0.1,
    "trained_model/xgb": 6.0,
    "trained_model/rf": 7.0,
    "trained_model/svm": 10.0,
    "trained_model/gp": 15.0,
    "trained_model/catboost": 20.0,
    "trained_model/blend": 0.3,
    "trained_model/mlp_joint": 0.5,
    "trained_model/transformer": 40.0,
    "trained_model": 30.0,
    "group_dataset": 2.0,
    "group_features": 5.0,
    "joint_model": 15.0,
}
"""First guesses on two cores, by kind and name: `python -m tests.benchmarks.bench_first_run` prints what it took."""
FLAT_S: Mapping[str, float] = {"leaderboard": 0.5, "champion_model": 4.0, "inference_service": 0.5}
"""First guesses for what does not grow with the rows."""
OVERHEAD_S = 0.3
UNKNOWN_ROWS = 1000


class Estimates:
    """Seconds per asset."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._path = catalog.settings.home / "durations.json"
        self._measured = _read(self._path)

    def seconds(self, node: Node) -> float:
        """Return what an asset took last time; else a first guess, as far off as it was for the most similar asset.

        The most similar asset is the one of its kind, and of its featurizer or recipe, that is nearest in rows: what
        is small says little of what is large, since a fit may grow faster than its rows and never takes no time.
        """
        if node.key in self._measured:
            return self._measured[node.key]
        rows, like = self._rows(node), self._by_likeness.get(self.likeness(node))
        if like is None:
            return self._guess(node)
        _, off = min(like, key=lambda found: abs(math.log(found[0] / rows)))
        return off * self._guess(node)

    def learnt(self, node: Node) -> bool:
        """Return whether that rests on something measured."""
        return node.key in self._measured or self.likeness(node) in self._by_likeness

    def record(self, key: str, seconds: float) -> None:
        """Keep what an asset took."""
        self._measured[key] = round(seconds, 3)
        self.__dict__.pop("_by_likeness", None)
        atomic_write(self._path, f"{json.dumps(self._measured, indent=1, sort_keys=True)}\n".encode())

    def _guess(self, node: Node) -> float:
        if node.kind in FLAT_S:
            return FLAT_S[node.kind]
        per_thousand = PER_THOUSAND_ROWS_S.get(self.likeness(node), PER_THOUSAND_ROWS_S[node.kind])
        return OVERHEAD_S + per_thousand * self._rows(node) / 1000

    @cached_property
    def _by_likeness(self) -> dict[str, list[tuple[int, float]]]:
        """By what compares with an asset, the rows of each that was measured and how many times its guess it took."""
        found: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for key, seconds in self._measured.items():
            node = self._catalog.nodes.get(key)
            if node is not None:
                found[self.likeness(node)].append((self._rows(node), seconds / self._guess(node)))
        return found

    def likeness(self, node: Node) -> str:
        """Name what compares with an asset: its kind, and the featurizer or the recipe."""
        if node.kind in MODELS:
            return f"{node.kind}/{self._catalog.configs.models[str(node.name)].recipe}"
        return f"{node.kind}/{node.name}" if node.name else node.kind

    def _rows(self, node: Node) -> int:
        if node.group is not None:
            return sum(self._rows_of[name] for name in self._catalog.configs.members_of(node.group))
        if node.endpoint is None:
            return 1
        return self._rows_of[node.endpoint]

    @cached_property
    def _rows_of(self) -> dict[str, int]:
        settings = self._catalog.settings
        return {name: _rows_in(endpoint.source, settings) for name, endpoint in self._catalog.configs.endpoints.items()}


def _rows_in(source: Source, settings: Settings) -> int:
    """Count the measurements of a source roughly, without reading them: ends of lines, or of SDF records."""
    mark = b"$$$$" if getattr(source, "format", "") == "sdf" else b"\n"
    try:
        paths = source.paths(settings.folder_of(source)).values()
        return max(1, sum(path.read_bytes().count(mark) for path in paths))
    except (OSError, DataError):
        return UNKNOWN_ROWS


def _read(path: Path) -> dict[str, float]:
    try:
        return {str(key): float(seconds) for key, seconds in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # not there yet, or damaged: it learns again
