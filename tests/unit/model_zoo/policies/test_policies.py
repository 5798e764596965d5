"""Versions of rules: each version says for ever what it said when it was new, and a bundle is served by its own.

Who could bring what: an upgrade of the rules under a champion that was trained by the ones before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from litestar.testing import TestClient
from rdkit import Chem

from ai_drug_assets.cli import aidrug
from ai_drug_assets.operations.earlier_rules import warnings
from ai_drug_assets.planning.plan import Plan
from model_zoo import featurizers, policies
from model_zoo.bundles.reader import load_bundle
from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry import molecules, similarity, structural_alerts
from model_zoo.chemistry.molecules import InvalidMolecule, Limits, Molecule, Standardise, parse_molecule
from model_zoo.chemistry.structural_alerts import Alert
from model_zoo.policies import Policies, newest, standardise, versions
from serving.app import create_app
from serving.settings import Settings
from tests.bundle_factory import publish

WEIGHTS = {"chemnet", "minimol"}
"""What they give comes from packages that hold their weights; `test_featurizers.py` holds them to some of it."""
RESULTS: dict[str, Any] = json.loads((Path(__file__).parent / "policy_results.json").read_bytes())


def parsed() -> list[Molecule]:
    """Return the molecules that results of featurizers and alerts are kept for."""
    found = [standardise(text, policy=1) for text in RESULTS["featurized"]]
    return [each for each in found if isinstance(each, Molecule)]


def test_the_newest_version_is_what_is_trained_with() -> None:
    """Curation reads by the modules themselves: the newest version is theirs, and every version has results."""
    assert policies.STANDARDISATIONS[max(policies.STANDARDISATIONS)] is molecules.parse_molecule
    assert policies.ALERTS[max(policies.ALERTS)] is structural_alerts.find_alerts
    assert sorted(policies.STANDARDISATIONS) == sorted(map(int, RESULTS["standardise"]))
    assert sorted(policies.ALERTS) == sorted(map(int, RESULTS["alerts"]))
    assert policies.SIMILARITIES[max(policies.SIMILARITIES)] is similarity.pack
    assert sorted(policies.SIMILARITIES) == sorted(map(int, RESULTS["similarity"]))
    named = [name for name in featurizers.names() if name not in WEIGHTS]
    blocks = [f"{name} {version}" for name in named for version in versions(name)]
    assert sorted(RESULTS["featurizers"]) == sorted(blocks), "a featurizer, or a version of one, has no results"


@pytest.mark.parametrize("version", RESULTS["standardise"])
def test_a_version_of_standardisation_never_changes(version: str) -> None:
    """Salts, charges, metals, radicals, tautomers: to the letter what it said when it was new."""
    for text, options in RESULTS["standardise"][version]:
        for tautomer, expected in zip((False, True), options, strict=True):
            got = standardise(text, Standardise(canonical_tautomer=tautomer), policy=int(version))
            assert (got.smiles if isinstance(got, Molecule) else f"! {got.code}") == expected, text


@pytest.mark.parametrize("version", RESULTS["alerts"])
def test_a_version_of_the_alerts_never_changes(version: str) -> None:
    """Names, catalogues and atoms."""
    for molecule, expected in zip(parsed(), RESULTS["alerts"][version], strict=True):
        found = policies.find_alerts(molecule.mol, policy=int(version))
        assert [[each.name, each.catalogue, list(each.atoms)] for each in found] == expected


@pytest.mark.parametrize("version", RESULTS["similarity"])
def test_a_version_of_similarity_never_changes(version: str) -> None:
    """To the bit: a bundle's own fingerprints are compared with new ones."""
    packed = policies.fingerprints(parsed(), policy=int(version))
    assert [row.tobytes().hex() for row in packed] == RESULTS["similarity"][version]


@pytest.mark.parametrize("block", RESULTS["featurizers"])
def test_a_version_of_a_featurizer_never_changes(block: str) -> None:
    """Width, sums and a weighted sum of every row, which distinguishes columns, to the precision between processors."""
    name, version = block.split()
    (found,) = Policies(featurizers={name: int(version)}).blocks([name])
    matrix = policies.featurizer(found).featurize(parsed()).astype(np.float64)
    expected = RESULTS["featurizers"][block]

    assert matrix.shape[1] == expected["width"]
    np.testing.assert_allclose(matrix.sum(axis=1), expected["sums"], rtol=1e-4, atol=1e-3)
    weights = np.cos(np.arange(matrix.shape[1]))
    np.testing.assert_allclose(np.abs(matrix) @ weights, expected["weighted"], rtol=1e-3, atol=1e-2)


def mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the rules: every molecule gets a carbon more, and everything is an alert."""

    def parse(
        smiles: str, options: Standardise | None = None, limits: Limits | None = None
    ) -> Molecule | InvalidMolecule:
        return parse_molecule("C" + smiles, options, limits)

    def find(mol: Chem.Mol) -> tuple[Alert, ...]:
        return (Alert("anything", "PAINS", (0,)),)

    now = max(policies.STANDARDISATIONS)
    monkeypatch.setattr(policies, "STANDARDISATIONS", {**policies.STANDARDISATIONS, now + 1: parse})
    monkeypatch.setattr(policies, "ALERTS", {1: structural_alerts.find_alerts, 2: find})


def test_mended_rules_reach_a_champion_with_its_next_training_and_not_at_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier bundle replays, predicts and finds alerts as before, beside one that was made by the new rules."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "old", endpoint="old", onnx_bias=0.0)
    now = max(policies.STANDARDISATIONS)
    mend(monkeypatch)
    new = publish(store, tmp_path / "new", endpoint="new", onnx_bias=0.0)

    assert load_bundle(store.fetch_bundle("new", new)).manifest.policies.standardise == now + 1
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        client.base_url = "http://127.0.0.1:8000"
        body = {"smiles": ["CCO"], "include": ["alerts"]}
        both = client.post("/v1/predict", json=body).json()["predictions"][0]["endpoints"]
        (one,) = client.post("/v1/predict", json={**body, "endpoints": ["old"]}).json()["predictions"]
        (other,) = client.post("/v1/predict", json={**body, "endpoints": ["new"]}).json()["predictions"]
        state = client.get("/health/ready").json()["endpoints"]
        metrics = client.get("/metrics").text
        page = client.get("/operations").text

    assert both["old"]["value"] == pytest.approx(linear("CCO"), abs=1e-4)
    assert both["new"]["value"] == pytest.approx(linear("CCCO"), abs=1e-4)
    assert (both["old"]["standardised"], both["new"]["standardised"]) == ("CCO", "CCCO")
    assert (one["alerts"], [each["name"] for each in other["alerts"]]) == ([], ["anything"])
    assert state["old"]["earlier_rules"] == [f"standardisation {now}", "alerts 1"]
    assert state["new"]["earlier_rules"] == []
    assert 'aidrug_earlier_rules{endpoint="old"} 2.0' in metrics
    assert 'aidrug_earlier_rules{endpoint="new"} 0.0' in metrics
    assert f"standardisation {now}, alerts 1" in page


def test_a_preview_reads_as_the_champions_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by newer rules that nothing was trained with; where nothing serves, by the newest."""
    store, empty = FolderStore(tmp_path / "store"), FolderStore(tmp_path / "empty")
    publish(store, tmp_path / "old", endpoint="old")
    mend(monkeypatch)
    pages = []
    for place in (store, empty):
        with TestClient(create_app(Settings(poll_seconds=0.02), place), base_url="http://127.0.0.1:8000") as client:
            pages.append(client.post("/page/preview", data={"smiles": "CCO"}, headers={"X-Fragment": "preview"}).text)

    assert "C2H6O," in pages[0]
    assert "C3H8O," in pages[1]


def test_the_plan_warns_of_champions_that_are_served_by_earlier_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names each with its rules, for people and machines; it is no reason to train, and no store is no fault."""
    monkeypatch.setenv("AIDRUG_HOME", str(tmp_path / "home"))
    store = FolderStore(tmp_path / "home" / "store")
    publish(store, tmp_path / "old", endpoint="old", onnx_bias=0.0)
    now = max(policies.STANDARDISATIONS)
    assert warnings(store) == []
    mend(monkeypatch)
    publish(store, tmp_path / "new", endpoint="new", onnx_bias=0.0)

    (warning,) = warnings(store)
    assert warning.startswith(f"old is served by earlier rules (standardisation {now}, alerts 1): train it again")
    result = CliRunner().invoke(aidrug, ["plan"])
    assert result.exit_code == 2
    assert f"warning  {warning}\n" in result.output
    plan = Plan((), (), (warning,))
    assert plan.only([]).as_json()["warnings"] == [warning]
    assert f"Warning: {warning}." in plan.as_markdown()
    (store.root / "current.json").unlink()
    (warning,) = warnings(store)
    assert warning.startswith(
        "the rules by which champions are served cannot be read: the pointer current.json is gone"
    )


def linear(smiles: str) -> float:
    """Return what the linear model of the factory says of a molecule as it is written."""
    X = featurizers.featurize(["descriptors"], [Molecule(smiles, Chem.MolFromSmiles(smiles))])
    return float(X[0, :3].astype(np.float64) @ np.array([-0.005, -0.4, 0.01]))


def test_an_earlier_featurizer_is_found_by_its_version_and_named_for_the_operator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A frozen copy makes the module itself the next version; a bundle's record says which one it reads."""
    monkeypatch.setattr(policies, "versions", lambda name: (1, 2) if name == "erg" else (1,))
    newest_rules = {"standardise": max(policies.STANDARDISATIONS), "similarity": max(policies.SIMILARITIES)}
    rules = Policies(**newest_rules, featurizers={"erg": 1, "tokens": 1})

    assert rules.blocks(["erg", "tokens"]) == ("erg@1", "tokens")
    assert rules.earlier(["erg", "tokens"]) == ("erg 1",)
    assert newest(["erg"]).blocks(["erg"]) == ("erg",)
    assert newest(["erg"]).earlier(["erg"]) == ()
