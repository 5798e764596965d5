"""What the command line says of predictions."""

from __future__ import annotations

import pytest

from ai_drug_assets.operations.predictions import as_text
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
