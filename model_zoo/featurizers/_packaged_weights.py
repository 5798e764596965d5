"""Pretrained weights that ship in an installed package."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from model_zoo.errors import ConfigError


@dataclass(frozen=True)
class PackagedWeights:
    """A file of weights, known by its digest: other weights are another featurizer."""

    featurizer: str
    """Whose they are."""
    package: str
    file: str
    """`package` and `file`: the package's name for Python, and the file in it."""
    distribution: str
    release: str
    """`distribution` and `release`: what to install."""
    extra: str
    """Which extra of this project brings it."""
    sha256: str
    """Of the file."""

    def read(self) -> bytes:
        """Read the file, without importing the package.

        Raises
        ------
        ConfigError
            When the package is not installed, or holds other weights.
        """
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                f"the featurizer {self.featurizer!r} needs the package {self.distribution}, which is not installed. "
                f"Install the extra `{self.extra}`, or remove the featurizer from the model's YAML."
            )
        content = (Path(next(iter(spec.submodule_search_locations))) / self.file).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise ConfigError(
                f"{self.package}/{self.file}: expected the weights {self.sha256[:12]}, got {found[:12]}. "
                f"Install release {self.release}."
            )
        return content
