"""What the client is given: lists of any kind, a text that is no list, and tables as people have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from serving.client import Client
from serving.client.answers import EndpointPrediction, MoleculeError, Prediction
from serving.client.frames import texts_of, with_predictions

NOWHERE = Client("http://127.0.0.1:9", retries=0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: NOWHERE.predict("CCO"),
        lambda: NOWHERE.predict(["CCO"], endpoints="solubility_logs"),
        lambda: NOWHERE.submit("CCO"),
        lambda: NOWHERE.submit(["CCO", "CCN"], ids="ab"),
        lambda: NOWHERE.submit(["CCO"], endpoints="solubility_logs"),
        lambda: NOWHERE.suggestion("a", endpoints="solubility_logs"),
        lambda: NOWHERE.predict_frame(pd.DataFrame({"smiles": ["CCO"]}), endpoints="solubility_logs"),
    ],
)
def test_one_text_is_no_list(call: Callable[[], object]) -> None:
    """`CCO` would be predicted as methane, methane and water."""
    with pytest.raises(TypeError, match=r"expected a list of texts, got the text '.*': write \['"):
        call()


def test_a_column_of_a_table_may_hold_anything() -> None:
    """What is missing is empty, whatever it is marked by; what is no text is refused by its own name."""
    mol = Chem.MolFromSmiles("CCO")
    cells: list[Any] = ["CCO", None, float("nan"), pd.NA, pd.NaT, 5, mol, np.str_("CCN")]
    texts = texts_of(pd.DataFrame({"smiles": pd.Series(cells, dtype="object")}), "smiles")
    assert texts[:6] == ["CCO", "", "", "", "", "5"]
    assert "rdkit" in texts[6].lower()
    assert texts[7] == "CCN"
    for kind in ("category", "string"):
        assert texts_of(pd.DataFrame({"smiles": pd.Series(["CCO", None], dtype=kind)}), "smiles") == ["CCO", ""]


def test_a_table_has_the_columns_that_were_asked_for() -> None:
    """Also where no molecule has a value, and where there is none: tables of one kind can be joined."""
    bad = Prediction(0, "x", error=MoleculeError("invalid-smiles", "no"))
    good = Prediction(0, "CCO", {"a": EndpointPrediction(1.0, "u", None, 1.0, "inside", "CCO", "v", "m", "s")})
    frame = pd.DataFrame({"smiles": ["x", "y"]}, index=[7, 7])
    none = with_predictions(frame, [bad, bad], ["a"])
    empty = with_predictions(frame.iloc[:0], [], ["a"])
    some = with_predictions(frame, [bad, good], ["a"])
    assert list(none.columns) == list(empty.columns) == list(some.columns)
    assert none["a_value"].isna().all()
    assert none.index.tolist() == [7, 7]
    assert some["a_value"].tolist()[1] == 1.0
