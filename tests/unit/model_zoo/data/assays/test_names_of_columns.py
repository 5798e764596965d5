"""What the name of a column says of the unit of its numbers: nothing wrong, rather nothing."""

from __future__ import annotations

import pytest

from model_zoo.data.assays.names_of_columns import is_no_measurement, unit_in


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


@pytest.mark.parametrize(
    "name",
    [
        "cLogD7.4", "XLogP3", "SlogP", "MolLogP", "NumHAcceptors", "NumRotatableBonds", "FractionCSP3",
        "Chiral centers", "Amount (mg)", "Formal charge", "Docking score", "CNS MPO",
        "Z-factor", "Curve Class2", "IC50 lower", "EC50_upper",
        "Ki max", "LE", "LipE", "nH", "Top", "Rank", "Lot", "Vial", "Tanimoto", "Yield (%)", "model prediction", "m/z",
    ],
)  # fmt: skip
def test_what_a_file_holds_beside_measurements_is_none(name: str) -> None:
    """Descriptors, fits, bookkeeping: each became an endpoint of its own."""
    assert is_no_measurement(name)


@pytest.mark.parametrize(
    "name",
    [
        "IC50", "max inhibition", "Emax (%)", "Cmax", "half-life", "LogD", "logD7.4", "pKa", "hERG", "Ki", "Tm shift",
        "Position effect", "amount remaining", "runaway", "NH2-terminal activity", "surcharge", "allotment",
    ],
)  # fmt: skip
def test_a_measurement_is_not_excluded_for_a_part_of_its_name(name: str) -> None:
    """A word that only begins or ends like one of those."""
    assert not is_no_measurement(name)
