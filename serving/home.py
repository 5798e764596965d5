"""Where everything is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from model_zoo.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[1]


def home_of(environment: Mapping[str, str]) -> Path:
    """Return the folder that everything is kept in, whatever process asks and wherever it was started.

    `AIDRUG_HOME`, or `.aidrug` in the checkout; where the packages are installed without one, `.aidrug` in the folder
    in which the process was started.

    Raises
    ------
    ConfigError
        When a file is there instead.

    Examples
    --------
    >>> home_of({"AIDRUG_HOME": "/srv/aidrug"})
    PosixPath('/srv/aidrug')
    """
    beside = CHECKOUT if (CHECKOUT / "workspace.yaml").is_file() else Path.cwd()
    home = Path(environment.get("AIDRUG_HOME") or beside / ".aidrug").resolve()
    if home.is_file():
        raise ConfigError(f"AIDRUG_HOME: expected a folder, got the file {home}")
    return home
