"""What the name of a column says of the unit of its numbers: nothing wrong, rather nothing."""

from __future__ import annotations

import pytest

from model_zoo.data.assays.names_of_columns import unit_in


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        *((name, "log10 mol/L") for name in ("logS (mol/L)", "LogS [mol/L]", "LOGS (mol/L)", "log S (mol/l)")),
        *(
            (name, "log10 nM")
            for name in ("logIC50 (nM)", "Log IC50 (nM)", "log10IC50 [nM]", "log(IC50) (nM)", "lgKi nM")
        ),
        *((name, "pIC50") for name in ("-log10 IC50 (M)", "\u2212log IC50 (M)", "neg log IC50 (mol/L)", "-logIC50")),
        *((name, "pKi") for name in ("pKi", "-logKi", "negative_log_Ki (M)")),
        *((name, "%") for name in ("% inhibition", "CYP3A4 % remaining", "hERG_pct_inhibition", "HSA percent bound")),
        *((name, "") for name in ("inhibition at 10 uM", "percentile rank", "80% confluence")),
        # A logarithm of another base or sign has no unit here: the owner of the file is asked.
        *((name, "") for name in ("-log IC50 (nM)", "neg log EC50 [uM]", "-logS (mol/L)", "ln Ki (nM)", "lnKi (nM)")),
        # Words that only begin or end like one.
        *(
            (name, "nM")
            for name in ("catalog (nM)", "Logan score (nM)", "analog IC50 (nM)", "LOGISTICS (nM)", "Inlet (nM)")
        ),
    ],
)
def test_a_logarithm_is_one_with_its_sign_and_base(name: str, unit: str) -> None:
    """However it is written, and never by half a word."""
    assert unit_in(name)[0] == unit
