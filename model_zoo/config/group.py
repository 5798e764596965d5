"""Endpoints that share compounds: the schema of `configs/groups/<name>.yaml`.

A file of its own, and not a line in each endpoint's: what the endpoints have in common, their split above all, is said
once, and an endpoint that is removed leaves the others' files as they are.
"""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field, field_validator

from model_zoo.config.naming import NAME
from model_zoo.data.splits import Split

COMES_WITH_DATA = ("official", "column")
"""Splits that an endpoint's own files say."""


class Group(BaseModel):
    """Endpoints measured on the same compounds: `configs/groups/<name>.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME, max_length=60)
    """No endpoint has the same one."""
    title: str = ""
    endpoints: tuple[str, ...] = Field(min_length=2)
    """Each molecule has one place for all of them: in one fold, or in the test split."""
    split: Split = Split()
    """How their molecules are divided, in place of the `split` of each; one whose files say which rows are the test
    split keeps these, and the other endpoints do not learn from them either."""

    @field_validator("endpoints")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted(name for name, count in Counter(value).items() if count > 1)
        if twice:
            raise ValueError(f"expected each endpoint once, got {twice[0]!r} twice")
        return value

    @field_validator("split")
    @classmethod
    def _own(cls, value: Split) -> Split:
        if value.kind in COMES_WITH_DATA:
            raise ValueError(
                f"kind: expected scaffold, cluster, time, group or random, got {value.kind!r}: that is said by the "
                "files of an endpoint, in its own YAML"
            )
        return value
