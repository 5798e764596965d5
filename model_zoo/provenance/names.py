"""What a name refers to, across modules: a definition, a module, something of a library, or a builtin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from model_zoo.errors import ConfigError
from model_zoo.provenance.references import Reference
from model_zoo.provenance.scopes import Target
from model_zoo.provenance.source_modules import SourceModule, read_module

WHOLE, EFFECTS = -1, -2
Answer = TypeVar("Answer")


class Node(NamedTuple):
    """A definition: a piece of a module by its number, or all (`WHOLE`), or those that do something (`EFFECTS`)."""

    module: str
    piece: int


class Named(NamedTuple):
    """What a name refers to."""

    node: Node | None
    """The definition; none for what is not first-party."""
    name: str
    """Its name in the module, or the dotted name in a library, or a builtin's."""
    attributes: tuple[str, ...]
    """What is read from it."""
    kind: str
    """`definition`, `module` (as a value), `library`, `builtin`, or `missing` when a module has no such name."""
    why: str = ""
    """Why the whole module is taken, where it is."""


class Names:
    """First-party modules under a root, read when they are asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._asked: dict[tuple[Callable[[Path], Any], Path], Any] = {}
        self._modules: dict[str, SourceModule | None] = {}
        self._first_party: dict[str, bool] = {}

    def ask(self, question: Callable[[Path], Answer], path: Path) -> Answer:
        """Ask something of a file or folder once, and remember the answer; see `unchanged`."""
        key = question, path
        if key not in self._asked:
            self._asked[key] = question(path)
        answer: Answer = self._asked[key]
        return answer

    def unchanged(self) -> bool:
        """Return whether all that was ever asked of files has the same answer now: their bytes, and which there are."""
        try:
            return all(question(path) == answer for (question, path), answer in self._asked.items())
        except OSError:
            return False

    def is_first_party(self, module: str) -> bool:
        """Return whether a module's first name is a package, a folder of modules or a module under the root."""
        top = module.partition(".")[0]
        if top not in self._first_party:
            package = self.root / top
            files = package / "__init__.py", self.root / f"{top}.py"
            # Python imports a folder without `__init__` too, such as one of scripts.
            found = any(self.ask(Path.is_file, file) for file in files) or self.ask(has_modules, package)
            self._first_party[top] = found
        return self._first_party[top]

    def module(self, name: str) -> SourceModule | None:
        """Return a module; none when there is no file of it. A folder without `__init__` is an empty module.

        Raises
        ------
        ConfigError
            When it is not valid Python, or holds syntax that signatures do not know.
        """
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def resolve(self, reference: Reference, module: SourceModule) -> Named:
        """Find what a reference in a module refers to."""
        if reference.target is not None:
            return self._follow(reference.target, reference.attributes, ())
        name = str(reference.name)
        found = self._lookup(module, name, reference.attributes, ())
        return found or Named(None, name, reference.attributes, "builtin")

    def definition(self, qualified: str) -> Node:
        """Find a definition by its qualified name, such as `model_zoo.training.cross_validation.train_and_score`."""
        module_name, _, name = qualified.rpartition(".")
        module = self.module(module_name)
        found = self._lookup(module, name, (), ()) if module is not None else None
        if found is None or found.node is None or found.kind == "missing":
            place = f"{module_name.replace('.', '/')}.py"
            raise ConfigError(f"expected a definition {name!r} in {place} under {self.root}, got none")
        return found.node

    def has(self, module_name: str, name: str) -> bool:
        """Return whether a module binds a name."""
        module = self.module(module_name)
        return module is not None and (name in module.where or name in module.imports)

    def loaded_by(self, name: str) -> list[SourceModule]:
        """Return the first-party modules that importing a dotted name runs: the packages on the way, and itself."""
        parts = name.split(".")
        if not self.is_first_party(name):
            return []
        found = []
        for depth in range(1, len(parts) + 1):
            module = self.module(".".join(parts[:depth]))
            if module is None:
                break
            found.append(module)
        return found

    def _lookup(
        self, module: SourceModule, name: str, attributes: tuple[str, ...], seen: tuple[object, ...]
    ) -> Named | None:
        """Find a name of a module; none when it has none of that name."""
        whole = Node(module.name, WHOLE)
        if module.stars and not (name in module.where or name in module.imports):
            # A builtin may be meant, or anything that was imported.
            return Named(whole, name, attributes, "definition", "`import *`")
        if name in module.rebound:
            return Named(whole, name, attributes, "definition", module.rebound[name])
        if name in module.where:
            return Named(Node(module.name, module.where[name]), name, attributes, "definition")
        if name in module.imports:
            return self._follow(module.imports[name], attributes, (*seen, (module.name, name)))
        if module.path.endswith("/__init__.py") and self.module(f"{module.name}.{name}") is not None:
            return self._descend(f"{module.name}.{name}", attributes, seen)
        if "__getattr__" in module.where:
            return Named(whole, name, attributes, "definition", "a module with `__getattr__`")
        return None

    def _follow(self, target: Target, attributes: tuple[str, ...], seen: tuple[object, ...]) -> Named:
        if target in seen and target.name is not None and self.is_first_party(target.module):
            return self._imported_by_itself(target.module, target.name, attributes, seen)
        if target in seen or not self.is_first_party(target.module):
            dotted = ".".join(filter(None, (*target, *attributes)))
            return Named(None, dotted, (), "library")
        wanted = attributes if target.name is None else (target.name, *attributes)
        return self._descend(target.module, wanted, (*seen, target))

    def _imported_by_itself(
        self, package: str, name: str, attributes: tuple[str, ...], seen: tuple[object, ...]
    ) -> Named:
        """Follow `from package import name` where the package itself says so: its module of that name is meant."""
        if self.module(f"{package}.{name}") is not None:
            return self._descend(f"{package}.{name}", attributes, seen)
        return Named(Node(package, WHOLE), name, attributes, "missing", f"it imports {name} from itself")

    def _descend(self, name: str, attributes: tuple[str, ...], seen: tuple[object, ...]) -> Named:
        module = self.module(name)
        if module is None:
            return Named(None, ".".join((name, *attributes)), (), "missing")
        if not attributes:
            return Named(Node(name, WHOLE), "", (), "module", "used as a value")
        found = self._lookup(module, attributes[0], attributes[1:], seen)
        if found is None and attributes[0] in ("__name__", "__file__", "__path__", "__doc__"):
            return Named(None, attributes[0], attributes[1:], "builtin")
        if found is None:
            why = f"it has no {attributes[0]} of its own"
            return Named(Node(name, WHOLE), attributes[0], attributes[1:], "missing", why)
        return found

    def _read(self, name: str) -> SourceModule | None:
        stem = name.replace(".", "/")
        for path in (f"{stem}/__init__.py", f"{stem}.py"):
            if self.ask(Path.is_file, self.root / path):
                try:
                    return read_module(name, path, self.ask(Path.read_bytes, self.root / path))
                except (SyntaxError, ValueError) as error:
                    raise ConfigError(f"{path}: expected valid Python: {error}") from error
        if self.ask(Path.is_dir, self.root / stem) and self.is_first_party(name):
            return SourceModule(name, f"{stem}/__init__.py")
        return None


def has_modules(folder: Path) -> bool:
    """Return whether a folder holds modules."""
    return any(folder.glob("*.py"))
