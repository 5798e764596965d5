"""How desirable a value is to a project: a number from 0 to 1 that values of different units share.

Changes no trained model: it is only shown.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Desirable(BaseModel):
    """The values a project wants, in the endpoint's unit.

    Examples
    --------
    >>> soluble = Desirable(low=-4.0, margin=2.0)
    >>> soluble.score(-3.0), soluble.score(-5.0), soluble.score(-9.0)
    (1.0, 0.5, 0.0)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low: float | None = None
    """Lowest value that is as good as any; none where there is no lower end."""
    high: float | None = None
    """Highest value that is as good as any; none where there is no upper end."""
    margin: float = Field(gt=0)
    """How far outside of the range a value is worth nothing."""

    @model_validator(mode="after")
    def _consistent(self) -> Desirable:
        if self.low is None and self.high is None:
            raise ValueError("expected at least one of low and high")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"expected low <= high, got {self.low:g} and {self.high:g}")
        return self

    def score(self, value: float) -> float:
        """Return 1 within the range, falling in a straight line to 0 over the margin outside of it."""
        below = 0.0 if self.low is None else self.low - value
        above = 0.0 if self.high is None else value - self.high
        return max(0.0, 1.0 - max(below, above, 0.0) / self.margin)


def range_words(low: str | None, high: str | None) -> str:
    """Say a range of which an end may be open.

    Examples
    --------
    >>> range_words("-4", None), range_words(None, "10"), range_words("-0.5", "1")
    ('-4 or higher', '10 or lower', '-0.5 to 1')
    """
    if low is None:
        return f"{high} or lower"
    return f"{low} or higher" if high is None else f"{low} to {high}"
