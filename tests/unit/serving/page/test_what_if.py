"""What if: one model answers for both, nothing measured is shown that may not be, and words say what is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from model_zoo.bundles.matched_pairs import Change, MatchedPairs
from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.single_cuts import HYDROGEN
from model_zoo.data.targets import Target
from serving.app import create_app
from serving.champions.champion_registry import Champion
from serving.page.what_if import change_words, suggested
from serving.settings import Settings
from tests.browser.workbench_store import PAIRS, fill_workbench
from tests.bundle_factory import publish, write


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """Yield a service whose solubility has matched pairs."""
    folder = tmp_path_factory.mktemp("what_if")
    store = FolderStore(folder / "store")
    fill_workbench(store, folder)
    with TestClient(create_app(Settings(poll_seconds=0.02), store)) as client:
        yield client


def changed(client: TestClient[Any], before: str, after: str) -> str:
    """Ask what a change does, as text in one line."""
    answer = client.post("/page/what-if", data={"smiles": before, "changed": after})
    assert answer.status_code == 200
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", answer.text, flags=re.DOTALL).split())


def test_both_values_are_those_of_the_api(client: TestClient[Any]) -> None:
    """Before and after are what each molecule gets alone, and the change is their difference."""
    values = [
        each["endpoints"]["solubility_logs"]["value"]
        for each in client.post("/v1/predict", json={"smiles": ["Cc1ccccc1", "OCCO"]}).json()["predictions"]
    ]
    page = changed(client, "Cc1ccccc1 toluene", "OCCO").replace("\N{MINUS SIGN}", "-")

    assert f"{values[0]:.2f}" in page
    assert f"{values[1]:.2f}" in page
    assert f"+{values[1] - values[0]:.2f}" in page


def test_how_wrong_a_difference_is_is_told_for_matched_pairs_alone(client: TestClient[Any]) -> None:
    """It was measured for changes at one place: of another change, and of a model without pairs, that is said."""
    pair, other = changed(client, "Cc1ccccc1", "Oc1ccccc1"), changed(client, "Cc1ccccc1", "C1CCNCC1")

    assert "was off by 0.9 log units or less: this may be no change at all" in pair
    assert "was measured for changes at one place only, and this is another change" in other
    assert "was not measured for this model" in pair


def test_configurations_that_a_model_does_not_tell_apart_are_named(client: TestClient[Any]) -> None:
    """Of enantiomers the change is none because of the model, which is said; an equal structure is no change."""
    twins, same = changed(client, "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"), changed(client, "CCO", "OCC")

    assert twins.count("does not distinguish these configurations") == 3
    assert "does not distinguish" not in same
    assert "Nothing is changed yet" in same
    assert "<table" not in same


def test_bad_structures_are_told_and_nothing_crashes(client: TestClient[Any]) -> None:
    """A fault on either side is a sentence; nothing at all is a clear refusal."""
    assert "Not predicted. C1CC: This is not a SMILES" in changed(client, "CCO", "C1CC")
    assert "Not predicted" in changed(client, "nonsense", "CCO")
    empty = client.post("/page/what-if", data={"smiles": "CCO", "changed": " "})
    gone = client.post("/page/suggestions", data={"smiles": "CCO", "endpoint": "gone"})
    assert (empty.status_code, gone.status_code) == (422, 404)
    assert "changed: expected one structure" in empty.json()["detail"]


def test_suggestions_are_made_of_what_was_measured(client: TestClient[Any]) -> None:
    """Only changes that moved the value the wanted way, each a molecule with the change made, with count and unit."""
    text = client.post("/page/suggestions", data={"smiles": "Clc1ccccc1", "endpoint": "solubility_logs"}).text
    made = re.findall(r'class="tool try" data-smiles="([^"]+)"', text)

    assert made[0] == "c1ccccc1"  # chlorine away: the best of them
    assert set(made[1:]) == {"Oc1ccc(Cl)cc1", "Oc1cccc(Cl)c1"}
    assert "108 pairs" in text
    assert "log10 mol/L" in text


def test_measured_effects_are_shown_only_where_measured_values_are(tmp_path: Path) -> None:
    """A service that shows no neighbours suggests nothing, and says so."""
    store = FolderStore(tmp_path / "store")
    publish(store, tmp_path / "a", endpoint="solubility_logs", onnx_bias=-1.0, matched_pairs=PAIRS)
    with TestClient(create_app(Settings(poll_seconds=0.02, show_neighbours=False), store)) as client:
        text = client.post("/page/suggestions", data={"smiles": "Clc1ccccc1", "endpoint": "solubility_logs"}).text

    assert "does not show what was measured" in text
    assert "pairs" not in text


@pytest.mark.parametrize(
    ("direction", "expected"), [("higher", {"away"}), ("lower", {"back"}), ("none", {"away", "back"})]
)
def test_the_direction_decides_what_is_suggested(tmp_path: Path, direction: str, expected: set[str]) -> None:
    """Up, down, or either way where the endpoint wants nothing; a change that scatters around none is not suggested."""
    pairs = MatchedPairs(
        (
            Change("Cl[*:1]", HYDROGEN, "c(cc)", 9, 0.5, 0.2, 0.8, 8, 1),
            Change("O[*:1]", HYDROGEN, "c(cc)", 9, 0.5, -0.2, 0.8, 5, 4),
        ),
        None,
    )
    manifest = write(tmp_path / "a", matched_pairs=pairs, direction=direction).manifest
    made = dict(suggested(pairs, manifest, "Clc1ccccc1O"))

    assert {"away" if change.after == HYDROGEN else "back" for change in made.values()} == expected
    assert ("Oc1ccccc1" in made) == ("away" in expected)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unit": "log10 mol/L"}, "+0.50"),
        ({"unit": "pIC50", "display_unit": "nM"}, "\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}0.32"),
        ({"unit": "mL/min", "target": Target(task="regression", transform="log10")},
         "\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}3.2"),
        ({"unit": "%", "target": Target(task="regression", transform="logit", lower=0.0, upper=100.0)}, "+12.32"),
    ],
)  # fmt: skip
def test_a_step_is_told_in_the_unit_that_people_read(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    """A difference where values add, a factor where amounts span decades, and of a share what it is from there on."""
    champion = Champion(write(tmp_path / "a", **fields))
    start = 50.0 if fields["unit"] in ("%", "mL/min") else 6.0

    assert change_words(champion, start, 0.5) == words
    assert not re.search(r"[+-]0\.00", change_words(champion, float(np.nextafter(start, 0)), -0.5))


@pytest.mark.parametrize(
    ("fields", "start", "step", "words"),
    [
        ({"unit": "mg", "target": Target(task="regression", lower=0, upper=1)}, 0.0, -0.58, "\N{MINUS SIGN}0.58"),
        ({"unit": "mg", "target": Target(task="regression", lower=0, upper=1)}, 1.0, 0.78, "+0.78"),
        ({"unit": "pIC50", "display_unit": "nM", "target": Target(task="regression", upper=9)}, 9.0, 1.0,
         "\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}0.1"),
    ],
    ids=["lower", "upper", "shown"],
)  # fmt: skip
def test_a_bound_of_predictions_cuts_no_measured_difference(
    tmp_path: Path, fields: dict[str, Any], start: float, step: float, words: str
) -> None:
    """What pairs showed is the same where a prediction is at the bound."""
    assert change_words(Champion(write(tmp_path / "a", **fields)), start, step) == words
