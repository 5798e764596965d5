"""Loading a new revision, watched from outside the code that is loaded.

A sensor that reloads the code lives in that code: when a commit does not load, it is gone, and nobody notices the fix.
This lives in `aidrug up`. A revision that does not load is tried again when any of its files changes, and now and then.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
from model_zoo.config.files import load_configs
from model_zoo.errors import AidrugError

from ai_drug_assets.execution.progress import Say
from ai_drug_assets.planning import stamps
from ai_drug_assets.revision import UNKNOWN, checkout_sha
from ai_drug_assets.settings import Settings

EVERY_S = 4.0
AGAIN_S = (15.0, 60.0, 300.0)
"""How long until a revision that does not load is tried again, though nothing changed; the last for good."""
PATIENCE_S = 300.0
UNREACHED = "Could not reach user code server"
CODE = ("ai_drug_assets", "model_zoo", "serving")
RELOAD = """
mutation ($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) {
  __typename
  ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message causes { message } } } }
  ... on PythonError { message causes { message } }
  ... on RepositoryLocationNotFound { message }
  ... on ReloadNotSupported { message }
} }
"""

Reload = Callable[[], str | None]
"""Asks for the code location to be loaded again; gives why it did not load, if it did not."""


class UnreachableError(AidrugError):
    """Nobody could be asked to reload."""


class RevisionWatch:
    """Watches the checkout, and reloads."""

    def __init__(
        self,
        settings: Settings,
        reload: Reload,
        code_server: Callable[[], int | None],
        say: Say,
        tell: Callable[..., None],
    ) -> None:
        self._settings, self._reload, self._code_server = settings, reload, code_server
        self._say, self._tell = say, tell
        self._next = 0.0
        self._sources: list[Path] = []
        self._find_sources()
        self.loaded, self._loaded_sources = checkout_sha(settings.root), self._sources_now()
        self._fault: str | None = None
        self._fault_tree, self._fault_at, self._faults = "", 0.0, 0
        self._served_by: int | None = None
        self._busy: threading.Thread | None = None
        self.loads = 0

    def __call__(self, at: float) -> None:
        """Look, if it is time; reload in a thread of its own where there is reason to."""
        if at < self._next or (self._busy and self._busy.is_alive()):
            return
        self._next = at + EVERY_S
        why = self._reason(at)
        if why is not None:
            self._busy = threading.Thread(target=self._load, args=(why, at), name="reload", daemon=True)
            self._busy.start()

    def _reason(self, at: float) -> str | None:
        """Return the reason to load again, if there is one."""
        sha = checkout_sha(self._settings.root)
        if sha not in (self.loaded, UNKNOWN):
            return f"revision {sha[:12]} is new"
        if self._sources_now() != self._loaded_sources:
            return "measurements changed"
        if self._fault is not None:
            again = AGAIN_S[min(self._faults, len(AGAIN_S)) - 1]
            if self._tree_now() != self._fault_tree:
                return "files changed"
            return "it is tried again" if at - self._fault_at >= again else None
        return self._code_server_died()

    def _code_server_died(self) -> str | None:
        """Return whether the process with the code is gone: the one that Dagster keeps before it does not notice."""
        pid = self._code_server()
        if pid is None:
            return None  # the supervisor restarts it
        try:
            inner = [child.pid for child in psutil.Process(pid).children() if "grpc" in " ".join(child.cmdline())]
        except psutil.Error:
            return None
        if inner:
            self._served_by = pid
            return None
        return "the process that holds the code was killed" if self._served_by == pid else None

    def _load(self, why: str, at: float) -> None:
        sha, sources, tree = checkout_sha(self._settings.root), self._sources_now(), self._tree_now()
        try:
            fault = self._reload()
        except UnreachableError:
            return  # the next look asks again
        self.loaded, self._loaded_sources = sha, sources
        before, self._fault = self._fault, fault
        self._fault_tree, self._fault_at = tree, at
        self._faults = self._faults + 1 if fault else 0
        self._tell(revision={"loaded": sha, "error": fault})
        if fault is None:
            self.loads += 1
            self._find_sources()
            self._loaded_sources = self._sources_now()
            self._say(f"{why}: the code is loaded")
        elif fault != before:
            self._say(
                f"{why}, and it DOES NOT LOAD: {fault}\nThe present champions continue to serve. Correct it: it is "
                "then loaded automatically."
            )

    def _find_sources(self) -> None:
        try:
            configs = load_configs(self._settings.configs, keep_rest=True)
        except AidrugError:
            return  # a fault in configuration: what was watched before is watched on
        self._sources = stamps.source_files(configs, self._settings)
        for fault in dict.fromkeys(configs.faults.values()):
            self._say(
                f"{fault}\nWhat this concerns is left out; its champions continue to serve. Correct it and commit."
            )

    def _sources_now(self) -> str:
        return stamps.digest((str(path), stamps.stamp(path)) for path in self._sources)

    def _tree_now(self) -> str:
        """Return the stamp of all code and configuration."""
        folders = [self._settings.configs, *(self._settings.code_root / name for name in CODE)]
        return stamps.digest(
            pair for folder in folders for pair in stamps.stamps_in(folder) if "__pycache__" not in pair[0]
        )


def reload_through(webserver: str, location: str) -> str | None:
    """Ask a webserver of Dagster to load a code location again; give why it did not load, if it did not.

    Raises
    ------
    UnreachableError
        When no webserver answers.
    """
    body = json.dumps({"query": RELOAD, "variables": {"name": location}}).encode()
    request = urllib.request.Request(f"{webserver}/graphql", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            content = json.load(answer)
    except (OSError, ValueError) as error:
        raise UnreachableError(f"no webserver answers at {webserver}: {error}") from error
    if content.get("errors"):
        message = str(content["errors"][0].get("message", ""))
        if UNREACHED in message:  # it was being started, or had just been killed: no fault of the code
            raise UnreachableError(message)
        return _first_line(message)
    done = content["data"]["reloadRepositoryLocation"]
    state = done.get("locationOrLoadError") or done
    if state["__typename"] == "RepositoryLocation":
        return None
    message = "\n".join([state.get("message", ""), *(cause["message"] for cause in state.get("causes") or ())])
    if UNREACHED in message:
        raise UnreachableError(message)
    return _first_line(message)


def _first_line(message: str) -> str:
    """Return the line of a message that says most: the last that names an error, else the first."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    named = [line for line in lines if "Error: " in line and not line.startswith("dagster.")]  # the cause comes last
    return (named or lines or ["no reason was given"])[-1 if named else 0][:500]
