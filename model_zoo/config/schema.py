"""JSON Schemas of the YAML files under `configs/`, for editors that complete and check them."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from model_zoo import featurizers, models
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.endpoint_file import SEVERAL
from model_zoo.config.group import Group
from model_zoo.config.model_spec import ModelSpec
from model_zoo.type_aliases import Json

ENDPOINT, MODEL, GROUP = "endpoint.schema.json", "model.schema.json", "group.schema.json"


class Documented(GenerateJsonSchema):
    """Schemas whose keys are described by the docstrings of the attributes.

    Pydantic's own `use_attribute_docstrings` reads the source whenever a class is made, so at every start.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """Describe a class."""
        described = super().model_schema(schema)
        for base in schema["cls"].__mro__:
            if issubclass(base, BaseModel) and base is not BaseModel:
                for name, text in _attribute_docstrings(base):
                    if name in described["properties"]:
                        described["properties"][name].setdefault("description", text)
        return described


def schemas() -> dict[str, dict[str, Json]]:
    """Return all schemas by file name; a model's `config` is described by that model's own `Config`.

    Examples
    --------
    >>> sorted(schemas())
    ['endpoint.schema.json', 'group.schema.json', 'model.schema.json']
    """
    model = ModelSpec.model_json_schema(schema_generator=Documented)
    model["properties"]["recipe"]["enum"] = models.names()
    model["properties"]["features"]["items"]["enum"] = featurizers.names()
    model["allOf"] = [_config_of(name) for name in models.names()]
    return {
        ENDPOINT: _endpoints(Endpoint.model_json_schema(schema_generator=Documented)),
        MODEL: model,
        GROUP: Group.model_json_schema(schema_generator=Documented),
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write all schemas into `configs/`; give their paths."""
    written = []
    for name, schema in schemas().items():
        path = folder / name
        path.write_text(as_text(schema), encoding="utf-8")
        written.append(path)
    return written


def as_text(schema: dict[str, Json]) -> str:
    """Return a schema as it is written to its file."""
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def _attribute_docstrings(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the attributes of one class that have a docstring below them."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    for attribute, below in pairwise(definition.body):
        match attribute, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                yield name, inspect.cleandoc(text)


def _endpoints(one: dict[str, Any]) -> dict[str, Json]:
    """Describe a file of one endpoint, or of several over common settings: of both nothing is required alone."""
    known = one.pop("$defs")
    part = {key: _in_part(value) for key, value in one["properties"].items() if key != "name"}
    closed = {"type": "object", "additionalProperties": False}
    own = {**closed, "type": ["object", "null"], "properties": part}
    below = {"type": "object", "minProperties": 1, "additionalProperties": own}
    below["propertyNames"] = {key: one["properties"]["name"][key] for key in ("pattern", "maxLength")}
    several = {**closed, "properties": {**part, SEVERAL: below}, "required": [SEVERAL]}
    parts = {f"{name}InPart": _in_part(each) for name, each in known.items()}
    return {"$defs": {**known, **parts}, "if": {"required": [SEVERAL]}, "then": several, "else": one}


def _in_part(schema: Any) -> Any:
    """Return a schema of which nothing is required, for what is said in two places."""
    if isinstance(schema, list):
        return [_in_part(each) for each in schema]
    if not isinstance(schema, dict):
        return f"{schema}InPart" if str(schema).startswith("#/$defs/") else schema
    left_out = ("required", "discriminator")
    return {
        ("anyOf" if key == "oneOf" else key): _in_part(value) for key, value in schema.items() if key not in left_out
    }


def _config_of(name: str) -> dict[str, Json]:
    described = models.get(name).Config.model_json_schema(schema_generator=Documented)
    described["properties"].pop("task")  # comes from the endpoint
    described.pop("required", None)
    if isinstance(models.get(name), models.HasBlocks):
        described["$defs"]["Block"].pop("required")  # a block is as wide as its featurizer
    by_recipe: dict[str, Any] = {"properties": {"recipe": {"const": name}}, "required": ["recipe"]}
    by_name: dict[str, Any] = {"properties": {"name": {"const": name}}, "not": {"required": ["recipe"]}}
    return {"if": {"anyOf": [by_recipe, by_name]}, "then": {"properties": {"config": described}}}
