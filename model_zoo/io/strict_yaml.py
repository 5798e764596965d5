"""YAML read strictly: what looks like one thing is never taken for another.

The rules are those of YAML 1.2, whose numbers are JSON's: `30`, `-1`, `0.5`, `1e-3`; `.inf` and `.nan`, which schemas
refuse where they must be finite; `true`, `false`, `null`, `~`. All else is text, also what YAML 1.1 takes for something
else: `yes`, `no`, `on`, `off` (truth values), `030` (24), `0x1E`, `1_000`, `1:30` (90), `2024-01-31` (a date), `=`. A
schema that expects a number or a truth value refuses a text, so that nothing is guessed. Merge keys, keys that are no
text, and a repeated key are refused by name; anchors and aliases are content like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel

from model_zoo.errors import ConfigError
from model_zoo.type_aliases import Json

S = TypeVar("S", bound=BaseModel)
TAG = "tag:yaml.org,2002:"
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
REAL = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
TRUTH = re.compile(r"true|True|TRUE|false|False|FALSE")
NOTHING = re.compile(r"~|null|Null|NULL|")
DOUBTFUL = re.compile(r"[-+]?(0[0-9]+(\.[0-9]*)?|0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7]+|[0-9][0-9_:]*[0-9](\.[0-9_]*)?)")
"""Texts that YAML 1.1 or another reader takes for a number."""


def read_yaml(path: Path) -> Any:
    """Read the one document of a file.

    Raises
    ------
    ConfigError
        When it cannot be read, or is not YAML by the rules of this module; with the place.
    """
    try:
        return deepcopy(parse_yaml(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable file: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8
        raise ConfigError(f"{path}: not valid YAML: {error}") from error


@lru_cache(maxsize=512)
def parse_yaml(text: str) -> Json:
    """Read a text once, for nobody to change: each asset of a run looks at all configuration, which rarely changes."""
    return yaml.load(text, _Loader)  # noqa: S506 - constructs nothing but data


def check(schema: type[S], content: Any) -> S:
    """Check content against a schema without conversions: no truth value or text is a number.

    Raises
    ------
    pydantic.ValidationError
        When it does not fit.
    ConfigError
        When it is no tree: an alias inside what it names.
    """
    try:
        frozen = _frozen(content)
    except RecursionError as error:
        raise ConfigError("expected a tree, got an alias inside what it names") from error
    return schema.model_validate(frozen, strict=True)


def plain(value: Any) -> Any:
    """Return a value as it is in the file, for messages."""
    return [plain(each) for each in value] if isinstance(value, tuple) else value


def _frozen(content: Any) -> Any:
    """Return lists as tuples, which is what schemas hold: strictly, a list is none."""
    if isinstance(content, Mapping):
        return {key: _frozen(value) for key, value in content.items()}
    return tuple(map(_frozen, content)) if isinstance(content, list) else content


def hint(value: Any) -> str:
    """Say how a value is meant that another reader would have taken for a number or a truth value; often nothing.

    Examples
    --------
    >>> hint("030")
    '; numbers are decimal, without leading zeros, underscores or colons'
    >>> hint("yes")
    '; truth values are `true` and `false`'
    >>> hint("many")
    ''
    """
    if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off", "y", "n"):
        return "; truth values are `true` and `false`"
    if isinstance(value, str) and DOUBTFUL.fullmatch(value):
        return "; numbers are decimal, without leading zeros, underscores or colons"
    return ""


class _Loader(yaml.SafeLoader):
    """Knows fewer words than PyYAML, and fewer kinds of content."""

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        f"{TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{TAG}{kind}"] for kind in ("str", "seq", "map")
    } | {None: yaml.SafeLoader.yaml_constructors[None]}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Refuse what is no plain mapping of different texts."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise _fault(f"expected a text as key, got {name!r}; put it in quotes", key)
            if name == "<<" and key.style is None:
                raise _fault("merge keys (`<<`) are no part of YAML 1.2; write the keys out", key)
            if name in seen:
                raise _fault(f"the key {name!r} appears twice", key)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _fault(text: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


def _word(kind: str, known: re.Pattern[str], make: Any, first: str) -> None:
    """Teach the loader a kind of plain words: which they are, what they mean, and how they can begin."""

    def construct(loader: _Loader, node: yaml.ScalarNode) -> Any:
        text = str(loader.construct_scalar(node))
        if not known.fullmatch(text):  # with a tag like `!!int`
            raise _fault(f"expected a word of the kind {kind!r}, got {text!r}", node)
        return make(text)

    begins = [*first, ""] if known.fullmatch("") else [*first]
    _Loader.add_implicit_resolver(f"{TAG}{kind}", re.compile(f"(?:{known.pattern})\\Z"), begins)
    _Loader.add_constructor(f"{TAG}{kind}", construct)


def _real(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.yaml_implicit_resolvers = {}
_word("null", NOTHING, lambda text: None, "~nN")
_word("bool", TRUTH, lambda text: text.lower() == "true", "tTfF")
_word("int", WHOLE, int, "-+0123456789")
_word("float", REAL, _real, "-+.0123456789")
