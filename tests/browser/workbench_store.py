"""A bundle store for tests of the tools beside the results: matched pairs, and endpoints a score can be made of."""

from __future__ import annotations

from pathlib import Path

from model_zoo.bundles.matched_pairs import Change, Differences, MatchedPairs
from model_zoo.bundles.store import FolderStore
from model_zoo.chemistry.single_cuts import HYDROGEN
from model_zoo.uncertainty.calibration import ProbabilityRule
from model_zoo.uncertainty.fit import Uncertainty
from tests.bundle_factory import publish

PAIRS = MatchedPairs(
    (
        Change("C[*:1]", HYDROGEN, "c(cc)", 68, 0.58, 0.395, 0.69, 63, 5),
        Change("Cl[*:1]", HYDROGEN, "c(cc)", 108, 0.775, 0.55, 1.03, 103, 5),
        Change("O[*:1]", HYDROGEN, "c(cc)", 11, -0.6, -0.9, -0.3, 2, 9),
    ),
    Differences(240, 0.3, 0.9, 1.6),
)
"""Of solubility: a methyl group and chlorine make it worse, a hydroxyl group makes it better."""


def fill_workbench(store: FolderStore, folder: Path) -> None:
    """Publish solubility with matched pairs, a probability, and a clearance that is learnt as a logarithm."""
    publish(
        store, folder / "a", endpoint="solubility_logs", onnx_bias=-1.0, title="Aqueous solubility",
        desirable={"low": -4, "margin": 2}, explained=True, matched_pairs=PAIRS,
    )  # fmt: skip
    publish(
        store, folder / "b", endpoint="herg", onnx_bias=0.1, onnx_weights=(0.002, 0.0, 0.0), binary=True,
        direction="lower", title="hERG inhibition", explained=True,
        trust=Uncertainty(probability=ProbabilityRule(slope=2.0, intercept=-0.5, threshold=0.4, margins=((0.3, 0.3),))),
    )  # fmt: skip
    publish(
        store, folder / "c", endpoint="potency", onnx_bias=9.0, onnx_weights=(-0.01, 0.3, 0.0), title="Potency",
        unit="pIC50", display_unit="nM",
    )  # fmt: skip
