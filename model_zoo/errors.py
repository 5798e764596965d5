"""The errors that the project raises on purpose.

Belongs here: one small tree, so that the command line and the service can turn a fault of the
user's into one clear message. A message says what was expected, what came, and what to do.
Does not belong here: invalid molecules (values, see `chemistry/molecules.py`), bugs (let them raise).
"""

from __future__ import annotations


class AidrugError(Exception):
    """Base of every error a user can cause and correct."""


class ConfigError(AidrugError):
    """A YAML file under `configs/` is broken, unknown or inconsistent."""


class DataError(AidrugError):
    """A source of measurements is missing, unreadable or without a usable row."""


class TrainingError(AidrugError):
    """A model could not be fitted, or what it predicts is not usable."""


class BundleError(AidrugError):
    """A bundle is incomplete, corrupt, or does not reproduce its own reference predictions."""


class StoreError(AidrugError):
    """The bundle store cannot be read or written as asked."""
