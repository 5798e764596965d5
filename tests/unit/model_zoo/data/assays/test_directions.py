"""Which way a property is wanted: a wrong guess turns criteria, colours and suggestions round."""

from __future__ import annotations

import pytest

from model_zoo.data.assays.directions import direction_of


@pytest.mark.parametrize(
    ("direction", "unit", "names"),
    [
        ("lower", "unknown", ("HLM CLint", "MDR1-MDCK ER", "LOG MDR1-MDCK ER (B-A/A-B)", "Caco-2 Permeability Efflux")),
        ("lower", "%", ("hERG inhibition at 10 uM", "CYP3A4 inhibition", "cytotoxicity")),
        ("lower", "probability", ("AMES", "hERG blocker", "Pgp substrate", "DILI", "NR-toxicity")),
        ("lower", "pIC50", ("hERG", "CYP2D6 IC50", "cytotoxicity IC50")),
        ("lower", "pCC50", ("CC50",)),
        ("lower", "pLD50", ("LD50", "pLD50")),
        # What it takes for an unwanted effect: the more, the safer.
        ("higher", "uM", ("CC50", "Cytotoxicity CC50", "hERG", "CYP3A4", "TD_50", "LC50")),
        ("higher", "mg/kg", ("LD50", "Acute toxicity LD50")),
        ("higher", "log10 uM", ("CC50",)),
        # What is measured counts before what it is measured on.
        ("higher", "min", ("HLM CLint half-life", "CYP stability t1/2", "t1_2_plasma", "hepatocyte T1/2", "t½")),
        ("higher", "unknown", ("hERG safety margin", "CYP3A4 % remaining", "selectivity over hERG", "hERG window")),
        ("higher", "10-6 cm/s", ("MDR1-MDCKII Papp A-B", "MDCK-MDR1 permeability", "Caco-2 Papp A>B", "papp_a_b")),
        ("higher", "%", ("PPB fu", "fu_plasma", "HIA", "bioavailability")),
        ("higher", "pIC50", ("ER alpha IC50", "pIC50 (SARS-CoV-2 Mpro)")),
        # Not known: nobody's wish is invented.
        ("none", "10-6 cm/s", ("Papp B-A", "Papp B>A", "MDCK Papp B to A")),
        ("none", "ppm", ("LD50", "LC50", "CYP3A4 residue")),
        ("none", "pmol/min/mg", ("CYP3A4 turnover", "toxin")),
        ("none", "unknown", ("MDR1-MDCKII", "hERG", "CYP3A4", "James-1", "x")),
        ("none", "%", ("hERG % control", "cell viability", "cytotoxicity, viability")),
        ("none", "probability", ("AMES negative", "non-toxic", "CYP2D6 non-inhibitor", "hERG inactive")),
    ],
)
def test_a_direction_is_right_or_open(direction: str, unit: str, names: tuple[str, ...]) -> None:
    """By the kind of the measurement, its target and its unit."""
    assert {name: direction_of(name, "", unit) for name in names} == dict.fromkeys(names, direction)


def test_the_name_of_the_file_counts_for_anti_targets() -> None:
    """A column in it is often called by its quantity alone."""
    assert [direction_of("pIC50", "hERG_2025", "pIC50"), direction_of("IC50", "cyp", "uM")] == ["lower", "higher"]
