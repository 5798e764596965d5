"""What one look of the automation leaves for the next: what it saw, what it asked for, when to look again."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from ai_drug_assets.planning import stamps


class Asked(BaseModel):
    """An asset that was asked for: under which circumstances, how often, and when last."""

    model_config = ConfigDict(frozen=True)

    mark: str
    times: int
    at: float


class Cursor(BaseModel):
    """What one look leaves for the next."""

    model_config = ConfigDict(frozen=True)

    seen: str = ""
    """The stamp of all files that the plan depends on."""
    tracked: tuple[int, int, int] = stamps.GONE
    """That of MLflow's own file: of its content too, where nothing was being made that writes to it."""
    wake: float = 0.0
    """When to look again although no file changed, in seconds since 1970."""
    asked: dict[str, Asked] = {}
    """What was asked for and is stale, by key."""
    told: str = ""
    """What the look found, in words."""

    @classmethod
    def read(cls, text: str | None) -> Cursor:
        """Read what the last look left; begin again where there is nothing, or something of another version."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()
