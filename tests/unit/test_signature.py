"""Signatures: what changes one, what does not, and the words for the difference."""

from __future__ import annotations

import json
import shutil
import textwrap
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_drug_assets.catalog import load_catalog
from ai_drug_assets.settings import ROOT, Settings
from model_zoo import featurizers, models, signature
from model_zoo.config import load_configs
from model_zoo.errors import ConfigError
from model_zoo.signature import Record, code_part, differences, library_part

CORE = ("model_zoo", "ai_drug_assets", "serving")


class Tree:
    """A small package tree whose files can be rewritten."""

    def __init__(self, root: Path, files: dict[str, str]) -> None:
        self.root = root
        for name, source in files.items():
            self.write(name, source)

    def write(self, name: str, source: str | bytes) -> None:
        """Replace one file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else textwrap.dedent(source).encode())
        signature.forget()

    def code(self, *modules: str) -> dict[str, str]:
        """Digest the closure of modules."""
        return code_part(modules, self.root)

    def closure(self, *modules: str) -> set[str]:
        """Name the files that modules reach."""
        return set(self.code(*modules))


SCALE = '''
"""What scaling is."""

FACTOR = 2  # doubled


def scale(value: float) -> float:
    """Scale a value."""
    return value * FACTOR
'''


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Give two models: `forest` uses `scale` through `steps`, `line` does not."""
    return Tree(
        tmp_path,
        {
            "zoo/__init__.py": "",
            "zoo/scale.py": SCALE,
            "zoo/steps.py": "from zoo.scale import scale\n",
            "zoo/models/__init__.py": "",
            "zoo/models/forest.py": "import zoo.steps\n",
            "zoo/models/line.py": "import math\n",
        },
    )


@pytest.mark.parametrize(
    "source",
    [
        SCALE.replace("# doubled", "# twice as much, as in the paper"),
        SCALE.replace('"""What scaling is."""', '"""How values are scaled.\n\nIn two lines.\n"""'),
        SCALE.replace('    """Scale a value."""\n', ""),
        SCALE.replace("FACTOR = 2", "\n\nFACTOR   =   (2)"),
        SCALE.replace("return value * FACTOR", "return (\n        value\n        * FACTOR\n    )"),
        SCALE.replace("\n", "\r\n"),
        "\ufeff" + SCALE,
        "# -*- coding: utf-8 -*-\n" + SCALE,
    ],
    ids=["comment", "module docstring", "no docstring", "blanks", "line breaks", "CRLF", "BOM", "coding"],
)
def test_form_is_not_logic(tree: Tree, source: str) -> None:
    """Comments, layout and docstrings change no digest."""
    before = tree.code("zoo.models.forest")
    tree.write("zoo/scale.py", source)

    assert tree.code("zoo.models.forest") == before


@pytest.mark.parametrize(
    "source",
    [
        SCALE.replace("FACTOR = 2", "FACTOR = 3"),
        SCALE.replace("value * FACTOR", "value + FACTOR"),
        SCALE.replace("value: float", "value: int"),
        SCALE + "\nEXTRA = 1\n",
    ],
    ids=["constant", "operator", "annotation", "addition"],
)
def test_logic_changes_the_digest_of_its_file(tree: Tree, source: str) -> None:
    """A change of logic changes exactly the digest of the file it stands in."""
    before = tree.code("zoo.models.forest")
    tree.write("zoo/scale.py", source)
    after = tree.code("zoo.models.forest")

    assert {name for name in after if after[name] != before[name]} == {"zoo/scale.py"}


def test_a_helper_reaches_exactly_its_importers(tree: Tree) -> None:
    """A change to a helper touches who imports it, through however many files, and nobody else."""
    forest, line = tree.code("zoo.models.forest"), tree.code("zoo.models.line")
    tree.write("zoo/scale.py", SCALE.replace("2", "3"))

    assert tree.code("zoo.models.forest") != forest
    assert tree.code("zoo.models.line") == line


def test_the_packages_on_the_way_count(tree: Tree) -> None:
    """Importing a module runs the `__init__` of each package above it, and what that imports: all of it counts."""
    tree.write("zoo/models/__init__.py", "from zoo.scale import scale\n")

    assert tree.closure("zoo.models.line") == {
        "zoo/__init__.py",
        "zoo/models/__init__.py",
        "zoo/models/line.py",
        "zoo/scale.py",
    }


@pytest.mark.parametrize(
    "line",
    [
        "import zoo.scale",
        "import zoo.scale as s",
        "from zoo.scale import scale",
        "from zoo import scale",
        "from zoo.scale import *",
        "from ..scale import scale",
        "from .. import scale",
        "def train():\n    from zoo.scale import scale\n",
        "class Model:\n    def fit(self):\n        import zoo.scale\n",
        "try:\n    import zoo.scale\nexcept ImportError:\n    pass\n",
        "if True:\n    import zoo.scale\n",
        "async def f():\n    with open('x'):\n        import zoo.scale\n",
        "match 1:\n    case 1:\n        import zoo.scale\n",
    ],
)
def test_every_way_to_import_is_seen(tree: Tree, line: str) -> None:
    """However and wherever in a file an import is written, what it reaches counts."""
    tree.write("zoo/models/line.py", line)

    assert "zoo/scale.py" in tree.closure("zoo.models.line")


@pytest.mark.parametrize(
    "line",
    [
        "from . import inner",
        "from .inner import x",
        "from zoo.parts import inner",
        "import zoo.parts.inner",
    ],
)
def test_a_package_reaches_its_own_modules(tree: Tree, line: str) -> None:
    """Relative imports in a package's `__init__` start from the package itself."""
    tree.write("zoo/parts/__init__.py", line)
    tree.write("zoo/parts/inner.py", "x = 1")
    tree.write("zoo/models/line.py", "import zoo.parts")

    assert "zoo/parts/inner.py" in tree.closure("zoo.models.line")


def test_a_folder_without_init_is_a_package_too(tree: Tree) -> None:
    """Python imports through folders without an `__init__`, and so does the closure."""
    tree.write("zoo/loose/helper.py", "x = 1")
    tree.write("zoo/models/line.py", "from zoo.loose.helper import x")

    assert "zoo/loose/helper.py" in tree.closure("zoo.models.line")


def test_a_folder_of_files_beside_a_module_is_no_package(tree: Tree) -> None:
    """A module with a data folder of the same name beside it is still found."""
    tree.write("zoo/models/line/weights.txt", "1")

    assert "zoo/models/line.py" in tree.closure("zoo.models.line")


def test_a_circle_of_imports_ends(tree: Tree) -> None:
    """Modules that import each other have a closure like all others."""
    tree.write("zoo/scale.py", "import zoo.steps")

    assert {"zoo/scale.py", "zoo/steps.py"} < tree.closure("zoo.models.forest")


@pytest.mark.parametrize(
    "source",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import zoo.scale\n    import torch\n",
        "import typing\nif typing.TYPE_CHECKING:\n    from zoo.scale import scale\n    import torch\n",
    ],
)
def test_imports_for_the_type_checker_do_not_count(tree: Tree, source: str) -> None:
    """What only a type checker imports never runs: it is neither code nor library."""
    tree.write("zoo/models/line.py", source)

    assert "zoo/scale.py" not in tree.closure("zoo.models.line")
    assert library_part(["zoo.models.line"], tree.root) == {}


def test_what_runs_when_nobody_checks_types_counts(tree: Tree) -> None:
    """The `else` of TYPE_CHECKING does run."""
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nelse:\n    import zoo.scale\n"
    tree.write("zoo/models/line.py", source)

    assert "zoo/scale.py" in tree.closure("zoo.models.line")


def test_digests_do_not_depend_on_the_machine(tree: Tree, tmp_path: Path) -> None:
    """The same files under another folder have the same digests, under names relative to the root."""
    other = tmp_path / "elsewhere"
    shutil.copytree(tree.root / "zoo", other / "zoo")

    assert code_part(["zoo.models.forest"], other) == tree.code("zoo.models.forest")


def test_order_and_repetition_of_modules_do_not_matter(tree: Tree) -> None:
    """A closure is a set: naming modules in another order or twice changes nothing."""
    one = tree.code("zoo.models.forest", "zoo.models.line")

    assert list(tree.code("zoo.models.line", "zoo.models.forest", "zoo.models.line").items()) == list(one.items())


def test_libraries_are_named_as_they_are_installed(tree: Tree) -> None:
    """Versions stand under the distribution's name, also where it differs from the module's."""
    tree.write(
        "zoo/models/line.py", "def train():\n    import sklearn.ensemble\n    import xgboost\n    import numpy as np\n"
    )
    libraries = library_part(["zoo.models.line"], tree.root)

    assert libraries == {name: metadata.version(name) for name in ("numpy", "scikit-learn", "xgboost-cpu")}


def test_libraries_that_only_read_configuration_do_not_count(tree: Tree) -> None:
    """A new release of the YAML reader or of pydantic retrains nothing; the standard library is no library."""
    tree.write("zoo/models/line.py", "import json\nimport yaml\nimport pydantic\nimport os.path\n")

    assert library_part(["zoo.models.line"], tree.root) == {}
    assert signature._distribution("yaml") == ("PyYAML", metadata.version("PyYAML"))


def test_an_absent_library_is_said_to_be_absent(tree: Tree) -> None:
    """Code may import what is not installed (an optional library): its record says so, and installing it shows."""
    tree.write("zoo/models/line.py", "try:\n    import no_such_library_anywhere\nexcept ImportError:\n    pass\n")

    assert library_part(["zoo.models.line"], tree.root) == {"no_such_library_anywhere": "not installed"}


@pytest.mark.parametrize("source", ["def train(:\n", b"x = '\xff'\n", "x = 1\0"], ids=["syntax", "encoding", "null"])
def test_a_broken_module_is_one_clear_error(tree: Tree, source: str | bytes) -> None:
    """A file that is not Python is named in the error, whoever imports it."""
    tree.write("zoo/scale.py", source)

    with pytest.raises(ConfigError, match=r"zoo/scale\.py: expected valid Python"):
        tree.code("zoo.models.forest")


@pytest.mark.parametrize("name", ["zoo.models.gone", "zoo.scale.inner", "gone", "zoo.gone.scale"])
def test_a_module_that_does_not_exist_is_one_clear_error(tree: Tree, name: str) -> None:
    """A name without a file says which file was expected."""
    with pytest.raises(ConfigError, match=f"expected a file {name.replace('.', '/')}.py"):
        tree.code(name)


def test_forgetting_sees_a_new_package(tree: Tree) -> None:
    """A package that was added while the process runs is first-party from then on."""
    tree.write("zoo/models/line.py", "try:\n    import later\nexcept ImportError:\n    pass\n")
    assert tree.closure("zoo.models.line") == {"zoo/__init__.py", "zoo/models/__init__.py", "zoo/models/line.py"}
    tree.write("later/__init__.py", "")

    assert "later/__init__.py" in tree.closure("zoo.models.line")


def record(**parts: Any) -> Record:
    """Give a record with some parts."""
    return {"code": {}, "config": {}, "data": {}, "library": {}, "upstream": {}, **parts}


def test_key_order_is_not_content() -> None:
    """Reordering configuration changes neither signature nor plan."""
    one = record(config={"model": {"a": 1, "b": {"c": 2, "d": [3]}}})
    two = record(config={"model": {"b": {"d": [3], "c": 2}, "a": 1}})

    assert signature.signature(one) == signature.signature(two)
    assert differences(one, two) == []


@pytest.mark.parametrize(
    ("part", "before", "after", "expected"),
    [
        ("config", {"model": {"depth": 6}}, {"model": {"depth": 8}}, ("config", "model.depth", "6 -> 8")),
        ("config", {"model": {}}, {"model": {"depth": 8}}, ("config", "model.depth", "added")),
        ("config", {"model": {"depth": 8}}, {"model": {}}, ("config", "model.depth", "removed")),
        ("config", {"model": {"depth": None}}, {"model": {"depth": 8}}, ("config", "model.depth", "None -> 8")),
        ("config", {"features": ["a"]}, {"features": ["a", "b"]}, ("config", "features", "['a'] -> ['a', 'b']")),
        ("data", {"a.csv": "1"}, {"a.csv": "2"}, ("data", "a.csv", "changed")),
        ("data", {}, {"a.csv": "2"}, ("data", "a.csv", "added")),
        ("code", {"zoo/a.b.py": "1"}, {"zoo/a.b.py": "2"}, ("code", "zoo/a.b.py", "changed")),
        ("code", {"zoo/a.py": "1"}, {}, ("code", "zoo/a.py", "removed")),
        ("library", {"numpy": "1.0"}, {"numpy": "2.0"}, ("library", "numpy", "1.0 -> 2.0")),
        ("upstream", {"dataset/x": "1"}, {"dataset/x": "2"}, ("upstream", "dataset/x", "changed")),
    ],
)
def test_a_difference_has_a_name(part: str, before: Any, after: Any, expected: tuple[str, str, str]) -> None:
    """The plan names the file, key path, data file or library that changed, and how."""
    found = differences(record(**{part: before}), record(**{part: after}))

    assert found == [expected]


def test_what_was_never_made_is_new() -> None:
    """Without an earlier record there is one reason: new."""
    assert [reason.kind for reason in differences(None, record())] == ["new"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=6,
)
configs = st.dictionaries(st.sampled_from(["model", "dataset"]), st.dictionaries(st.sampled_from("ab"), json_values))


@given(before=configs, after=configs)
def test_a_changed_signature_always_has_a_reason(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Two records differ in words exactly when their signatures differ: nothing is stale without a reason."""
    one, two = record(config=before), record(config=after)

    assert (differences(one, two) != []) == (signature.signature(one) != signature.signature(two))


@given(before=configs)
def test_a_record_survives_the_ledger(before: dict[str, Any]) -> None:
    """A record that went through a JSON file has the signature it had."""
    assert signature.signature(json.loads(json.dumps(record(config=before)))) == signature.signature(
        record(config=before)
    )


def module_of(path: str) -> tuple[str, str]:
    """Split a file of the closure into its folder and its name."""
    folder, _, name = path.rpartition("/")
    return folder, name.removesuffix(".py")


@pytest.mark.parametrize("name", models.names())
def test_a_models_closure_holds_no_other_model(name: str) -> None:
    """Editing one model retrains no other: a model's closure holds no other model's module, but for the one it is built
    on, and of featurizers only those it is configured with.
    """
    built_on = {"multitask": {"gp"}}
    signature.forget()
    configured = set(load_configs(ROOT / "configs").models[name].features)
    reached = [module_of(path) for path in code_part([f"model_zoo.models.{name}"], ROOT)]
    others = {stem for folder, stem in reached if folder == "model_zoo/models" and not stem.startswith("_")} - {name}
    foreign = {stem for folder, stem in reached if folder == "model_zoo/featurizers" and not stem.startswith("_")}

    assert others == built_on.get(name, set())
    assert foreign <= configured


@pytest.mark.parametrize("name", featurizers.names())
def test_a_featurizers_closure_holds_no_other_featurizer(name: str) -> None:
    """Editing one featurizer reaches only the models that use it; a module with a leading underscore is none itself."""
    reached = [module_of(path) for path in code_part([f"model_zoo.featurizers.{name}"], ROOT)]
    stems = {stem for folder, stem in reached if folder == "model_zoo/featurizers"}

    assert {stem for stem in stems if not stem.startswith("_")} == {name}


def test_the_procedures_name_no_single_model() -> None:
    """The code that all trained models share holds no model and no featurizer: they are found by name at run time."""
    reached = code_part(["model_zoo.dataset", "model_zoo.training"], ROOT)
    single = [
        path
        for path in reached
        if path.startswith(("model_zoo/models/", "model_zoo/featurizers/")) and not module_of(path)[1].startswith("_")
    ]

    assert single == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the first-party code."""
    root = tmp_path_factory.mktemp("code")
    ignore = shutil.ignore_patterns("__pycache__", "static")
    for package in CORE:
        shutil.copytree(ROOT / package, root / package, ignore=ignore)
    return root


def signatures(code_root: Path, home: Path) -> dict[str, str]:
    """Compute every asset's signature from the code under `code_root` and the real configuration."""
    settings = Settings(ROOT, code_root, ROOT / "configs", home, str(home), "", "")
    return {key: node.signature for key, node in load_catalog(settings).nodes.items()}


def touched(copy: Path, home: Path, path: str) -> set[str]:
    """Name the assets that a change of logic in one file makes stale, then take the change back."""
    before, original = signatures(copy, home), (copy / path).read_text(encoding="utf-8")
    (copy / path).write_text(original + "\nADDED = 1\n", encoding="utf-8")
    after = signatures(copy, home)
    (copy / path).write_text(original, encoding="utf-8")
    return {key for key in after if after[key] != before[key]}


def test_the_pipelines_and_the_services_files_retrain_nothing(copy: Path, tmp_path: Path) -> None:
    """No file of `ai_drug_assets` or `serving` is in any asset's record."""
    settings = Settings(ROOT, ROOT, ROOT / "configs", tmp_path, str(tmp_path), "", "")
    recorded = {path for node in load_catalog(settings).nodes.values() for path in node.record["code"]}

    assert {path.split("/")[0] for path in recorded} == {"model_zoo"}


@pytest.mark.parametrize(
    ("path", "stale", "fresh"),
    [
        ("model_zoo/models/rf.py", {"rf"}, {"xgb", "transformer", "naive"}),
        ("model_zoo/featurizers/tokens.py", {"transformer"}, {"rf", "xgb", "naive"}),
        ("model_zoo/featurizers/morgan_count.py", {"rf", "xgb"}, {"transformer", "naive"}),
        ("model_zoo/models/_base.py", {"rf", "xgb", "transformer", "naive"}, set()),
        ("model_zoo/training.py", {"rf", "xgb", "transformer", "naive"}, set()),
        ("model_zoo/curation.py", {"rf", "xgb", "transformer", "naive"}, set()),
        ("model_zoo/config.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("model_zoo/champion.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("model_zoo/bundle.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("model_zoo/store.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("ai_drug_assets/catalog.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("serving/app.py", set(), {"rf", "xgb", "transformer", "naive"}),
    ],
)
def test_a_change_reaches_its_models_and_no_other(
    copy: Path, tmp_path: Path, path: str, stale: set[str], fresh: set[str]
) -> None:
    """In the real tree, a change of one file makes exactly the models stale that it can change."""
    found = {key.split("/")[2] for key in touched(copy, tmp_path, path) if key.startswith("trained_model/")}

    assert stale <= found
    assert not found & fresh
