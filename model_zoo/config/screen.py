"""A library to be predicted: the schema of `configs/screens/<name>.yaml`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from model_zoo.config.naming import NAME


class Screen(BaseModel):
    """One library to be predicted: `configs/screens/<name>.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME, max_length=60)
    description: str
    library: str
    """A folder of Parquet files, or one file: a path or `s3://bucket/prefix`."""
    smiles_column: str = "smiles"
    id_column: str | None = None
    """Copied to the result when named."""
    endpoints: tuple[str, ...] = ()
    """Which to predict; all that have a champion when omitted."""
    out: str | None = None
    """Where results go; under `AIDRUG_HOME` when omitted.

    A folder or `s3://bucket/prefix`."""
    rows_per_shard: int = Field(default=20_000, ge=1, le=1_000_000)
