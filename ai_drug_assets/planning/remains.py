"""What made assets left behind, and whether it is still there.

Imports no Dagster and no MLflow.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path

from model_zoo.bundles.store import FolderStore
from model_zoo.errors import AidrugError
from model_zoo.provenance.signature import Reason
from model_zoo.selection.decision import FILE, parse_decision

from ai_drug_assets.planning.catalog import MODELS, Catalog, Node
from ai_drug_assets.planning.ledger import Entry, Made

OURS = "sqlite:///"
FINISHED = """
SELECT tags.value FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid
WHERE tags.key = 'aidrug.signature' AND runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active'
"""
NAMED = "SELECT name, alias FROM registered_model_aliases"
ALIASES = "aliases.json"
"""The file of a champion that says which MLflow run each alias of its endpoint was given to."""
LOCKED = "locked"


def place_of(home: Path, node: Node) -> Path:
    """Return where an asset's files are: named by its signature, so that nothing is ever overwritten."""
    return home / node.kind / (node.endpoint or node.group or "") / (node.name or "") / node.signature[:16]


def files_in(folder: Path) -> dict[str, int]:
    """Return the size of every file in a folder, by its path in it; nothing where there is no folder."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }


def missing(folder: Path, files: Mapping[str, int]) -> list[str]:
    """Name the files that are not in a folder, or have another size there."""
    return [name for name, size in files.items() if not _has_size(folder / name, size)]


class Remains:
    """What the assets of an installation left behind."""

    def __init__(self, catalog: Catalog, known: Mapping[str, Entry]) -> None:
        self._catalog, self._known, self._settings = catalog, known, catalog.settings

    def files_gone(self, node: Node) -> list[str]:
        """Name what is gone of an asset's files; nothing when it is not made under its present signature."""
        made = self._made(node)
        return missing(place_of(self._settings.home, node), made.files) if made else []

    def reasons(self, node: Node) -> list[Reason]:
        """Say what must be made again, or found again, although its record is the present one."""
        gone = self.files_gone(node)
        if gone:
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            return [Reason("new", "files", f"are gone: {gone[0]}{more}")]
        if node.kind in MODELS and self._is_untracked(node):
            return [Reason("new", "run", "is gone from MLflow")]
        if node.kind == "champion_model" and self._made(node):
            trained = self._catalog.of_kind("trained_model", node.endpoint)
            if any(map(self._is_untracked, trained)):
                return [Reason("new", "aliases", "are gone from MLflow with the runs that they name")]
            lost = [alias for alias in self._given(node) if (str(node.endpoint), alias) not in (self._aliases or ())]
            if lost and self._aliases is not None:
                return [Reason("new", "aliases", f"are gone from MLflow: {', '.join(lost)}")]
            if version := self._bundle_gone(node):
                return [Reason("new", "bundle", f"is gone from the store: {version}")]
        return []

    def _made(self, node: Node) -> Made | None:
        made = self._known.get(node.key, Entry()).made
        return made if made is not None and made.signature == node.signature else None

    def _is_untracked(self, node: Node) -> bool:
        """Return whether MLflow lacks the run of a model (not asked where no list of its files was kept)."""
        made = self._made(node)
        tracked = self._tracked if made is not None and made.files else None
        return tracked is not None and node.signature not in tracked

    def _given(self, node: Node) -> list[str]:
        """List the aliases that a champion gave to some run; nothing where it kept no list of them."""
        try:
            known = json.loads((place_of(self._settings.home, node) / ALIASES).read_bytes())
        except (OSError, ValueError):
            return []
        return [alias for alias, run_id in known.items() if run_id]

    def _bundle_gone(self, node: Node) -> str:
        """Return the version that a champion decided on if its bundle is gone; a store in S3 is not asked."""
        if "://" in self._settings.store:
            return ""
        path = place_of(self._settings.home, node) / FILE
        try:
            version = parse_decision(path.read_bytes(), str(path)).version
        except (OSError, AidrugError):
            return ""  # the asset that reads it says so better
        store = FolderStore(Path(self._settings.store))
        gone = version is not None and not store.bundle_folder(str(node.endpoint), version).is_dir()
        return str(version) if gone else ""

    @cached_property
    def _tracked(self) -> set[str] | None:
        """Signatures of the finished runs."""
        rows = self._asked(FINISHED)
        return None if rows is None else {value for (value,) in rows}

    @cached_property
    def _aliases(self) -> set[tuple[str, str]] | None:
        """Endpoints and aliases in MLflow's registry."""
        rows = self._asked(NAMED)
        return None if rows is None else {(endpoint, alias) for endpoint, alias in rows}

    def _asked(self, query: str) -> list[tuple[str, ...]] | None:
        """Ask MLflow's database; none where it is locked, or MLflow is a server, which is not asked."""
        if not self._settings.tracking_uri.startswith(OURS):
            return None
        path = Path(self._settings.tracking_uri.removeprefix(OURS))
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:  # no file, or no such table
            return None if LOCKED in str(error) else []
        except sqlite3.DatabaseError:  # no database: MLflow says so better when it opens it
            return None


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
