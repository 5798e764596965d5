"""Assays of one programme in files of their own: that they share compounds is said once their snapshots are there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ai_drug_assets.operations.shared_compounds import warnings
from ai_drug_assets.planning.catalog import load_catalog
from ai_drug_assets.planning.remains import place_of
from ai_drug_assets.settings import Settings

Make = Callable[..., list[str]]
MODEL = "name: naive\ndescription: A model.\nfeatures: [descriptors]\n"
A, B, C = range(100), range(40, 160), range(155, 400)


@pytest.fixture
def said(tmp_path: Path) -> Make:
    """Return what makes endpoints of files with these compounds, and gives the warnings about them."""
    (tmp_path / "configs" / "models").mkdir(parents=True)
    (tmp_path / "configs" / "models" / "naive.yaml").write_text(
        "name: naive\ndescription: A.\nfeatures: [descriptors]\n"
    )

    def write(folder: str, name: str, content: Mapping[str, object]) -> None:
        path = tmp_path / "configs" / folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def make(groups: Mapping[str, Collection[str]] | None = None, **endpoints: Collection[int] | None) -> list[str]:
        for name in endpoints:
            (tmp_path / f"{name}.csv").write_text("smiles,value\nCCO,1\n", encoding="utf-8")
            content = {"name": name, "title": name, "description": name, "task": "regression", "unit": "atoms"}
            source = {"kind": "csv", "files": [f"{name}.csv"]}
            rest = {"source": source, "split": {"kind": "random"}, "champion": {"metric": "rmse"}}
            write("endpoints", name, content | rest)
        for name, members in (groups or {}).items():
            write("groups", name, {"name": name, "endpoints": list(members)})
        home = tmp_path / "home"
        catalog = load_catalog(
            Settings(tmp_path, Settings.from_env({}).code_root, tmp_path / "configs", home, "", "", "")
        )
        for name, compounds in endpoints.items():
            place = place_of(home, catalog.nodes[f"dataset/{name}"])
            place.mkdir(parents=True)
            if compounds is None:
                (place / "table.parquet").write_bytes(b"PAR1 and no more")
            else:
                pd.DataFrame({"inchikey": [f"K{each}" for each in compounds]}).to_parquet(place / "table.parquet")
        return warnings(catalog)

    return make


def test_files_that_share_compounds_are_named_together(said: Make) -> None:
    """One sentence for all that are linked, and none for an assay of other compounds or an unreadable snapshot."""
    (line,) = said(logd=A, hlm=B, mdck=range(60), herg=C, broken=None)
    assert line.startswith("hlm, logd, mdck share compounds, and no joint model learns from them")
    assert "configs/groups/<name>.yaml" in line


def test_a_group_that_is_there_is_named(said: Make) -> None:
    """An assay that comes later belongs into the group of the others."""
    (line,) = said({"programme": ["logd", "hlm"]}, logd=A, hlm=B, mdck=range(60))
    assert line.startswith("mdck share compounds with the group programme")
    assert "groups/programme.yaml" in line


@pytest.mark.parametrize(
    ("groups", "endpoints"),
    [
        ({"programme": ["logd", "hlm"]}, {"logd": A, "hlm": B}),
        ({}, {"logd": range(49), "hlm": range(49)}),  # too few for a joint model
        ({}, {"logd": range(1000), "hlm": range(800, 2000)}),  # drugs that two collections have in common
        ({}, {"solubility_logs": A, "bbb_permeability": A}),  # embedded examples, of different labs
        ({"one": ["a", "b"], "two": ["c", "d"]}, dict.fromkeys("abcd", A)),  # apart because somebody wants it
        ({}, {"logd": A}),
    ],
)
def test_nothing_is_said_without_a_reason(
    said: Make, groups: Mapping[str, list[str]], endpoints: Mapping[str, range]
) -> None:
    """A warning that is always there is read by nobody."""
    assert said(groups, **endpoints) == []
