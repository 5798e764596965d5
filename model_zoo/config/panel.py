"""A ready-made set of endpoints for a public collection: the schema of `configs/panels/<name>.yaml`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from model_zoo.config.naming import NAME
from model_zoo.type_aliases import Json


class PanelFile(BaseModel):
    """A file of the collection, known by its content."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(pattern=r"^[\w.\-]+(/[\w.\-]+)*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    split: Literal["train", "test"] | None = None


class PanelSet(BaseModel):
    """One endpoint of the collection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME, max_length=60)
    files: tuple[PanelFile, ...] = Field(min_length=1)
    endpoint: dict[str, Any]
    """What its YAML says beside its name, licence and files, with the names of columns and the deciding `metric`."""

    def content(self, panel: Panel, folder: str) -> dict[str, Json]:
        """Return what the endpoint's YAML says."""
        fields = dict(self.endpoint)
        columns = {key: fields.pop(key) for key in list(fields) if key.endswith("_column")}
        files = [
            {"file": f"{folder}/{each.file}", **({"split": each.split} if each.split else {})} for each in self.files
        ]
        plain = [str(each["file"]) if len(each) == 1 else each for each in files]
        first = {key: fields.pop(key) for key in ("title", "description", "task", "unit", "direction")}
        metric = fields.pop("metric")
        return {
            "name": self.name,
            **first,
            "licence": f"{panel.licence} ({panel.citation})",
            "source": {"kind": "csv", "files": plain, **columns},
            **fields,
            "champion": {"metric": metric},
        }


class Panel(BaseModel):
    """A collection: `configs/panels/<name>.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    title: str
    licence: str
    citation: str
    origin: str
    """Where the files come from, for people."""
    folder: str | None = None
    """The folder that they are in, inside the one that is named."""
    address: str | None = None
    """Where they are fetched from when no folder is named; none where no address is known to be right."""
    sets: tuple[PanelSet, ...] = Field(min_length=1)
