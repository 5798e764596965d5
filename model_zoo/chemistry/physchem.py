"""Physicochemical properties that chemists look for first, and the rules that are read off them.

Belongs here: numbers that are calculated from a structure by a published method, and rules with their published limits.
Does not belong here: what is predicted by a model, descriptors that models see (see `featurizers/`).
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from rdkit import Chem, RDConfig
from rdkit.Chem import QED, Crippen, Lipinski
from rdkit.Chem.rdMolDescriptors import (
    CalcFractionCSP3,
    CalcNumAromaticRings,
    CalcNumHBA,
    CalcNumHBD,
    CalcNumRotatableBonds,
    CalcTPSA,
    Properties,
)

from model_zoo.io.memory import give_back_memory


class Property(NamedTuple):
    """A calculated property."""

    name: str
    """Stable, for files."""
    title: str
    unit: str
    """`title` and `unit`: what people call it."""
    digits: int
    """How many decimals mean something."""
    method: str
    """How it is calculated."""
    value: float | None
    """Of one molecule; none where it cannot be calculated here."""

    @property
    def shown(self) -> str:
        """The value as it is shown."""
        return "" if self.value is None else f"{self.value:.{self.digits}f}"


class Limit(NamedTuple):
    """A limit of a rule: what it is about, and between what it must be; none where one side is open."""

    what: str
    low: float | None
    high: float | None

    def broken_by(self, value: float) -> str:
        """Say how a value breaks it; nothing where it does not.

        Examples
        --------
        >>> Limit("MW", None, 500).broken_by(612.7), Limit("MW", None, 500).broken_by(500)
        ('MW 612.7 > 500', '')
        """
        if self.high is not None and value > self.high:
            return f"{self.what} {value:.4g} > {self.high:g}"
        if self.low is not None and value < self.low:
            return f"{self.what} {value:.4g} < {self.low:g}"
        return ""


class Rule(NamedTuple):
    """A rule, and what a molecule breaks of it."""

    name: str
    source: str
    """`name` and `source`: whose rule it is."""
    broken: tuple[str, ...]
    """The numbers that are outside of its limits."""
    allowed: int
    """How many may."""

    @property
    def passed(self) -> bool:
        """Whether the molecule keeps the rule."""
        return len(self.broken) <= self.allowed


@dataclass(frozen=True)
class Physchem:
    """The properties of a molecule and the rules it keeps or breaks."""

    properties: tuple[Property, ...]
    rules: tuple[Rule, ...]


class Kind(NamedTuple):
    """What is known of a property before any molecule is; see `Property`."""

    name: str
    title: str
    unit: str
    digits: int
    method: str


KINDS = (
    Kind("mw", "MW", "g/mol", 1, "average molecular weight"),
    Kind("clogp", "cLogP", "", 2, "Wildman and Crippen (WLOGP)"),
    Kind("tpsa", "TPSA", "Å²", 1, "Ertl, nitrogen and oxygen"),
    Kind("hbd", "HBD", "", 0, "donors of hydrogen bonds"),
    Kind("hba", "HBA", "", 0, "acceptors of hydrogen bonds"),
    Kind("rotatable_bonds", "Rotatable bonds", "", 0, "RDKit's strict count, without amide and ester bonds"),
    Kind("fsp3", "Fsp³", "", 2, "share of carbons that are sp³"),
    Kind("aromatic_rings", "Aromatic rings", "", 0, "count"),
    Kind("qed", "QED", "", 2, "Bickerton, 0 to 1, higher is more like a drug"),
    Kind("sa_score", "SA score", "", 1, "Ertl and Schuffenhauer, 1 easy to 10 hard to make"),
)


def physchem(mol: Chem.Mol) -> Physchem:
    """Calculate the properties of a molecule, and judge it by the rules.

    Examples
    --------
    >>> found = physchem(Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O"))
    >>> [(each.title, each.shown) for each in found.properties[:3]]
    [('MW', '180.2'), ('cLogP', '1.31'), ('TPSA', '63.6')]
    >>> [(rule.name, rule.passed, rule.broken) for rule in found.rules if rule.broken]
    [('Lead-like', False, ('MW 180.2 < 250',))]
    """
    weight = float(Properties(["amw"]).ComputeProperties(mol)[0])
    logp, area = float(Crippen.MolLogP(mol)), float(CalcTPSA(mol))  # type: ignore[attr-defined]
    bonds = float(CalcNumRotatableBonds(mol))
    values = (
        weight, logp, area, float(CalcNumHBD(mol)), float(CalcNumHBA(mol)), bonds, float(CalcFractionCSP3(mol)),
        float(CalcNumAromaticRings(mol)), _qed(mol), _ease(mol),
    )  # fmt: skip
    properties = tuple(Property(*kind, value) for kind, value in zip(KINDS, values, strict=True))
    # Lipinski counts every nitrogen and oxygen, and every hydrogen on one.
    donors, acceptors = float(Lipinski.NHOHCount(mol)), float(Lipinski.NOCount(mol))  # type: ignore[attr-defined]
    rules = (
        _rule(
            "Lipinski", "Lipinski 1997, one exception allowed", 1,
            (Limit("MW", None, 500), weight), (Limit("cLogP", None, 5), logp),
            (Limit("NH and OH", None, 5), donors), (Limit("N and O", None, 10), acceptors),
        ),
        _rule("Veber", "Veber 2002", 0, (Limit("rotatable bonds", None, 10), bonds), (Limit("TPSA", None, 140), area)),
        _rule("Egan", "Egan 2000", 0, (Limit("cLogP", None, 5.88), logp), (Limit("TPSA", None, 131.6), area)),
        _rule(
            "Lead-like", "after Teague 1999, with the limits of SwissADME", 0,
            (Limit("MW", 250, 350), weight), (Limit("cLogP", None, 3.5), logp),
            (Limit("rotatable bonds", None, 7), bonds),
        ),
    )  # fmt: skip
    return Physchem(properties, rules)


def _rule(name: str, source: str, allowed: int, *limits: tuple[Limit, float]) -> Rule:
    return Rule(name, source, tuple(broken for limit, value in limits if (broken := limit.broken_by(value))), allowed)


def _qed(mol: Chem.Mol) -> float | None:
    try:
        return float(QED.qed(mol))  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001  RDKit raises various C++ exceptions
        return None


def _ease(mol: Chem.Mol) -> float | None:
    """Score how hard a molecule is to make; none where RDKit was installed without its contributed parts."""
    score = _scorer()
    try:
        return None if score is None else float(score(mol))
    except Exception:  # noqa: BLE001  the same
        return None


@cache
def _scorer() -> Callable[[Chem.Mol], float] | None:
    """Load RDKit's contributed module for the SA score, which is no part of its package."""
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = importlib.util.spec_from_file_location("_rdkit_sascorer", path) if path.is_file() else None
    if spec is None or spec.loader is None:
        return None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    with suppress(AttributeError):  # of another version, which keeps its scores otherwise
        module.readFragmentScores()
        vars(module)["_fscores"] = _Scores(module._fscores)  # noqa: SLF001  a dictionary of 68 MB, in each process
        give_back_memory()
    score: Callable[[Chem.Mol], float] = module.calculateScore
    return score


class _Scores:
    """The scores of 700,000 fragments, in two arrays of 11 MB."""

    def __init__(self, known: Mapping[int, float]) -> None:
        ids, scores = np.fromiter(known.keys(), dtype=np.int64), np.fromiter(known.values(), dtype=np.float64)
        order = np.argsort(ids)
        self._ids, self._scores = ids[order], scores[order]

    def get(self, fragment: int, otherwise: float) -> float:
        """Return the score of a fragment, as a dictionary does."""
        place = int(np.searchsorted(self._ids, fragment))
        known = place < len(self._ids) and self._ids[place] == fragment
        return float(self._scores[place]) if known else otherwise
