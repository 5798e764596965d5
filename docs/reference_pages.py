"""The reference pages that are made from the code when the site is built."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from model_zoo.config.schema import ENDPOINT, GROUP, MODEL, schemas

Schema = dict[str, Any]


def write(folder: Path) -> None:
    """Write `openapi.json` and `configuration.md`."""
    (folder / "openapi.json").write_text(json.dumps(_http_interface(), default=str))
    (folder / "configuration.md").write_text(_configuration())


def _http_interface() -> Schema:
    from serving.app import create_app
    from serving.settings import Settings

    with TemporaryDirectory() as home:
        return create_app(Settings(store=home)).openapi_schema.to_schema()


def _configuration() -> str:
    made = schemas()
    parts = [
        "# Configuration files",
        "JSON Schemas of these files are in `configs/`, for editors; `aidrug schema` writes them.",
    ]
    for name, title in ((ENDPOINT, "Endpoints"), (MODEL, "Models"), (GROUP, "Groups")):
        schema: Any = made[name]
        parts += [f"## {title}", *_section(schema)]
        for each, part in schema.get("$defs", {}).items():
            parts += [f"### {title}: {each}", *_section(part)]
        for each in schema.get("allOf", []):
            recipe = each["if"]["anyOf"][0]["properties"]["recipe"]["const"]
            parts += [f"### {title}: `config` of `{recipe}`", *_section(each["then"]["properties"]["config"])]
    return "\n\n".join(parts) + "\n"


def _section(schema: Schema) -> list[str]:
    """Return what a class is about, and a table of its keys."""
    about = schema.get("description", "").partition("\n\nExamples\n")[0]
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in schema.get("properties", {}).items():
        default = json.dumps(value["default"]) if "default" in value else "required"
        default = "see there" if len(default) > 30 else default.replace("null", "none")
        meaning = " ".join(value.get("description", "").split())
        rows.append(" | ".join((f"| `{key}`", _kind(value), default, f"{meaning} |")))
    return [about, "\n".join(rows)] if len(rows) > 2 else [about]


def _kind(value: Schema) -> str:
    """Say what a key takes."""
    match value:
        case {"anyOf": several} | {"oneOf": several}:
            return " or ".join(dict.fromkeys(_kind(each) for each in several if each != {"type": "null"}))
        case {"$ref": place}:
            return str(place).rpartition("/")[2]
        case {"enum": words}:
            return ", ".join(f"`{word}`" if word else "nothing" for word in words)
        case {"const": word}:
            return f"`{word}`"
        case {"type": "array", "items": {**items}}:
            return f"list of {_kind(items)}"
        case {"type": "object", "additionalProperties": {**items}}:
            return f"mapping to {_kind(items)}"
    return str(value.get("type", "anything"))
