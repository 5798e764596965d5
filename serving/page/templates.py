"""The page's templates and the addresses of its files."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
FRAGMENT = "x-fragment"
"""Header by which the page's script asks for a part of a page alone."""
_FILES = (
    "page.css", "page.js", "theme.js", "draw.js", "upload.js", "table.js", "views.js", "sharing.js", "structures.js",
    "calculated.js", "desirability.js", "plot.js", "score.js", "series.js", "suggest.js", "what_if.js", "workbench.css",
    "favicon.svg", "vendor/openchemlib-9.25.0/openchemlib.js",
)  # fmt: skip
_environment = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
# The digest in the address lets browsers keep a file for long, and still see the next version at once.
_environment.globals["files"] = {
    name.rpartition("/")[2]: f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
    for name in _FILES
}


def render(name: str, **values: object) -> str:
    """Print a template. Slow enough for a worker thread when there are many molecules."""
    return _environment.get_template(name).render(**values)


def day(moment: str) -> str:
    """Return an ISO 8601 time as a reader's date and time, UTC; what is none comes back as it is.

    Examples
    --------
    >>> day("2026-01-31T12:05:00.123+00:00"), day("")
    ('31 Jan 2026, 12:05 UTC', '')
    """
    try:
        return datetime.fromisoformat(moment).astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")
    except ValueError:
        return moment


def moment(seconds: float) -> str:
    """Return seconds since 1970 as `day` does.

    Examples
    --------
    >>> moment(0.0)
    '1 Jan 1970, 00:00 UTC'
    """
    return day(datetime.fromtimestamp(seconds, UTC).isoformat())


_environment.filters |= {"day": day, "moment": moment}
