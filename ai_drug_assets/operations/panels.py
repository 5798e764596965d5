"""`aidrug panel`: ready-made endpoints of public collections, from a folder or an address, each file verified.

Everything is fetched and verified before anything is written, and nothing is overwritten: a wrong file, a cut download
or no network leaves all as it was.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import yaml
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.endpoint_file import FOLDER, read_endpoints
from model_zoo.config.panel import Panel, PanelFile, PanelSet
from model_zoo.config.reading import read_folder
from model_zoo.config.similar_names import did_you_mean
from model_zoo.data.assays.yaml_text import SCHEMA
from model_zoo.errors import ConfigError, DataError
from model_zoo.io.digests import content_digest, file_digest
from model_zoo.io.files import atomic_write
from model_zoo.io.strict_yaml import check

from ai_drug_assets.operations.groups import write_group
from ai_drug_assets.settings import Settings

SECONDS = 60.0
"""How long a server may be silent."""
MOST_BYTES = 1 << 30


def load_panels(settings: Settings) -> dict[str, Panel]:
    """Read the panels that ship with the project."""
    return {panel.name: panel for panel in read_folder(settings.root / "configs" / "panels", Panel)}


def as_text(panels: dict[str, Panel]) -> str:
    """Return what there is."""
    lines = []
    for name, panel in panels.items():
        lines.append(f"{name}: {panel.title}")
        lines.append(f"    {len(panel.sets)} endpoints: {', '.join(each.name for each in panel.sets)}")
        lines += [f"    licence   {panel.licence}", f"    cite      {panel.citation}", f"    from      {panel.origin}"]
    return "\n".join(lines)


def add(
    settings: Settings, name: str, place: str | None, only: tuple[str, ...], say: Callable[[str], None]
) -> list[str]:
    """Add the endpoints of a panel; give the names of those that were not there.

    Raises
    ------
    ConfigError
        For an unknown panel or set, or when nothing says where the files are.
    DataError
        For a file that is missing, cut or another one.
    """
    panels = load_panels(settings)
    if name not in panels:
        raise ConfigError(f"expected one of {', '.join(panels)}, got {name!r}{did_you_mean(name, panels)}")
    panel = panels[name]
    sets = _chosen(panel, only)
    place = place or panel.address
    if place is None:
        raise ConfigError(
            f"{name}: expected the folder that holds its files (--from FOLDER): no address is known. They come from "
            f"{panel.origin}"
        )
    folder = settings.configs / FOLDER
    there = read_endpoints(folder).files
    wanted = [each for each in sets if each.name not in there]
    for each in sets:
        if each not in wanted:
            say(f"{each.name}: is there already, and stays as it is")
    target = settings.root / "data" / "panels" / name
    files = {each.file: each for one in wanted for each in one.files}
    fetched = {path: _content(panel, item, place, target) for path, item in files.items()}
    made = {each.name: each.content(panel, f"data/panels/{name}") for each in wanted}
    for declaration in made.values():
        check(Endpoint, declaration)
    for path, content in fetched.items():
        if content is not None:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            atomic_write(target / path, content)
    folder.mkdir(parents=True, exist_ok=True)
    for one, declaration in made.items():
        text = yaml.safe_dump(declaration, sort_keys=False, width=110, allow_unicode=True)
        atomic_write(folder / f"{one}.yaml", f"{SCHEMA}\n# Of the panel {name}.\n{text}".encode())
        say(f"{one}: wrote {folder / one}.yaml")
    _group(settings, panel, wanted, say)
    return list(made)


def _group(settings: Settings, panel: Panel, sets: list[PanelSet], say: Callable[[str], None]) -> None:
    """Group the endpoints that read a file which another one reads too: they share compounds."""
    readers = Counter(file for each in sets for file in {one.file for one in each.files})
    names = [each.name for each in sets if any(readers[one.file] > 1 for one in each.files)]
    if not names:
        return
    try:
        path = write_group(settings, panel.name, panel.title, names)
    except FileExistsError as error:
        say(f"{error.filename} is there already, and stays as it is: name {', '.join(names)} in its `endpoints`")
        return
    say(f"wrote {path}: these endpoints share compounds")


def _chosen(panel: Panel, only: tuple[str, ...]) -> list[PanelSet]:
    known = {each.name: each for each in panel.sets}
    for name in only:
        if name not in known:
            meant = did_you_mean(name, known)
            raise ConfigError(f"{panel.name}: expected some of {', '.join(known)}, got {name!r}{meant}")
    return [known[name] for name in only] if only else list(panel.sets)


def _content(panel: Panel, item: PanelFile, place: str, target: Path) -> bytes | None:
    """Return a file's content, verified; none where it is at its place already."""
    there = target / item.file
    if there.is_file() and file_digest(there) == item.sha256:
        return None
    if place.startswith(("http://", "https://")):
        source = f"{place.rstrip('/')}/{item.file}"
        content = _fetched(source)
    else:
        inside = [Path(place) / item.file, *([Path(place) / panel.folder / item.file] if panel.folder else [])]
        found = next((path for path in inside if path.is_file()), None)
        if found is None:
            raise DataError(f"{inside[0]}: expected a file of the panel {panel.name}, got none. Nothing is changed")
        source, content = str(found), found.read_bytes()
    got = content_digest(content)
    if got != item.sha256:
        raise DataError(
            f"{source}: expected the content with SHA-256 {item.sha256}, got {got} ({len(content)} bytes): another "
            "version, or a cut or changed file. Nothing is changed"
        )
    return content


def _fetched(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            content: bytes = answer.read(MOST_BYTES)
            length = answer.headers.get("Content-Length")
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise DataError(f"{address}: could not be fetched: {error}. Nothing is changed") from error
    except Exception as error:  # the client's own for a body that ends early
        raise DataError(f"{address}: the download was cut: {type(error).__name__}. Nothing is changed") from error
    if length is not None and len(content) < int(length):
        raise DataError(f"{address}: the download was cut after {len(content)} of {length} bytes. Nothing is changed")
    return content
