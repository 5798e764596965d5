"""Libraries that can change a number: which distributions count, and in which version they are installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost-cpu", "xgboost"),
    "yaml": ("PyYAML",),
}
"""Distributions whose name is not that of the module they install; the first installed one counts."""

WITHOUT_INFLUENCE = frozenset({"pydantic", "yaml"})
"""Libraries that only read and check configuration: their *result* is the `config` part, so a new release of them
changes no number unless it changes that part."""

BENEATH: Mapping[str, tuple[str, ...]] = {
    "sklearn": ("numpy", "scipy"),
    "scipy": ("numpy",),
    "pandas": ("numpy",),
}
"""Libraries that compute for another one without our code naming them: scikit-learn computes with NumPy and SciPy.
Left out: joblib and threadpoolctl, which share work out and compute nothing; what XGBoost, CatBoost, PyTorch, RDKit and
ONNX Runtime ship is their own."""

SUMS = "python"
"""Python itself counts where reached code calls `sum`: since 3.12 it makes up for the rounding of floats."""


def versions(modules: Iterable[str], builtins: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of the distributions that count, by their names, sorted."""
    wanted = set(modules) - WITHOUT_INFLUENCE - sys.stdlib_module_names
    wanted |= {below for module in wanted for below in BENEATH.get(module, ())}
    found = dict(distribution(module) for module in wanted)
    if "sum" in builtins:
        found[SUMS] = "3.12 or newer" if sys.version_info >= (3, 12) else "before 3.12"
    return dict(sorted(found.items()))


def reasons(modules: Mapping[str, str], builtins: Mapping[str, str]) -> dict[str, str]:
    """Say why each distribution counts that `versions` gives, by its name, sorted.

    Examples
    --------
    >>> reasons({"numpy": "zoo.train", "yaml": "zoo.read"}, {"sum": "zoo.score"})
    {'numpy': 'used by zoo.train', 'python': 'sums in zoo.score'}
    """
    found = {SUMS: f"sums in {builtins['sum']}"} if "sum" in builtins else {}
    wanted = set(modules) - WITHOUT_INFLUENCE - sys.stdlib_module_names
    for module in sorted(wanted):
        for below in BENEATH.get(module, ()):
            found.setdefault(distribution(below)[0], f"computes for {distribution(module)[0]}")
    found |= {distribution(module)[0]: f"used by {modules[module]}" for module in wanted}
    return dict(sorted(found.items()))


@lru_cache(maxsize=256)
def distribution(module: str) -> tuple[str, str]:
    """Return the distribution that installs a module, and its version; `not installed` when there is none."""
    for name in DISTRIBUTIONS.get(module, (module,)):
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if importlib.util.find_spec(module) is not None:  # asked first: reading all distributions takes half a second
        for name in _installers(_installed()).get(module, ()):
            return name, metadata.version(name)
    return module, "not installed"


def _installed() -> tuple[tuple[str, int], ...]:
    """Return what distinguishes installations: each folder of modules, and when its content last changed."""
    folders = [Path(entry or ".") for entry in sys.path]
    return tuple((str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir())


@lru_cache(maxsize=1)
def _installers(installed: tuple[tuple[str, int], ...]) -> Mapping[str, list[str]]:
    """Return the distributions that install each module, read again only when some were installed or removed."""
    return metadata.packages_distributions()
