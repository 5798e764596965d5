"""Digests of definitions: what changes one, what does not, and what is taken where the way cannot be followed."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from model_zoo.errors import ConfigError
from model_zoo.provenance.definitions import Definitions, compare_again, definitions

FOREST = '''
"""A forest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import base
from zoo.scale import scale as scaled

if TYPE_CHECKING:
    import torch

DEPTH = 3  # deep
WIDTH, HEIGHT = 4, 5
UNUSED = 6


class Config(base.Base):
    """Hyper-parameters."""

    depth: int = DEPTH

    def check(self, value: int) -> bool:
        """Check."""
        return value < self.depth


def train(X: list[float], y: list[float], config: Config = Config()) -> float:
    """Train."""
    from zoo import late

    total: float = 0.0
    for item in X:
        total += scaled(item, by=WIDTH)
    return _grow(total) + late.bonus()


def _grow(size: float) -> float:
    return size * DEPTH


def unrelated(x: int) -> int:
    return x + UNUSED
'''
FILES = {
    "zoo/__init__.py": "",
    "zoo/base.py": "class Base:\n    limit = 7\n\n\nclass Other:\n    pass\n",
    "zoo/scale.py": "FACTOR = 2\ndef scale(value, by=1):\n    return value * FACTOR * by\ndef spare():\n    return 1\n",
    "zoo/late.py": "def bonus():\n    return 9\n",
    "zoo/forest.py": FOREST,
    "zoo/data.json": "[1]",
}
ROOT_NAMES = ("zoo.forest.train", "zoo.forest.Config")


def write(root: Path, files: dict[str, str]) -> Path:
    """Write a tree of sources."""
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
    return root


def digests(root: Path, *names: str) -> list[str]:
    """Digest definitions, by default those that make the model."""
    known = Definitions(root)
    return [known.digest(name) for name in names or ROOT_NAMES]


def edited(name: str, *edits: tuple[str, str]) -> dict[str, str]:
    """Return the sources with texts of one file replaced, each of which must be there."""
    source = FILES[name]
    for old, new in edits:
        assert old in source, old
        source = source.replace(old, new)
    return {**FILES, name: source}


NOTHING = {
    "comment": edited("zoo/forest.py", ("# deep", "# not deep")),
    "docstrings": edited("zoo/forest.py", ('    """Train."""\n', ""), ('"""A forest."""', '"""Another."""')),
    "layout": edited("zoo/forest.py", ("size * DEPTH", "(\n        size\n        * DEPTH\n    )")),
    "carriage returns": edited("zoo/forest.py", ("\n", "\r\n")),
    "annotation of a parameter": edited("zoo/forest.py", ("size: float", "size: int")),
    "annotation of a result": edited("zoo/forest.py", (") -> float:\n    return size", "):\n    return size")),
    "annotation of a local variable": edited("zoo/forest.py", ("total: float = 0.0", "total = 0.0")),
    "name of a local variable": edited("zoo/forest.py", ("total", "sum_"), ("item", "each")),
    "name of a helper": edited("zoo/forest.py", ("_grow", "_enlarge")),
    "name of a constant": edited("zoo/forest.py", ("DEPTH", "LEVELS")),
    "name of an import": edited("zoo/forest.py", ("scale as scaled", "scale"), ("scaled(", "scale(")),
    "another way to import": edited(
        "zoo/forest.py", ("from zoo.scale import scale as scaled", "import zoo.scale"), ("scaled(", "zoo.scale.scale(")
    ),
    "relative import": edited("zoo/forest.py", ("from zoo.scale", "from .scale"), ("from zoo import", "from . import")),
    "import at the top": edited(
        "zoo/forest.py", ("    from zoo import late\n", ""), ("from zoo import base", "from zoo import base, late")
    ),
    "unused constant": edited("zoo/forest.py", ("UNUSED = 6", "UNUSED = 7")),
    "unused function": edited("zoo/forest.py", ("x + UNUSED", "x - UNUSED")),
    "neighbour in a tuple": edited("zoo/forest.py", ("4, 5", "4, 6")),
    "addition": edited("zoo/forest.py", ("def unrelated", "def more():\n    return 1\n\n\ndef unrelated")),
    "addition to a shared module": edited("zoo/scale.py", ("FACTOR = 2", "FACTOR = 2\nEXTRA = 3")),
    "unused function of a shared module": edited("zoo/scale.py", ("return 1", "return 2")),
    "unused class of a shared module": edited("zoo/base.py", ("    pass", "    limit = 1")),
    "order": {
        **FILES,
        "zoo/forest.py": FOREST.replace("DEPTH = 3  # deep\nWIDTH, HEIGHT = 4, 5", "WIDTH, HEIGHT = 4, 5\nDEPTH = 3"),
    },
    "for the type checker": edited(
        "zoo/forest.py", ("    import torch", "    import torch\n    from zoo import spare")
    ),
    "moved module": {
        **{name: source for name, source in FILES.items() if name != "zoo/scale.py"},
        "zoo/deep/measure.py": FILES["zoo/scale.py"],
        "zoo/forest.py": FOREST.replace("zoo.scale", "zoo.deep.measure"),
    },
    "definition moved to another module": {
        **FILES,
        "zoo/growth.py": "from zoo.levels import DEPTH\n\ndef grow(size):\n    return size * DEPTH\n",
        "zoo/levels.py": "DEPTH = 3\n",
        "zoo/forest.py": FOREST.replace("def _grow(size: float) -> float:\n    return size * DEPTH\n", "")
        .replace("DEPTH = 3  # deep\n", "from zoo.growth import grow\nfrom zoo.levels import DEPTH\n")
        .replace("_grow(", "grow("),
    },
    "re-export": {
        **FILES,
        "zoo/front.py": "from zoo.scale import scale\n",
        "zoo/forest.py": FOREST.replace("zoo.scale", "zoo.front"),
    },
}
MARKS = {
    "constant": edited("zoo/forest.py", ("DEPTH = 3", "DEPTH = 4")),
    "type of a constant": edited("zoo/forest.py", ("DEPTH = 3", "DEPTH = 3.0")),
    "operator in a helper": edited("zoo/forest.py", ("size * DEPTH", "size + DEPTH")),
    "default": edited("zoo/scale.py", ("by=1", "by=2")),
    "name of a parameter": edited("zoo/scale.py", ("by", "times")),
    "constant of another module": edited("zoo/scale.py", ("FACTOR = 2", "FACTOR = 3")),
    "function imported late": edited("zoo/late.py", ("9", "10")),
    "class attribute of a base": edited("zoo/base.py", ("limit = 7", "limit = 8")),
    "another base": edited("zoo/forest.py", ("base.Base", "base.Other")),
    "annotation of a field": edited("zoo/forest.py", ("depth: int", "depth: float")),
    "method": edited("zoo/forest.py", ("value < self", "value > self")),
    "decorator": edited("zoo/forest.py", ("def _grow", "@staticmethod\ndef _grow")),
    "another name that is used": edited("zoo/forest.py", ("by=WIDTH", "by=HEIGHT")),
    "order of statements": edited("zoo/late.py", ("return 9", "return 9\n    raise ValueError")),
    "a local name that shadows": edited("zoo/forest.py", ("(size: float)", "(size: float, DEPTH=3)")),
    "swapped local variables": edited("zoo/scale.py", ("value * FACTOR * by", "by * FACTOR * value")),
    "builtin": edited("zoo/late.py", ("return 9", "return abs(9)")),
    "library": edited("zoo/late.py", ("return 9", "import math\n    return math.sqrt(9)")),
    "base moved away": edited("zoo/forest.py", ("(base.Base)", "")),
    "what importing does": edited("zoo/scale.py", ("FACTOR = 2", "FACTOR = 2\nprint(FACTOR)")),
    "a name bound twice": edited("zoo/scale.py", ("FACTOR = 2", "FACTOR = 2\nFACTOR = 3")),
    "a name that somebody sets": edited("zoo/scale.py", ("    return 1", "    global FACTOR\n    FACTOR = 3")),
}


@pytest.mark.parametrize("case", NOTHING)
def test_what_changes_no_number_changes_no_digest(tmp_path: Path, case: str) -> None:
    """Form, names that nobody sees, places and neighbours are no part of a definition."""
    before = digests(write(tmp_path / "before", FILES))

    assert digests(write(tmp_path / "after", NOTHING[case])) == before


@pytest.mark.parametrize("case", MARKS)
def test_what_may_change_a_number_changes_a_digest(tmp_path: Path, case: str) -> None:
    """Whatever a definition does, by itself or by what it refers to, is part of its digest."""
    before = digests(write(tmp_path / "before", FILES))

    assert digests(write(tmp_path / "after", MARKS[case])) != before


def changes(tmp_path: Path, files: dict[str, str], name: str, edit: tuple[str, str], path: str) -> bool:
    """Return whether an edit of one file changes a definition's digest."""
    root = write(tmp_path, files)
    before = digests(root, name)
    assert edit[0] in files[path]
    write(root, {path: files[path].replace(*edit)})
    return digests(root, name) != before


HELPER = {"zoo/__init__.py": "", "zoo/helper.py": "def help():\n    return 1\n"}


@pytest.mark.parametrize(
    "source",
    [
        "import zoo.helper\ndef f():\n    return zoo.helper.help()\n",
        "import zoo.helper as h\ndef f():\n    return h.help()\n",
        "from zoo import helper as h\ndef f():\n    return h.help()\n",
        "from .helper import help\ndef f():\n    return help()\n",
        "def f():\n    from zoo.helper import help\n    return help()\n",
        "def f():\n    import zoo.helper\n    return zoo.helper.help()\n",
        "def f():\n    def g():\n        from . import helper\n        return helper.help\n    return g()()\n",
        "class f:\n    from zoo.helper import help\n",
        "from zoo.helper import *\ndef f():\n    return help()\n",
        "from zoo import helper\ndef f(name):\n    return getattr(helper, name)()\n",
        "from zoo import helper\ndef f():\n    return [helper][0].help()\n",
        "import importlib\ndef f():\n    return importlib.import_module('zoo.helper').help()\n",
        "from importlib import import_module as load\ndef f():\n    return load('zoo.helper').help()\n",
        "def f():\n    return __import__('zoo.helper').helper.help()\n",
        "try:\n    from zoo.helper import help\nexcept ImportError:\n    help = None\ndef f():\n    return help()\n",
        "if len('a'):\n    from zoo.helper import help\nelse:\n    help = None\ndef f():\n    return help()\n",
        "from zoo import helper\nf = helper.help\n",
        "from zoo import helper\n@helper.help\ndef f():\n    pass\n",
        "from zoo import helper\ndef f(x=helper.help()):\n    pass\n",
        "from zoo import helper\nf = [h() for h in [helper.help]]\n",
        "from zoo import helper\nf = lambda: helper.help()\n",
        "from zoo import helper\nclass f:\n    helper = helper.help()\n",
        "from zoo import helper\nclass f:\n    help = 1\n    def g(self):\n        return helper.help\n",
        "from zoo import helper\ndef f(x):\n    match x:\n        case helper.help:\n            return 1\n",
        "from zoo import helper\ndef f():\n    try:\n        pass\n    except helper.help:\n        pass\n",
        "from zoo import helper\ndef f():\n    return f'{helper.help():>{3}}'\n",
        "from loose import helper\ndef f():\n    return helper.help()\n",
        "from zoo import helper\nTYPE_CHECKING = True\nif TYPE_CHECKING:\n    f = helper.help\n",
    ],
)
def test_every_way_to_a_definition_is_followed(tmp_path: Path, source: str) -> None:
    """However a definition of another module is named, a change of it counts."""
    files = {**HELPER, "zoo/user.py": source}
    path = "zoo/helper.py"
    if "loose" in source:
        path = "loose/helper.py"  # a folder without `__init__`
        files[path] = files["zoo/helper.py"]

    assert changes(tmp_path, files, "zoo.user.f", ("return 1", "return 2"), path)


@pytest.mark.parametrize(
    "source",
    [
        "from zoo.helper import help\ndef f(help):\n    return help()\n",
        "from zoo.helper import help\ndef f():\n    help = 1\n    return help\n",
        "from zoo.helper import help\ndef f():\n    for help in ():\n        pass\n    return help\n",
        "from zoo.helper import help\ndef f():\n    return [help for help in ()]\n",
        "from zoo.helper import help\ndef f():\n    return lambda help: help\n",
        "from zoo.helper import help\ndef f():\n    with open('a') as help:\n        return help\n",
        "from zoo.helper import help\ndef f():\n    if (help := 1):\n        return help\n",
        "from zoo.helper import help\ndef f(x):\n    match x:\n        case [help]:\n            return help\n",
        "from zoo.helper import help\ndef f():\n    def help():\n        return 2\n    return help\n",
        "from zoo.helper import help\ndef f(x: help) -> help:\n    y: help = x\n    return y\n",
        "import typing as t\nif t.TYPE_CHECKING:\n    from zoo.helper import help\ndef f(x: help):\n    return x\n",
        "from typing import TYPE_CHECKING as T\nif T:\n    from zoo.helper import help\nelse:\n    help = 1\nf = help",
    ],
)
def test_a_name_that_means_something_else_is_not_followed(tmp_path: Path, source: str) -> None:
    """A local name that hides a module's, and what only type checkers read, refer to nothing."""
    files = {**HELPER, "zoo/user.py": source}

    assert not changes(tmp_path, files, "zoo.user.f", ("return 1", "return 2"), "zoo/helper.py")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import importlib\ndef f(name):\n    return importlib.import_module(name)\n", "importlib.import_module"),
        ("def f(text):\n    exec(text)\n", "exec"),
        ("def f(name):\n    return globals()[name]()\n", "globals"),
        ("import sys\ndef f(name):\n    return sys.modules[name]\n", "sys.modules"),
        ("state = 1\ndef f():\n    global state\n    state = 2\n", "global state"),
        ("def f():\n    return 1\nf = print(f)\n", "bound more than once"),
        ("from zoo.other import f\ndef __getattr__(name):\n    return other()\n", "__getattr__"),
        ("from os import *\ndef f():\n    return getcwd()\n", "import *"),
    ],
)
def test_where_the_way_cannot_be_followed_the_module_is_taken(tmp_path: Path, source: str, why: str) -> None:
    """A module that goes a way of its own counts as a whole, and the record says why."""
    source += "def other():\n    return 1\n"
    asked = "zoo.user.g" if "__getattr__" in source else "zoo.user.f"
    files = {**HELPER, "zoo/user.py": source}
    if "__getattr__" in source:
        files["zoo/caller.py"] = "from zoo import user\ng = user.missing\n"
        asked = "zoo.caller.g"

    assert changes(tmp_path, files, asked, ("return 1\n", "return 3\n"), "zoo/user.py")
    assert any("whole module" in name and why in name for name in Definitions(tmp_path).reach([asked]).digests)


def test_a_decorator_that_registers_is_an_effect(tmp_path: Path) -> None:
    """What a decorator puts into a table of its module when it is imported counts for all who import it."""
    files = {
        "zoo/__init__.py": "",
        "zoo/table.py": "TABLE = {}\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n",
        "zoo/entries.py": "from zoo.table import register\n@register\ndef entry():\n    return 1\n",
        "zoo/user.py": "from zoo import entries, table\ndef f(name):\n    return table.TABLE[name]()\n",
    }

    assert changes(tmp_path, files, "zoo.user.f", ("return 1", "return 2"), "zoo/entries.py")


def test_a_registry_is_followed_only_by_a_literal_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A declared registry leads nowhere by itself; asked for a name in the source, it leads there."""
    registry = "import importlib\ndef get(name):\n    return importlib.import_module(f'{__name__}.{name}')\n"
    files = {
        "model_zoo/__init__.py": "",
        "model_zoo/models/__init__.py": registry,
        "model_zoo/models/line.py": "def train():\n    return 1\n",
        "model_zoo/by_name.py": "from model_zoo.models import get\ndef f(name):\n    return get(name).train()\n",
        "model_zoo/by_text.py": "from model_zoo import models\ndef f():\n    return models.get('line').train()\n",
    }
    edit = ("return 1", "return 2")

    assert not changes(tmp_path, files, "model_zoo.by_name.f", edit, "model_zoo/models/line.py")
    assert changes(tmp_path, files, "model_zoo.by_text.f", edit, "model_zoo/models/line.py")


@pytest.mark.parametrize(
    "source",
    [
        "from pathlib import Path\nf = Path(__file__).with_name('table.json').read_text()\n",
        "from pathlib import Path\ndef f():\n    return (Path(__file__).parent / 'table.json').read_text()\n",
        "from pathlib import Path\nP = Path(__file__).parent\ndef f():\n    return (P / 'table.json').read_text()\n",
        "import importlib.resources as r\ndef f():\n    return r.files('zoo').joinpath('table.json').read_text()\n",
    ],
)
def test_a_file_read_beside_the_code_belongs_to_who_reads_it(tmp_path: Path, source: str) -> None:
    """A definition that reads a file beside its module changes when that file does."""
    files = {"zoo/__init__.py": "", "zoo/table.json": "[1]", "zoo/user.py": source}

    assert changes(tmp_path, files, "zoo.user.f", ("1", "2"), "zoo/table.json")


@pytest.mark.parametrize("reads", ["__doc__", "f.__doc__", "user.__doc__", "user.f.__doc__"])
def test_a_docstring_read_as_data_counts(tmp_path: Path, reads: str) -> None:
    """Where code reads a docstring, that is a text like any other."""
    source = f'"""One."""\nfrom zoo import user\ndef f():\n    """One."""\n    return {reads}\n'
    files = {"zoo/__init__.py": "", "zoo/user.py": source}

    assert changes(tmp_path, files, "zoo.user.f", ("One", "Two"), "zoo/user.py")


CIRCLE = "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n != 0 and even(n - 1)\n"


@pytest.mark.parametrize("edit", [("n == 0", "n == 1"), ("n != 0", "n != 1")])
def test_definitions_in_a_circle_are_digested_together(tmp_path: Path, edit: tuple[str, str]) -> None:
    """A change anywhere in a circle reaches all in it; their names are none of their content."""
    write(tmp_path, {"zoo/__init__.py": "", "zoo/user.py": CIRCLE})
    even, odd = digests(tmp_path, "zoo.user.even", "zoo.user.odd")
    assert even != odd
    write(tmp_path, {"zoo/user.py": CIRCLE.replace("even", "is_even").replace("odd", "is_odd")})
    assert digests(tmp_path, "zoo.user.is_even", "zoo.user.is_odd") == [even, odd]
    write(tmp_path, {"zoo/user.py": CIRCLE.replace(*edit)})
    after = digests(tmp_path, "zoo.user.even", "zoo.user.odd")

    assert even not in after
    assert odd not in after


def test_modules_that_import_each_other_have_digests(tmp_path: Path) -> None:
    """A circle of imports, even of names that nobody defines, ends."""
    write(
        tmp_path,
        {
            "zoo/__init__.py": "",
            "zoo/a.py": "from zoo.b import x\nfrom zoo.b import f as g\ndef f():\n    return g, x\n",
            "zoo/b.py": "from zoo.a import x\nfrom zoo import a\ndef f():\n    return a.f\n",
        },
    )

    assert len(digests(tmp_path, "zoo.a.f")) == 1


def test_a_package_that_imports_its_own_modules_is_followed(tmp_path: Path) -> None:
    """`from zoo.part import inner` in `zoo/part/__init__.py` means the module: a change of it counts, and it is not a
    library.
    """
    inner = "def size():\n    return 1\n"
    files = {
        "zoo/__init__.py": "",
        "zoo/part/__init__.py": "from zoo.part import inner\n\n\ndef use():\n    return inner.size()\n",
        "zoo/part/inner.py": inner,
        "zoo/user.py": "from zoo import part\n\n\ndef train():\n    return part.use()\n",
    }
    before = Definitions(write(tmp_path / "before", files))
    after = Definitions(write(tmp_path / "after", {**files, "zoo/part/inner.py": inner.replace("1", "2")}))

    assert before.digest("zoo.user.train") != after.digest("zoo.user.train")
    reached = before.reach(["zoo.user.train"])
    assert "zoo.part.inner.size" in reached.digests
    assert reached.libraries == {}


def test_libraries_are_those_that_definitions_use(tmp_path: Path) -> None:
    """A library counts for who uses it, not for all of its module, and it is said who uses it."""
    source = (
        "import numpy as np\nimport torch\ndef f():\n    return np\ndef g():\n    import sklearn\n    return torch\n"
    )
    write(tmp_path, {"zoo/__init__.py": "", "zoo/user.py": source})
    known = Definitions(tmp_path)

    assert known.reach(["zoo.user.f"]).libraries == {"numpy": "zoo.user.f"}
    assert set(known.reach(["zoo.user.g"]).libraries) == {"torch", "sklearn"}


@pytest.mark.parametrize("name", ["zoo.forest.gone", "zoo.gone.train", "gone.train"])
def test_a_definition_that_does_not_exist_is_one_clear_error(tmp_path: Path, name: str) -> None:
    """A name without a definition says where one was expected."""
    with pytest.raises(ConfigError, match="expected a definition"):
        digests(write(tmp_path, FILES), name)


@pytest.mark.parametrize("source", ["def f(:\n", "x = 1\0"])
def test_a_broken_module_is_one_clear_error(tmp_path: Path, source: str) -> None:
    """A file that is not Python is named in the error."""
    with pytest.raises(ConfigError, match=r"zoo/late\.py: expected valid Python"):
        digests(write(tmp_path, {**FILES, "zoo/late.py": source}))


def test_names_of_local_variables_count_where_code_can_read_them(tmp_path: Path) -> None:
    """A function that asks for its local variables by name changes with these names."""
    files = {"zoo/__init__.py": "", "zoo/user.py": "def f(text):\n    value = 1\n    return text.format(**locals())\n"}

    assert changes(tmp_path, files, "zoo.user.f", ("value", "other"), "zoo/user.py")


def test_a_package_that_imports_its_own_modules_refers_to_them(tmp_path: Path) -> None:
    """`from package import module` in the package itself is the module, and no library."""
    package = "from zoo.parts import first\n\n\ndef whole():\n    return first.part()\n"
    write(
        tmp_path,
        {"zoo/__init__.py": "", "zoo/parts/__init__.py": package, "zoo/parts/first.py": "def part(): return 1"},
    )
    before = digests(tmp_path, "zoo.parts.whole")
    assert Definitions(tmp_path).reach(["zoo.parts.whole"]).libraries == {}

    write(tmp_path, {"zoo/parts/first.py": "def part(): return 2"})
    assert digests(tmp_path, "zoo.parts.whole") != before


def test_a_name_that_is_imported_in_a_circle_takes_the_module(tmp_path: Path) -> None:
    """Where two modules import one name from each other, both are read whole, and neither is a library."""
    files = {"zoo/__init__.py": "", "zoo/a.py": "from zoo.b import x\n", "zoo/b.py": "from zoo.a import x\nY = 1\n"}
    write(tmp_path, {**files, "zoo/c.py": "from zoo.a import x\n\n\ndef f():\n    return x\n"})
    before = digests(tmp_path, "zoo.c.f")
    assert Definitions(tmp_path).reach(["zoo.c.f"]).libraries == {}

    write(tmp_path, {"zoo/b.py": "from zoo.a import x\nY = 2\n"})
    write(tmp_path, {"zoo/a.py": "from zoo.b import x\nZ = 2\n"})
    assert digests(tmp_path, "zoo.c.f") != before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("zoo/scale.py", FILES["zoo/scale.py"].replace("FACTOR = 2", "FACTOR = 3")),
        ("zoo/scale/__init__.py", "def scale(value, by=1):\n    return 0\n"),
        ("zoo/late.py", None),
        ("os.py", "x = 1"),
    ],
)
def test_what_was_read_is_used_again_until_a_file_changes(tmp_path: Path, name: str, content: str | None) -> None:
    """A changed file, one that goes, and one that takes the place of another are seen, whatever their time stamps."""
    write(tmp_path, {**FILES, "zoo/base.py": FILES["zoo/base.py"] + "\nimport os\n\n\nclass Third:\n    at = os.sep\n"})
    roots = ("zoo.forest.train", "zoo.base.Third")
    compare_again()
    first = definitions(tmp_path)
    before = [first.digest(root) for root in roots]
    compare_again()
    assert definitions(tmp_path) is first

    path = tmp_path / name
    stamp = path.stat() if path.is_file() else None
    if content is None:
        path.unlink()
    else:
        write(tmp_path, {name: content})
    if stamp is not None and content is not None:
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert definitions(tmp_path) is first  # nobody asked for another look
    compare_again()
    again = definitions(tmp_path)
    assert again is not first
    assert [again.digest(root) for root in roots] != before
