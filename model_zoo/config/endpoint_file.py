"""The files of `configs/endpoints/`: each declares one endpoint, or several of one table over common settings.

The assays of a wide table differ in a column and a unit. Settings beside `endpoints` apply to all of them, settings
below it to one::

    task: regression
    source: {kind: csv, files: [assays.csv], smiles_column: SMILES}
    champion: {metric: rmse}
    endpoints:
      hlm: {title: HLM, description: Clearance., unit: uL/min/mg, source: {value_column: HLM}}
      rlm: {title: RLM, description: Clearance., unit: uL/min/mg, source: {value_column: RLM}}

Sections are joined key by key; where both set a value, the endpoint's own counts. The result is an endpoint like one in
a file of its own, so that nothing else depends on the difference.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.faults import fault
from model_zoo.config.reading import read_mapping, yaml_files
from model_zoo.config.similar_names import did_you_mean
from model_zoo.errors import AidrugError, ConfigError
from model_zoo.io.strict_yaml import check
from model_zoo.type_aliases import Json

SEVERAL = "endpoints"
"""The key below which a file declares several endpoints."""
FOLDER = "endpoints"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass
class Declared:
    """The endpoints of a folder."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    """What can be read, by name, sorted."""
    files: dict[str, Path] = field(default_factory=dict)
    """The file that declares an endpoint, of those at fault too."""
    faults: dict[str, str] = field(default_factory=dict)
    """What is at fault, by the name of the endpoint."""
    places: dict[str, str] = field(default_factory=dict)
    """What is before the keys of an endpoint in its file: `endpoints.<name>.` where there are several."""

    def require(self) -> Declared:
        """Return it, without any fault."""
        for message in self.faults.values():
            raise ConfigError(message)
        return self


def read_endpoints(folder: Path, wanted: Collection[str] | None = None) -> Declared:
    """Read and check what the files of a folder, which need not exist, declare."""
    found, doubtful = Declared(), dict[str, tuple[Path, str]]()
    for path in yaml_files(folder):
        try:
            content = read_mapping(path)
        except ConfigError as error:
            doubtful |= dict.fromkeys(_names_in_text(path), (path, str(error)))
            continue
        for name, made in _endpoints(path, content, wanted):
            if name in found.files:
                found.faults[name] = f"{path}: the name {name!r} is already taken by {found.files[name]}"
                found.endpoints.pop(name, None)
                continue
            found.files[name], found.places[name] = path, f"{SEVERAL}.{name}." if SEVERAL in content else ""
            if isinstance(made, Endpoint):
                found.endpoints[name] = made
            else:
                found.faults[name] = made
        if SEVERAL not in content:
            doubtful |= {name: (path, found.faults.get(path.stem, "")) for name in _names_elsewhere(path, content)}
    for name, (path, message) in doubtful.items():
        if name not in found.files and message and (wanted is None or name in wanted):
            found.files[name], found.faults[name] = path, message
    found.endpoints = dict(sorted(found.endpoints.items()))
    return found


def endpoint_file(folder: Path, name: str) -> Path:
    """Find the file that declares an endpoint, at fault or not."""
    files = read_endpoints(folder / FOLDER).files
    if name not in files:
        known = ", ".join(sorted(files)) or "none: there is no endpoint"
        raise ConfigError(f"expected one of {known}, got {name!r}{did_you_mean(name, files)}")
    return files[name]


def read_endpoint(folder: Path, name: str) -> Endpoint:
    """Read one endpoint of `configs/`, whatever is at fault with others."""
    endpoint_file(folder, name)
    return read_endpoints(folder / FOLDER, {name}).require().endpoints[name]


def _endpoints(
    path: Path, content: dict[str, Any], wanted: Collection[str] | None
) -> Iterator[tuple[str, Endpoint | str]]:
    """Yield the endpoints of a file by name; in place of one that is at fault, what is."""
    if SEVERAL not in content:
        if wanted is None or path.stem in wanted:
            yield path.stem, _alone(path, content)
        return
    common = {key: value for key, value in content.items() if key != SEVERAL}
    several = content[SEVERAL]
    if "name" in common or not isinstance(several, dict) or not several:
        what = "expected settings by the name of each endpoint" if "name" not in common else "expected no `name` beside"
        names = several if isinstance(several, dict) and several else (path.stem,)
        yield from ((str(name), f"{path}: {SEVERAL}: {what}") for name in names)
        return
    for name, own in several.items():
        if wanted is None or name in wanted:
            yield name, _of_several(path, name, own if own is not None else {}, common)


def _alone(path: Path, content: Mapping[str, Any]) -> Endpoint | str:
    made = _checked(path, content, str, "")
    if isinstance(made, Endpoint) and made.name != path.stem:
        return f"{path}: expected name: {path.stem} (the file's own), got {made.name!r}"
    return made


def _of_several(path: Path, name: str, own: Any, common: Mapping[str, Any]) -> Endpoint | str:
    place = f"{SEVERAL}.{name}"
    if not isinstance(own, dict):
        return f"{path}: {place}: expected keys and values, got {own!r}"
    if "name" in own:
        return f"{path}: {place}.name: expected none, for the key {name!r} is the name"
    return _checked(path, {"name": name, **joined(common, own)}, partial(_where, place, own, common), f"{place}: ")


def _checked(path: Path, content: Any, where: Any, place: str) -> Endpoint | str:
    try:
        return check(Endpoint, content)
    except ValidationError as error:
        return f"{path}: " + "; ".join(fault(detail, Endpoint, where) for detail in error.errors())
    except AidrugError as error:
        return f"{path}: {place}{error}"


def joined(common: Mapping[str, Json], own: Mapping[str, Json]) -> dict[str, Json]:
    """Join common settings with an endpoint's own, section by section; where both say something, its own counts.

    Examples
    --------
    >>> joined({"task": "binary", "source": {"kind": "csv", "sheet": "A"}}, {"source": {"sheet": "B"}})
    {'task': 'binary', 'source': {'kind': 'csv', 'sheet': 'B'}}
    """
    both = {key: joined(common[key], value) for key, value in own.items()
            if isinstance(value, Mapping) and isinstance(common.get(key), Mapping)}  # fmt: skip
    return {**common, **own, **both}


def _where(place: str, own: Mapping[str, Any], common: Mapping[str, Any], key: str) -> str:
    """Say where a key is in the file: among the common settings, or below the endpoint."""
    if _depth(common, key) > _depth(own, key) and _depth(common, key) == key.count(".") + 1:
        return key
    return f"{place}.{key}" if key else place


def _depth(section: Any, key: str) -> int:
    """Count the parts of a key that are in a section, from its first part on."""
    for depth, part in enumerate(key.split(".")):
        if isinstance(section, (list, tuple)) and part.isdigit() and int(part) < len(section):
            section = section[int(part)]
        elif isinstance(section, Mapping) and part in section:
            section = section[part]
        else:
            return depth
    return key.count(".") + 1


def _names_elsewhere(path: Path, content: Mapping[str, Any]) -> list[str]:
    """Name the endpoints that a file may mean which is no valid one: a misspelt `endpoints`, another `name`.

    What serves such an endpoint is not withdrawn while its file is at fault.
    """
    sections = [value for key, value in content.items() if key not in Endpoint.model_fields]
    names = [content.get("name"), *(name for each in sections if isinstance(each, dict) for name in each)]
    return [name for name in names if isinstance(name, str) and _NAME.fullmatch(name) and name != path.stem]


def _names_in_text(path: Path) -> list[str]:
    """Name the endpoints of a file that is no YAML: its own name, and what is one step below `endpoints`."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [path.stem]
    block = re.search(rf"^{SEVERAL}:[^\n]*\n((?:[ \t]+[^\n]*\n?|#[^\n]*\n?|\n)*)", text, re.MULTILINE)
    lines = [] if block is None else re.findall(r"^([ \t]+)([\"']?)([a-z][a-z0-9_]*)\2[ \t]*:", block[1], re.MULTILINE)
    least = min((len(indent) for indent, _, _ in lines), default=0)
    return list(dict.fromkeys(name for indent, _, name in lines if len(indent) == least)) or [path.stem]
