"""What the command line says of predictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_drug_assets.operations.predictions import as_text, predict_file
from model_zoo.errors import AidrugError
from serving.client.answers import EndpointPrediction, Prediction


@pytest.mark.parametrize(
    ("reliability", "usual", "expected"),
    [
        ("high", 0.4, "about 90 % interval -2.00 to 0.00  high"),
        ("low", None, "perhaps -2.00 to 0.00  low"),
        (None, None, "90 %"),
    ],
)
def test_an_interval_promises_no_share_where_no_error_is_known(
    reliability: str | None, usual: float | None, expected: str
) -> None:
    """Beyond what was measured nobody knows how often an interval holds; earlier services say nothing of it."""
    one = EndpointPrediction(
        -1.0,
        "log10 mol/L",
        (-2.0, 0.0),
        0.5,
        "inside",
        "CCO",
        "gp-1",
        "gp",
        "",
        reliability=reliability,
        usual_error=usual,
    )

    assert expected in as_text([Prediction(0, "CCO", {"solubility_logs": one})])


def test_a_small_number_beside_a_large_one_is_not_zero() -> None:
    """Two decimals would make 0.0004 nM of an interval up to 0.2 nM nothing at all."""
    one = EndpointPrediction(0.0004, "nM", (0.00001, 0.2), 0.5, "inside", "CCO", "gp-1", "gp", "")
    text = as_text([Prediction(0, "CCO", {"ic50": one})])
    assert "0.0004 nM" in text
    assert "1e-05 to 0.2" in text


def test_a_result_does_not_replace_the_file_that_it_is_made_of(tmp_path: Path) -> None:
    """Said before anything is predicted, whatever the file is called."""
    (tmp_path / "a.csv").write_text("smiles\nCCO\n")
    (tmp_path / "b.csv").symlink_to("a.csv")
    with pytest.raises(AidrugError, match="expected another file than"):
        predict_file("http://127.0.0.1:9", tmp_path / "a.csv", tmp_path / "b.csv")
