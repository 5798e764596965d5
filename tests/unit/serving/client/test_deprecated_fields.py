"""The field `domain` of a prediction warns where it is read, and nowhere else."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
import warnings
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, asdict, astuple, replace

import pandas as pd
import pytest

from ai_drug_assets.operations.predictions import as_json, as_text
from serving.client.answers import EndpointPrediction, MoleculeError, Note, Prediction, read
from serving.client.frames import with_predictions

SENT = {
    "value": -1.0, "unit": "log10 mol/L", "interval": [-2.0, 0.0], "similarity": 0.5, "domain": "outside",
    "standardised": "CCO", "champion": "gp-1", "model": "gp", "signature": "ab",
}  # fmt: skip


@pytest.fixture
def silent() -> Iterator[None]:
    """Make an error of every warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_reading_it_warns_and_names_what_to_use() -> None:
    """The warning is of the line that reads it, and the value is as it was."""
    one = read(EndpointPrediction, SENT)
    with pytest.warns(DeprecationWarning, match=r"`domain` is deprecated.* use `reliability`") as told:
        value = one.domain
    with pytest.warns(DeprecationWarning, match="reliability"):
        again = getattr(one, "domain")  # noqa: B009  as it is read by name

    assert (value, again) == ("outside", "outside")
    assert [each.filename for each in told] == [__file__]
    with pytest.raises(FrozenInstanceError):
        one.domain = "inside"  # type: ignore[misc]


@pytest.mark.usefixtures("silent")
def test_nothing_else_warns() -> None:
    """Making, printing, comparing, copying and serialising."""
    one = read(EndpointPrediction, SENT)
    other = replace(one, value=2.0)

    assert one == EndpointPrediction(-1.0, "log10 mol/L", (-2.0, 0.0), 0.5, "outside", "CCO", "gp-1", "gp", "ab")
    assert one != other
    assert one != replace(one, domain="inside")
    assert hash(one) == hash(copy.deepcopy(one))
    assert pickle.loads(pickle.dumps(one)) == copy.copy(one) == one  # noqa: S301  our own
    assert "domain='outside'" in repr(one)
    assert "domain='outside'" in pprint.pformat(one, width=40)
    assert (asdict(one)["domain"], astuple(one)[4]) == ("outside", "outside")


@pytest.mark.usefixtures("silent")
def test_the_project_does_not_read_it() -> None:
    """Tables say what they said, of champions with levels of reliability and of those without."""
    kinds: list[str | None] = [None, "low", "high"]
    rows = [Prediction(0, "CCO", {"a": replace(read(EndpointPrediction, SENT), reliability=kind)}) for kind in kinds]
    table = with_predictions(pd.DataFrame({"smiles": ["CCO"] * 3}), rows)
    printed = json.loads(json.dumps(as_json(rows)))

    assert table["a_flags"].tolist() == ["outside the domain", "low reliability", ""]
    assert printed["predictions"][0]["endpoints"]["a"]["domain"] == "outside"
    assert "notes" not in printed["predictions"][0]
    assert as_text(rows).count("gp-1") == 3


def test_notes_and_endpoints_without_a_value_are_told() -> None:
    """In a table and on the command line; an endpoint that has no value in any row has its columns nevertheless."""
    note, fault = Note("component-left-out", "left out: Cl"), MoleculeError("timeout", "b: took too long")
    estimate = replace(read(EndpointPrediction, SENT), reliability="medium", usual_error=0.5)
    rows = [Prediction(0, "CCO.Cl", {"a": estimate}, notes=[note], failed={"b": fault}), Prediction(1, "CCN")]
    table = with_predictions(pd.DataFrame({"smiles": ["CCO.Cl", "CCN"], "notes": ["mine", None]}), rows)
    printed = as_json(rows)["predictions"][0]
    text = as_text(rows)

    assert table["prediction_notes"].tolist() == ["left out: Cl; b: took too long", None]
    assert table["notes"].tolist() == ["mine", None]
    assert table["a_reliability"].tolist() == ["medium", None]
    assert table["a_usual_error"].dtype == "float64"
    assert table["b_flags"].tolist() == ["no value", "no value"]
    assert (printed["notes"], printed["failed"]) == ([asdict(note)], {"b": asdict(fault)})
    assert "no value: b: took too long" in text
    assert "note: left out: Cl" in text
