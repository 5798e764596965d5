"""What the client gives back of measuring: what to measure next, and what became of values that came back."""

from __future__ import annotations

from dataclasses import dataclass

from serving.client.answers import EndpointPrediction


@dataclass(frozen=True)
class SuggestedMolecule:
    """A molecule of a batch, and why it is in it. `like` is the row of the earlier pick that it is most like."""

    row: int
    smiles: str
    desirability: float
    spread: float
    bound: float
    similarity: float
    like: int | None
    endpoints: dict[str, EndpointPrediction]
    columns: dict[str, str]


@dataclass(frozen=True)
class LeftOut:
    """Rows that take no part in a suggestion, for one reason: how many, and the first of them."""

    code: str
    rows: int
    first: list[int]


@dataclass(frozen=True)
class Suggestion:
    """What to measure next, the most promising first."""

    picks: list[SuggestedMolecule]
    goals: list[str]
    candidates: int
    left_out: list[LeftOut]


@dataclass(frozen=True)
class Withdrawal:
    """Names whose values were taken back, and names of which there were none."""

    withdrawn: list[str]
    unknown: list[str]


@dataclass(frozen=True)
class Calibration:
    """How measured values change an endpoint's intervals. Times are seconds since 1970."""

    endpoint: str
    champion: str
    calibration: str
    factor: float
    values: int
    needed: int
    own_coverage: float | None
    recent_coverage: float | None
    told_coverage: float | None
    active: bool
    since: float
    without: list[str]
    callers: dict[str, int]
    left_out: dict[str, int]
    history: list[tuple[float, int, float]]
