"""A file may declare several endpoints: each is as in a file of its own, and what is at fault with one stays there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ai_drug_assets.operations.tuning import write_overrides
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.settings import ROOT
from model_zoo.config.endpoint_file import endpoint_file, read_endpoint, read_endpoints
from model_zoo.config.files import Configs, load_configs
from model_zoo.errors import ConfigError
from tests.project_factory import make_project, write_yaml

WIDE = """\
# one table
task: regression
source: {kind: csv, files: [assays.csv], smiles_column: SMILES}
split: {kind: random, folds: 3}
champion: {metric: rmse}
endpoints:
  # in human liver microsomes
  hlm:
    title: HLM
    description: Clearance.
    unit: uL/min/mg
    source: {value_column: HLM}  # the third column

  # in rat
  rlm:
    title: RLM
    description: Clearance.
    unit: uL/min/mg
    source: {value_column: RLM}
    split: {folds: 4}
  logd: {title: logD, description: logD., unit: log D, source: {value_column: logD}}
"""


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Return a `configs/` with one wide file, one endpoint in a file of its own, and a model."""
    model = {"name": "rf", "description": "A forest.", "features": ["descriptors"]}
    write_yaml(tmp_path / "models" / "rf.yaml", model)
    one = {"name": "ppb", "title": "PPB", "description": "PPB.", "task": "regression", "unit": "%"}
    source = {"kind": "csv", "files": ["ppb.csv"]}
    write_yaml(tmp_path / "endpoints" / "ppb.yaml", {**one, "source": source, "champion": {"metric": "rmse"}})
    (tmp_path / "endpoints" / "wide.yaml").write_text(WIDE, encoding="utf-8")
    return tmp_path


def edit(configs: Path, old: str, new: str) -> Path:
    """Replace what occurs once in the wide file."""
    path = configs / "endpoints" / "wide.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def kept(configs: Path) -> Configs:
    """Read it as the automation does, and require that the strict reader raises the first fault."""
    found = load_configs(configs, keep_rest=True)
    with pytest.raises(ConfigError) as caught:
        load_configs(configs)
    assert str(caught.value) in found.faults.values()
    return found


def apart(wide: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Say in one endpoint's own file what a wide one says, written without the code under test."""
    own = wide["endpoints"][name]
    content = {key: value for key, value in wide.items() if key != "endpoints"} | own
    content["source"] = {**wide["source"], **own["source"]}
    return {**content, "split": {**wide["split"], **own.get("split", {})}, "name": name}


def test_each_is_as_in_a_file_of_its_own(configs: Path) -> None:
    """Sections are joined key by key, an endpoint's own word counts, and no settings of one reach another."""
    together = load_configs(configs)
    wide = yaml.safe_load((configs / "endpoints" / "wide.yaml").read_text(encoding="utf-8"))
    (configs / "endpoints" / "wide.yaml").unlink()
    for name in wide["endpoints"]:
        write_yaml(configs / "endpoints" / f"{name}.yaml", apart(wide, name))

    assert list(together.endpoints) == ["hlm", "logd", "ppb", "rlm"]
    assert together.endpoints == load_configs(configs).endpoints
    assert [together.endpoints[name].split.folds for name in ("hlm", "rlm")] == [3, 4]


def test_the_signatures_are_those_of_files_of_their_own(tmp_path: Path) -> None:
    """Endpoints put into one file, that file renamed, one added or changed in it: no other's models are touched."""
    settings = make_project(tmp_path)
    folder = settings.configs / "endpoints"

    def signatures() -> dict[str, str]:
        return {key: node.signature for key, node in load_catalog(settings).nodes.items()}

    before = signatures()
    contents = {name: yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("logp", "greasy")}
    for name, content in contents.items():
        (folder / f"{name}.yaml").unlink()
        del content["name"]
    common = {"split": contents["logp"].pop("split")}
    assert contents["greasy"].pop("split") == common["split"]
    write_yaml(folder / "both.yaml", {**common, "endpoints": contents})
    assert signatures() == before

    more = {**contents, "other": {**contents["logp"], "title": "another"}}
    more["greasy"] = {**contents["greasy"], "split": {"folds": 4}}
    (folder / "both.yaml").rename(folder / "renamed.yaml")
    write_yaml(folder / "renamed.yaml", {**common, "endpoints": more})
    after = signatures()
    of = {name: {key for key in after if f"/{name}" in key} for name in ("logp", "greasy", "other")}
    assert {key for key in of["logp"] if after[key] != before[key]} == set()
    assert all(after[key] != before[key] for key in of["greasy"])
    assert not of["other"] & set(before)


@pytest.mark.parametrize(
    ("old", "new", "names", "message"),
    [
        ("{value_column: HLM}", "{valu_column: HLM}", {"hlm"}, "endpoints.hlm.source.valu_column: unknown key"),
        ("{folds: 4}", "{folds: 1}", {"rlm"}, "endpoints.rlm.split.folds: Input should be greater than or equal to 2"),
        ("title: logD, ", "", {"logd"}, "endpoints.logd.title: missing"),
        ("title: logD, ", "name: logd, title: logD, ", {"logd"}, "endpoints.logd.name: expected none"),
        ("  logd: {title: logD, ", "  logD: {title: logD, ", {"logD"}, "endpoints.logD.name: String should match"),
        ("folds: 3}", "folds: 0}", {"hlm", "logd"}, ": split.folds: Input should be greater"),
        ("task: regression", "task: rank", {"hlm", "rlm", "logd"}, ": task: Input should be 'regression' or"),
        ("task: regression", "name: wide", {"hlm", "rlm", "logd"}, "endpoints: expected no `name` beside"),
        ("{title: logD, description: logD., unit: log D, source: {value_column: logD}}", "5", {"logd"}, "got 5"),
        ("unit: log D", "unit: log D, source_unit: furlong", {"logd"}, "endpoints.logd: no conversion"),
        ("unit: log D,", "unit: log D, overrides: {rf: {trees: 1}},", {"logd"}, "endpoints.logd.overrides.rf.config"),
        ("endpoints:", "endpoint:", {"hlm", "rlm", "logd", "wide"}, "endpoint: unknown key"),
        ("  # in rat\n", "  # in rat\n\tx\n", {"hlm", "rlm", "logd"}, "not valid YAML"),
        ("  # in rat\n", "  hlm: {}\n", {"hlm", "rlm", "logd"}, "the key 'hlm' appears twice"),
    ],
)  # fmt: skip
def test_a_fault_concerns_the_endpoints_that_it_touches(
    configs: Path, old: str, new: str, names: set[str], message: str
) -> None:
    """Said with the key as it is in the file; the others are read, and whom it may concern is not withdrawn."""
    path = edit(configs, old, new)
    found = kept(configs)

    assert set(found.faults) == names
    assert set(found.endpoints) == {"hlm", "logd", "ppb", "rlm"} - {each.lower() for each in names}
    assert all(each.startswith(f"{path}: ") for each in found.faults.values())
    if "overrides" not in message:
        assert all(message in each for each in found.faults.values()), found.faults
    assert len(found.broken) == len({re.sub(r"endpoints\.\w+", "", each) for each in found.broken})
    assert all(any(each in warning for warning in found.warnings) for each in found.broken)


def test_a_name_in_two_files_is_nobody_s(configs: Path) -> None:
    """Neither is taken, both files are named, and the rest continues; a rename of the file changes nothing."""
    edit(configs, "  logd: ", "  ppb: ")
    found = kept(configs)

    wide, one = (configs / "endpoints" / f"{name}.yaml" for name in ("wide", "ppb"))
    assert found.faults == {"ppb": f"{wide}: the name 'ppb' is already taken by {one}"}
    assert set(found.endpoints) == {"hlm", "rlm"}


def test_one_is_read_whatever_is_at_fault_with_others(configs: Path) -> None:
    """By its name alone; one that does not exist is answered with those that do."""
    edit(configs, "{value_column: HLM}", "{valu_column: HLM}")
    (configs / "endpoints" / "broken.yaml").write_text("name: [", encoding="utf-8")

    assert read_endpoint(configs, "rlm").split.folds == 4
    with pytest.raises(ConfigError, match=r"wide\.yaml: endpoints\.hlm\.source\.valu_column"):
        read_endpoint(configs, "hlm")
    with pytest.raises(ConfigError, match="expected one of broken, hlm, logd, ppb, rlm, got 'wide'"):
        endpoint_file(configs, "wide")
    assert set(read_endpoints(configs / "endpoints", {"rlm", "ppb"}).require().endpoints) == {"rlm", "ppb"}


def test_what_a_search_found_is_written_to_the_endpoint(configs: Path) -> None:
    """Below its own name, with every comment in its place."""
    path = configs / "endpoints" / "wide.yaml"
    write_overrides(path, "rlm", "rf", {"n_estimators": 7})

    found = load_configs(configs)
    assert {name: each.overrides for name, each in found.endpoints.items() if each.overrides} == {
        "rlm": {"rf": {"n_estimators": 7}}
    }
    comments = re.findall("#.*", path.read_text(encoding="utf-8"))
    assert comments == re.findall("#.*", WIDE)


def test_editors_are_told_the_same(configs: Path) -> None:
    """The JSON Schema takes what the reader takes, in both forms, and marks a misspelt key where it is."""
    schema = json.loads((ROOT / "configs" / "endpoint.schema.json").read_text(encoding="utf-8"))
    check = jsonschema.Draft202012Validator(schema)

    def faults() -> list[list[Any]]:
        files = (configs / "endpoints").glob("*.yaml")
        contents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
        return [list(each.absolute_path) for content in contents for each in check.iter_errors(content)]

    assert faults() == []
    edit(configs, "{folds: 4}", "{fold: 4}")
    assert faults() == [["endpoints", "rlm", "split"]]
