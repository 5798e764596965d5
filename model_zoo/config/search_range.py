"""Where a search looks for a hyper-parameter."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator


class Range(BaseModel):
    """Where a search looks for one hyper-parameter: between two numbers, or among choices."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Whether steps are factors."""
    choices: tuple[str | int | float | bool, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Range:
        if self.choices:
            if (self.low, self.high, self.log) != (None, None, False):
                raise ValueError("expected either choices or low and high, got both")
        elif self.low is None or self.high is None or self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError("expected choices, or low < high (above zero for log)")
        return self

    def values(self) -> tuple[str | int | float | bool | None, ...]:
        """Return the ends, or all choices."""
        return self.choices or (self.low, self.high)

    def holds(self, value: object) -> bool:
        """Return whether a value can be found here."""
        if self.choices:
            return value in self.choices
        assert self.low is not None
        assert self.high is not None
        return isinstance(value, int | float) and self.low <= value <= self.high
