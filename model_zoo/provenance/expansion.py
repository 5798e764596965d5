"""What a definition refers to: its normal form with each reference replaced by the definition that is meant.

Belongs here: the edges of the graph of definitions, where the way cannot be followed and what is taken instead, files
that code reads beside itself, and what importing a module does.
Does not belong here: digests (see `definitions.py`), what a name refers to (see `names.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from model_zoo.errors import ConfigError
from model_zoo.io.digests import file_digest
from model_zoo.provenance.names import EFFECTS, WHOLE, Named, Names, Node
from model_zoo.provenance.references import Reference
from model_zoo.provenance.source_modules import SourceModule
from model_zoo.provenance.syntax import UnknownSyntaxError, text

REGISTRIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "model_zoo.models.get": (
        "model_zoo.models",
        ("Config", "train", "fit_weights", "prepare", "load", "train_jointly"),
    ),
    "model_zoo.featurizers.get": ("model_zoo.featurizers", ("featurize",)),
}
"""Functions that find a module by a name that is known when they run: the package, and what callers use of the module.
Nothing is followed from there; a record adds the modules that its configuration names."""

BY_COMPUTED_NAME = frozenset(
    {
        *("__import__", "exec", "eval", "globals", "importlib.import_module", "importlib.__import__"),
        *("importlib.reload", "importlib.util.spec_from_file_location", "importlib.machinery.SourceFileLoader"),
        *("runpy.run_path", "runpy.run_module", "sys.modules", "sys.path", "sys.meta_path"),
    }
)
"""Ways to code that cannot be followed; a module that goes one of them is taken as a whole."""
BY_LITERAL_NAME = frozenset({"__import__", "importlib.import_module", "importlib.__import__"})
READ_BESIDE = ("importlib.resources", "pkgutil.get_data")


@dataclass
class Known:
    """What is known of a definition, but for the digests of what it refers to."""

    parts: list[bytes | Node] = field(default_factory=list)
    """Bytes, and definitions with what is read from them."""
    effects: set[Node] = field(default_factory=set)
    """What importing modules does, in no order: their names, which moving them changes, would decide it."""
    libraries: set[str] = field(default_factory=set)
    """Dotted names of libraries that it uses."""
    builtins: set[str] = field(default_factory=set)
    """Names of builtins that it uses."""
    files: set[str] = field(default_factory=set)
    """Files beside it that it reads, relative to the root."""

    @property
    def nodes(self) -> list[Node]:
        """The definitions that it refers to, in order, and what importing their modules does."""
        return [*(part for part in self.parts if isinstance(part, Node)), *sorted(self.effects)]


class Graph:
    """First-party definitions under a root and what each refers to, as the files were when first asked for.

    Parameters
    ----------
    root
        The folder that holds the first-party packages.
    """

    def __init__(self, root: Path) -> None:
        self.names = Names(root)
        self._known: dict[Node, Known] = {}
        self._why: dict[str, str] = {}
        self._loaded: dict[str, tuple[str, ...]] = {}

    def qualified(self, node: Node) -> str:
        """Name a definition for people."""
        if node.piece == WHOLE:
            return f"{node.module} (whole module: {self._why.get(node.module, 'used as a value')})"
        if node.piece == EFFECTS:
            return f"{node.module} (what importing it does)"
        return f"{node.module}.{self.module(node).pieces[node.piece].names[0]}"

    def line(self, node: Node) -> int:
        """Return the line where a definition begins; 1 for what is more than one definition."""
        return self.module(node).pieces[node.piece].line if node.piece >= 0 else 1

    def module(self, node: Node) -> SourceModule:
        """Return the module of a definition."""
        module = self.names.module(node.module)
        assert module is not None
        return module

    def known(self, node: Node) -> Known:
        """Return what is known of a definition."""
        if node not in self._known:
            self._known[node] = self._expand(node)
        return self._known[node]

    def _expand(self, node: Node) -> Known:
        module, known = self.module(node), Known()
        try:
            if node.piece >= 0:
                self._expand_piece(module, node.piece, known, node)
            else:
                for number, piece in enumerate(module.pieces):
                    if node.piece == WHOLE or self._has_effect(module, number):
                        known.parts.append(b"names" + text(",".join(piece.names)))
                        self._expand_piece(module, number, known, node)
        except UnknownSyntaxError as error:
            raise ConfigError(f"{module.path}: {error}. Write it otherwise, or extend the table of syntax.") from error
        if node.piece == WHOLE:
            for name in sorted({*module.imports, *module.stars}):
                target = module.imports.get(name)
                reference = Reference(None, target) if target else Reference("*")
                if target is None or self.names.resolve(reference, module).kind != "module":
                    self._refer(reference, module, known, node) if target else self._take(name, known, node)
        if node.piece != EFFECTS:
            for name in self._effects_of(module.name):
                known.effects.add(Node(name, EFFECTS))
        return known

    def _expand_piece(self, module: SourceModule, number: int, known: Known, owner: Node) -> None:
        form = module.form(number)
        beside = {module.path} if form.asks_for_file else set()
        for part in form.parts:
            if isinstance(part, bytes):
                known.parts.append(part)
            else:
                beside |= self._refer(part, module, known, owner)
        for name in form.loads:
            for loaded in self.names.loaded_by(name)[-1:]:
                for effects in self._effects_of(loaded.name):
                    known.effects.add(Node(effects, EFFECTS))
        for name in form.unused:
            if not self.names.is_first_party(name) and name != "__future__":
                known.parts.append(b"load" + text(name))
                known.libraries.add(name)
        if beside:
            texts = module.texts(number)
            for path in sorted(beside):
                self._files_beside(path, texts, known)

    def _refer(self, reference: Reference, module: SourceModule, known: Known, owner: Node) -> set[str]:
        """Write a reference as what it refers to; give the modules whose files may be named beside it."""
        found = self.names.resolve(reference, module)
        dotted = ".".join((found.name, *found.attributes))
        beside: set[str] = set()
        if found.node is None:
            known.parts.append(found.kind.encode() + text(dotted))
            self._note_outside(found, dotted, reference, module, known, owner)
            return {module.path} if dotted.startswith(READ_BESIDE) else beside
        if found.node.piece == WHOLE:
            self._why.setdefault(found.node.module, found.why)
        if owner.piece == WHOLE and found.node.module == owner.module:
            known.parts.append(b"own" + text(dotted))
            return beside
        known.parts.append(found.node)
        target = self.module(found.node)
        several = found.node.piece < 0 or len(target.pieces[found.node.piece].names) > 1
        if several:
            known.parts.append(text(found.name))
        known.parts.extend(text(name) for name in found.attributes)
        if "__doc__" in found.attributes:
            known.parts.extend(text(each) for each in target.docstrings)
        if found.node.piece >= 0 and target.form(found.node.piece).asks_for_file:
            beside = {target.path}
        self._follow_registry(found, reference, known)
        return beside

    def _note_outside(
        self, found: Named, dotted: str, reference: Reference, module: SourceModule, known: Known, owner: Node
    ) -> None:
        """Note a library or builtin, and take what is reached by a name that is in a text."""
        if found.kind == "library":
            known.libraries.add(dotted)
        elif found.kind == "builtin":
            known.builtins.add(found.name)
            if found.name == "__doc__":
                known.parts.extend(text(each) for each in module.docstrings)
        if dotted in BY_LITERAL_NAME and reference.literal is not None:
            self._take(reference.literal, known, owner)
        elif next((way for way in BY_COMPUTED_NAME if dotted == way or dotted.startswith(f"{way}.")), None):
            qualified = self.qualified(owner) if owner.piece >= 0 else ""
            if qualified not in REGISTRIES and owner.piece != WHOLE:
                self._why.setdefault(module.name, f"it uses {dotted}")
                self._add(known, Node(module.name, WHOLE))

    def _follow_registry(self, found: Named, reference: Reference, known: Known) -> None:
        """Follow a registry where it is asked for a name that is in a text."""
        if reference.literal is None or found.node is None or found.node.piece < 0 or found.attributes:
            return
        package, wanted = REGISTRIES.get(self.qualified(found.node), ("", ()))
        name = f"{package}.{reference.literal}"
        for each in wanted if package else ():
            if self.names.has(name, each):
                self._add(known, self.names.definition(f"{name}.{each}"))

    def _take(self, name: str, known: Known, owner: Node) -> None:
        """Take a whole module that is loaded by its name."""
        for loaded in self.names.loaded_by(name)[-1:]:
            if Node(loaded.name, WHOLE) != owner:
                self._add(known, Node(loaded.name, WHOLE))
        if not self.names.is_first_party(name):
            known.libraries.add(name)

    @staticmethod
    def _add(known: Known, node: Node) -> None:
        known.parts += [b"and", node]

    def _files_beside(self, path: str, texts: Iterable[str], known: Known) -> None:
        """Add the files that texts name, relative to a module's folder."""
        folder = (self.names.root / path).parent
        for each in sorted(texts):
            if each and len(each) < 256 and "\0" not in each and "\n" not in each and not each.endswith(".py"):
                file = folder / each
                if self.names.ask(Path.is_file, file):
                    known.files.add(file.resolve().relative_to(self.names.root.resolve()).as_posix())
                    known.parts.append(b"file" + text(each) + text(self.names.ask(file_digest, file)))

    def _effects_of(self, name: str) -> tuple[str, ...]:
        """Name the modules that importing one runs and that do something beside binding names, sorted."""
        if name not in self._loaded:
            reached: dict[str, SourceModule] = {}
            waiting = self.names.loaded_by(name)
            while waiting:
                module = waiting.pop()
                if module.name not in reached:
                    reached[module.name] = module
                    waiting.extend(found for load in sorted(module.loads) for found in self.names.loaded_by(load))
            self._loaded[name] = tuple(each for each in sorted(reached) if self._acts(reached[each]))
        return self._loaded[name]

    def _acts(self, module: SourceModule) -> bool:
        return any(self._has_effect(module, number) for number in range(len(module.pieces)))

    def _has_effect(self, module: SourceModule, number: int) -> bool:
        """Return whether importing a module runs a piece for more than its names, such as `@register`."""
        piece = module.pieces[number]
        return piece.effect or any(self._changes_a_module(reference, module) for reference in piece.runs)

    def _changes_a_module(self, reference: Reference, module: SourceModule) -> bool:
        found = self.names.resolve(reference, module)
        if found.node is None or found.node.piece < 0:
            return False
        target = self.module(found.node)
        return any(name in target.where or name in target.rebound for name in target.form(found.node.piece).mutates)
