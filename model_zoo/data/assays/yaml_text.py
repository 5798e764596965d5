"""The YAML of a proposed endpoint, with the evidence for a guess behind its key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from model_zoo.data.assays.proposal import Proposal

SCHEMA = "# yaml-language-server: $schema=../endpoint.schema.json"
SECTIONS = ("source", "curation")
"""Keys whose values are written in lines of their own."""


def as_yaml(proposal: Proposal, origin: str) -> str:
    """Write a proposal.

    Examples
    --------
    >>> source = {"kind": "csv", "decimal": ","}
    >>> made = Proposal("logs", {"name": "logs", "source": source}, {"source.decimal": "all so"})
    >>> print(as_yaml(made, "Guessed."), end="")
    # yaml-language-server: $schema=../endpoint.schema.json
    # Guessed.
    name: logs
    source:
      kind: csv
      decimal: ","  # all so
    """
    return "\n".join([SCHEMA, f"# {origin}", *_lines(proposal.content, proposal.why, "")]) + "\n"


def as_one_yaml(proposals: Sequence[Proposal], origin: str) -> str:
    """Write several proposals into one file: what all say alike once, below `endpoints` what each has of its own.

    Examples
    --------
    >>> one, other = (
    ...     Proposal(name, {"name": name, "source": {"kind": "csv", "value_column": name}}) for name in ("hlm", "rlm")
    ... )
    >>> print(as_one_yaml([one, other], "Guessed."), end="")
    # yaml-language-server: $schema=../endpoint.schema.json
    # Guessed.
    source:
      kind: csv
    endpoints:
      hlm:
        source:
          value_column: hlm
      rlm:
        source:
          value_column: rlm
    """
    contents = [{key: value for key, value in each.content.items() if key != "name"} for each in proposals]
    common = _alike(contents)
    why = {key: text for key, text in proposals[0].why.items() if all(each.why.get(key) == text for each in proposals)}
    lines = [SCHEMA, f"# {origin}", *_lines(common, why, ""), "endpoints:"]
    for each, content in zip(proposals, contents, strict=True):
        lines += [f"  {each.name}:", *_lines(_rest(content, common), each.why, "    ")]
    return "\n".join(lines) + "\n"


def _alike(contents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all say alike, of sections key by key."""
    found = {}
    for key, value in contents[0].items():
        values = [each.get(key) for each in contents]
        if key in SECTIONS and all(isinstance(each, Mapping) for each in values):
            found[key] = _alike(values)  # type: ignore[arg-type]
        elif all(each == value for each in values):
            found[key] = value
    return {key: value for key, value in found.items() if value != {}}


def _rest(content: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    inner = {
        key: _rest(value, common[key]) if key in SECTIONS and key in common else value
        for key, value in content.items()
        if key not in common or (key in SECTIONS and value != common[key])
    }
    return {key: value for key, value in inner.items() if value != {}}


def _lines(content: Mapping[str, Any], why: Mapping[str, str], indent: str) -> list[str]:
    lines = []
    for key, value in content.items():
        if isinstance(value, Mapping) and key in SECTIONS:
            lines.append(f"{indent}{key}:")
            lines += [_line(inner, each, why.get(f"{key}.{inner}"), f"{indent}  ") for inner, each in value.items()]
        else:
            lines.append(_line(key, value, why.get(key), indent))
    return lines


def _line(key: str, value: Any, why: str | None, indent: str) -> str:
    comment = "" if not why else f"  # {' '.join(why.split())}"
    return f"{indent}{key}: {_flow(value)}{comment}"


def _flow(value: Any) -> str:
    """Write a value in one line; a text that could be taken for something else in double quotes."""
    dumped: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    text = dumped.removesuffix("\n").removesuffix("\n...")
    plain = isinstance(value, str) and text.startswith("'")
    return json.dumps(value, ensure_ascii=False) if plain else text
