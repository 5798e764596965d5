"""A key taken out of the text of a YAML file; whatever else is there, comments and layout too, stays as it is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import yaml

from model_zoo.errors import ConfigError
from model_zoo.io.strict_yaml import parse_yaml


def without_key(text: str, *path: str) -> str:
    r"""Take a key out, with its value and the comments that are right above it, as far in as itself.

    Parameters
    ----------
    text
        The file.
    path
        The key, from the outermost one that it is below.

    Raises
    ------
    ConfigError
        When it cannot be taken out alone: it is the only one of its section, or others refer to it.

    Examples
    --------
    >>> print(without_key("a:\n  # the first\n  b: 1\n  # the second\n  c: 2 # two\nd: 3\n", "a", "b"), end="")
    a:
      # the second
      c: 2 # two
    d: 3
    """
    section: Any = yaml.compose(text, yaml.SafeLoader)
    for key in path[:-1]:
        section = next(value for name, value in section.value if name.value == key)
    place = next(number for number, (name, _) in enumerate(section.value) if name.value == path[-1])
    if len(section.value) == 1:
        raise ConfigError(f"{'.'.join(path)} is the only one of its section")
    name, value = section.value[place]
    following = section.value[place + 1][0].start_mark.index if place + 1 < len(section.value) else None
    if section.flow_style:
        begin = name.start_mark.index if following else section.value[place - 1][1].end_mark.index
        rest = text[:begin] + text[following or value.end_mark.index :]
    else:
        rest = _without_block(text, name, value, following)
    return _alike(text, rest, path)


def _without_block(text: str, name: yaml.Node, value: yaml.Node, following: int | None) -> str:
    lines = text.splitlines(keepends=True)
    first, indent = name.start_mark.line, " " * name.start_mark.column
    while first and lines[first - 1].startswith(f"{indent}#"):
        first -= 1
    end = lines[: text.count("\n", 0, following)] if following is not None else lines[: _last(value) + 1]
    last = len(end)
    while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1].startswith(f"{indent}#")):
        last -= 1  # what is right above the next key belongs to it
    return "".join(lines[:first] + lines[last:])


def _last(value: Any) -> int:
    """Return the line that a value ends in: the mark of a block's end is behind what follows it."""
    if isinstance(value, yaml.ScalarNode) or value.flow_style or not value.value:
        mark = value.end_mark
        return int(mark.line - (1 if mark.column == 0 and mark.line > value.start_mark.line else 0))
    inner = value.value[-1]
    return _last(inner[1] if isinstance(value, yaml.MappingNode) else inner)


def _alike(text: str, rest: str, path: tuple[str, ...]) -> str:
    """Require that the text says what it said, but for the key."""
    wanted: Any = deepcopy(parse_yaml(text))
    section = wanted
    for key in path[:-1]:
        section = section[key]
    del section[path[-1]]
    try:
        same = parse_yaml(rest) == wanted
    except (yaml.YAMLError, ValueError):
        same = False
    if not same:
        raise ConfigError(f"{'.'.join(path)} cannot be taken out alone, for others refer to it: edit the file by hand")
    return rest
