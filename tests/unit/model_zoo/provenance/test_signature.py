"""Signatures: what changes one, what does not, and the words for the difference."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_drug_assets.planning.catalog import Node, load_catalog
from ai_drug_assets.settings import ROOT, Settings
from model_zoo import featurizers, models
from model_zoo.config.files import load_configs
from model_zoo.errors import ConfigError, StoreError
from model_zoo.io.artefacts import read_artefact
from model_zoo.provenance import libraries, signature
from model_zoo.provenance.roots import Makers
from model_zoo.provenance.signature import differences
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.provenance.signed_code import sign

CORE = ("model_zoo", "ai_drug_assets", "serving")
ENDPOINT = """
name: logs
title: An endpoint
description: One that names a model which competes nowhere by itself.
task: regression
unit: log10 mol/L
source: {kind: csv, files: [logs.csv]}
split: {kind: random}
champion: {metric: rmse}
models: [naive, rf, xgb, transformer]
"""


def record(**parts: Any) -> SignatureRecord:
    """Return a record with some parts."""
    return SignatureRecord(**parts)


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
        ("code", {"a.b": "1"}, {"a.b": "2"}, ("code", "a.b", "changed")),
        ("code", {"train": "1"}, {}, ("code", "train", "removed")),
        ("library", {"numpy": "1.0"}, {"numpy": "2.0"}, ("library", "numpy", "1.0 -> 2.0")),
        ("upstream", {"dataset/x": "1"}, {"dataset/x": "2"}, ("upstream", "dataset/x", "changed")),
    ],
)
def test_a_difference_has_a_name(part: str, before: Any, after: Any, expected: tuple[str, str, str]) -> None:
    """The plan names the file, key path, data file or library that changed, and how."""
    found = differences(record(**{part: before}), record(**{part: after}))

    assert [reason[:3] for reason in found] == [expected]


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
    content = record(config=before).as_bytes()
    read = read_artefact(SignatureRecord, content, "record.json", StoreError)
    assert signature.signature(read) == signature.signature(record(config=before))


def reached(*, featurizer: str | None = None, recipe: str | None = None) -> set[str]:
    """Name the modules whose definitions a featurizer or a recipe reaches."""
    signature.forget()
    names = sign(Makers((), (featurizer,) if featurizer else (), recipe), ROOT)["definitions"]
    return {name.partition(" ")[0].rpartition(".")[0] for name in names}


def single(modules: set[str], package: str) -> set[str]:
    """Name the models or featurizers among modules; one with a leading underscore is none itself."""
    found = {name.removeprefix(f"{package}.").partition(".")[0] for name in modules if name.startswith(f"{package}.")}
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("name", models.names())
def test_a_models_closure_holds_no_other_model(name: str) -> None:
    """Editing one model retrains no other: a model's closure holds no other model's definition, but for the one it is
    built on, and of featurizers only those it is configured with.
    """
    built_on = {"multitask": {"gp"}}
    configured = set(load_configs(ROOT / "configs").models[name].features)
    modules = reached(recipe=name)

    assert single(modules, "model_zoo.models") - {name} <= built_on.get(name, set())
    assert single(modules, "model_zoo.featurizers") <= configured


@pytest.mark.parametrize("name", featurizers.names())
def test_a_featurizers_closure_holds_no_other_featurizer(name: str) -> None:
    """Editing one featurizer reaches only the models that use it."""
    assert single(reached(featurizer=name), "model_zoo.featurizers") == {name}


def test_nothing_of_ours_is_taken_for_a_library(tmp_path: Path) -> None:
    """Every library in a record is a distribution that is installed, or one that optional code may import."""
    settings = Settings(ROOT, ROOT, ROOT / "configs", tmp_path, str(tmp_path), "", "")
    counted = {name for node in load_catalog(settings).nodes.values() for name in node.record.library}

    assert not counted & set(CORE)
    documented = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {name for name in counted if f"`{name}`" not in documented} <= {libraries.SUMS}


def test_the_procedures_name_no_single_model() -> None:
    """The code that all trained models share holds no model and no featurizer: they are found by name at run time."""
    names = sign(Makers(("dataset", "rows", "training", "fitting", "auxiliary")), ROOT)["definitions"]
    modules = {name.partition(" ")[0].rpartition(".")[0] for name in names}

    assert single(modules, "model_zoo.models") == set()
    assert single(modules, "model_zoo.featurizers") == set()


@pytest.mark.parametrize("makers", [Makers((), ("gone",)), Makers((), (), "gone")])
def test_a_module_that_does_not_exist_is_one_clear_error(makers: Makers) -> None:
    """A recipe or featurizer without a file says which file was expected."""
    with pytest.raises(ConfigError, match=r"expected a file model_zoo/(models|featurizers)/gone\.py"):
        sign(makers, ROOT)


def test_libraries_are_named_as_they_are_installed() -> None:
    """Versions are under the distribution's name, with those of the libraries that compute beneath it."""
    names = ("numpy", "scipy", "scikit-learn", "xgboost-cpu")

    assert libraries.versions(["sklearn", "xgboost"]) == dict(sorted((name, metadata.version(name)) for name in names))


def test_libraries_that_only_read_configuration_do_not_count() -> None:
    """A new release of the YAML reader or of pydantic retrains nothing; the standard library is not a library."""
    assert libraries.versions(["json", "yaml", "pydantic", "os"]) == {}
    assert libraries.distribution("yaml") == ("PyYAML", metadata.version("PyYAML"))


def test_an_absent_library_is_said_to_be_absent() -> None:
    """Code may import what is not installed (an optional library): its record says so, and installing it shows."""
    assert libraries.versions(["no_such_library_anywhere"]) == {"no_such_library_anywhere": "not installed"}


def test_python_counts_where_sums_are_taken() -> None:
    """Python 3.12 sums floats otherwise than 3.11; code that takes no sums is the same on both."""
    assert set(libraries.versions([], ["sum"])) == {"python"}
    assert libraries.versions([], ["len"]) == {}


def test_the_record_says_why_a_library_counts() -> None:
    """Of each library a record names a definition that uses it, or the library that it computes for; the plan says it,
    and the signature does not cover it.
    """
    signature.forget()
    parts = sign(Makers((), ("morgan_count",), "rf"), ROOT)

    assert parts["because"].keys() == parts["library"].keys()
    assert parts["because"]["scikit-learn"].startswith("used by model_zoo.")
    assert parts["because"]["scipy"] == "computes for scikit-learn"
    before, after = (
        record(**{**parts, "library": {**parts["library"], "scipy": version}}) for version in ("1.0", "2.0")
    )
    assert [reason.detail for reason in differences(before, after, ROOT)] == ["1.0 -> 2.0, computes for scikit-learn"]
    bare = after.model_copy(update={"because": {}})
    assert signature.signature(bare) == signature.signature(after)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the first-party code, with the real models and one endpoint: a lab may remove the examples."""
    root = tmp_path_factory.mktemp("code")
    ignore = shutil.ignore_patterns("__pycache__", "static")
    for package in CORE:
        shutil.copytree(ROOT / package, root / package, ignore=ignore)
    shutil.copytree(ROOT / "configs" / "models", root / "configs" / "models")
    (root / "configs" / "endpoints").mkdir()
    (root / "configs" / "endpoints" / "logs.yaml").write_text(ENDPOINT, encoding="utf-8")
    (root / "logs.csv").write_text("smiles,value\nCCO,1\n", encoding="utf-8")
    return root


def nodes(code_root: Path, home: Path) -> Mapping[str, Node]:
    """Compute every asset's record from the code and the configuration under `code_root`."""
    return load_catalog(Settings(code_root, code_root, code_root / "configs", home, str(home), "", "")).nodes


def signatures(code_root: Path, home: Path) -> dict[str, str]:
    """Compute every asset's signature likewise."""
    return {key: node.signature for key, node in nodes(code_root, home).items()}


def touched(copy: Path, home: Path, path: str) -> set[str]:
    """Name the assets that a change of what importing one file does makes stale, then take the change back."""
    before, original = signatures(copy, home), (copy / path).read_text(encoding="utf-8")
    (copy / path).write_text(original + "\nassert 1\n", encoding="utf-8")
    after = signatures(copy, home)
    (copy / path).write_text(original, encoding="utf-8")
    return {key for key in after if after[key] != before[key]}


def test_the_pipelines_and_the_services_files_retrain_nothing(tmp_path: Path) -> None:
    """No definition of `ai_drug_assets` or `serving` is in any asset's record, and no package of ours is a library."""
    settings = Settings(ROOT, ROOT, ROOT / "configs", tmp_path, str(tmp_path), "", "")
    records = [node.record for node in load_catalog(settings).nodes.values()]

    assert {name.split(".")[0] for record in records for name in record.definitions} == {"model_zoo"}
    assert {name for record in records for name in record.library}.isdisjoint(CORE)


@pytest.mark.parametrize(
    ("path", "stale", "fresh"),
    [
        ("model_zoo/models/rf.py", {"rf"}, {"xgb", "transformer", "naive"}),
        ("model_zoo/featurizers/tokens.py", {"transformer"}, {"rf", "xgb", "naive"}),
        ("model_zoo/featurizers/morgan_count.py", {"rf", "xgb"}, {"transformer", "naive"}),
        ("model_zoo/models/_base.py", {"rf", "xgb", "transformer", "naive"}, set()),
        ("model_zoo/training/cross_validation.py", {"rf", "xgb", "transformer", "naive"}, set()),
        ("model_zoo/data/curation.py", {"rf", "xgb", "transformer", "naive"}, set()),
        ("model_zoo/config/files.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("model_zoo/selection/election.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("model_zoo/bundles/reader.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("model_zoo/bundles/store.py", set(), {"rf", "xgb", "transformer", "naive"}),
        ("ai_drug_assets/planning/catalog.py", set(), {"rf", "xgb", "transformer", "naive"}),
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


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("model_zoo/featurizers/_rdkit_descriptors/substructures.py", "relaxed"),
        ("model_zoo/fitted_models/formats.py", "require_equal"),
        ("model_zoo/data/splits.py", "assign"),
    ],
)
def test_one_line_in_a_shared_function_names_exactly_the_models_that_reach_it(
    copy: Path, tmp_path: Path, path: str, name: str
) -> None:
    """An edit of one line makes exactly those assets stale whose record lists the function or that are made from such;
    and some models reach it.
    """
    before, original = nodes(copy, tmp_path), (copy / path).read_text(encoding="utf-8")
    (function,) = (node for node in ast.parse(original).body if isinstance(node, ast.FunctionDef) and node.name == name)
    lines, last = original.splitlines(keepends=True), function.body[-1]
    lines.insert(last.lineno - 1, f"{' ' * last.col_offset}assert {name}\n")
    (copy / path).write_text("".join(lines), encoding="utf-8")
    after = nodes(copy, tmp_path)
    (copy / path).write_text(original, encoding="utf-8")
    qualified = f"{path.removesuffix('.py').replace('/', '.')}.{name}"
    expected: set[str] = set()
    for key, node in before.items():
        if qualified in node.record.definitions or expected & node.record.upstream.keys():
            expected.add(key)

    assert {key for key in after if after[key].signature != before[key].signature} == expected
    assert any(key.startswith("trained_model/") for key in expected)
