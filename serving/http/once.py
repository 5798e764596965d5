"""What may be said once: of a parameter or a field that comes twice, all but the last would be ignored."""

from __future__ import annotations

from collections import Counter

from serving.http.parameters import HttpRequest
from serving.http.problems import ProblemError


def require_once(request: HttpRequest, but: str = "") -> None:
    """Refuse an address that says something twice.

    Raises
    ------
    ProblemError
        `invalid-request` for a parameter, other than `but`, that comes more than once.
    """
    counts = Counter(name for name, _ in request.query_params.multi_items() if name != but)
    if twice := next((name for name, count in counts.items() if count > 1), None):
        raise said_twice(twice)


def said_twice(name: str) -> ProblemError:
    """Return the refusal of something that was said twice."""
    return ProblemError("invalid-request", f"{name[:60]}: expected it once (several names are separated by commas)")
