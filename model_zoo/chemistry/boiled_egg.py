"""The BOILED-Egg: absorption from the gut and passage into the brain, read off two calculated properties.

Source: Daina and Zoete, ChemMedChem 2016, 11, 1117: molecules within the white are likely absorbed, those within the
yolk likely pass into the brain, as far as that is passive. The ellipses have the published coefficients, of the polar
surface with sulphur and phosphorus (TPSA, Å²) and Wildman and Crippen's logP (WLOGP).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import Crippen
from rdkit.Chem.rdMolDescriptors import CalcTPSA


class Ellipse(NamedTuple):
    """An ellipse: its centre, its two whole axes, and how far it is turned, in degrees against the clock."""

    x: float
    y: float
    width: float
    height: float
    angle: float

    def contains(self, x: float, y: float) -> bool:
        """Return whether a point is within it.

        Examples
        --------
        >>> WHITE.contains(71.0, 2.3), WHITE.contains(150.0, 2.3), YOLK.contains(20.0, 3.0), YOLK.contains(20.0, -0.5)
        (True, False, True, False)
        """
        turn = math.radians(self.angle)
        right, up = x - self.x, y - self.y
        along = (right * math.cos(turn) + up * math.sin(turn)) / (self.width / 2)
        across = (-right * math.sin(turn) + up * math.cos(turn)) / (self.height / 2)
        return along**2 + across**2 <= 1.0

    def outline(self, points: int = 72) -> list[tuple[float, float]]:
        """Return points on it, evenly by angle."""
        turn = math.radians(self.angle)
        places = []
        for number in range(points):
            at = 2 * math.pi * number / points
            along, across = self.width / 2 * math.cos(at), self.height / 2 * math.sin(at)
            places.append(
                (
                    self.x + along * math.cos(turn) - across * math.sin(turn),
                    self.y + along * math.sin(turn) + across * math.cos(turn),
                )
            )
        return places


WHITE = Ellipse(71.051, 2.292, 142.081, 8.740, -1.031325)
"""Where molecules are likely absorbed from the gut."""
YOLK = Ellipse(38.117, 3.177, 82.061, 5.557, -0.171887)
"""Where they likely pass into the brain."""


def polar_surface(mol: Chem.Mol) -> float:
    """Return Ertl's polar surface with sulphur and phosphorus, in Å²: larger than the usual one where these are.

    Examples
    --------
    >>> round(polar_surface(Chem.MolFromSmiles("CS(C)=O")), 1)
    36.3
    """
    return float(CalcTPSA(mol, includeSandP=True))


def wlogp(mol: Chem.Mol) -> float:
    """Return Wildman and Crippen's logP."""
    return float(Crippen.MolLogP(mol))  # type: ignore[attr-defined]
