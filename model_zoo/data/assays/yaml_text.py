"""The YAML of a proposed endpoint, with the evidence for a guess behind its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from model_zoo.data.assays.proposal import Proposal

SCHEMA = "# yaml-language-server: $schema=../endpoint.schema.json"


def as_yaml(proposal: Proposal, origin: str) -> str:
    """Write a proposal.

    Parameters
    ----------
    proposal
        The endpoint.
    origin
        How it came about, for the first lines.

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
    lines = [SCHEMA, f"# {origin}"]
    for key, value in proposal.content.items():
        if (isinstance(value, Mapping) and key == "source") or (isinstance(value, Mapping) and key == "curation"):
            lines.append(f"{key}:")
            lines += [_line(inner, each, proposal.why.get(f"{key}.{inner}"), "  ") for inner, each in value.items()]
        else:
            lines.append(_line(key, value, proposal.why.get(key)))
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any, why: str | None, indent: str = "") -> str:
    comment = "" if not why else f"  # {' '.join(why.split())}"
    return f"{indent}{key}: {_flow(value)}{comment}"


def _flow(value: Any) -> str:
    """Write a value in one line; a text that could be taken for something else in double quotes."""
    dumped: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    text = dumped.removesuffix("\n").removesuffix("\n...")
    plain = isinstance(value, str) and text.startswith("'")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"') if plain else ""
    return f'"{escaped}"' if plain else text
