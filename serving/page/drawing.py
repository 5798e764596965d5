"""Structures as SVG, for light and dark pages and a strict content security policy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from markupsafe import Markup
from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D

WIDTH, HEIGHT = 300, 260
BOND = 34
"""Length of a bond in units of the drawing; large molecules are scaled down to fit."""
_STYLE = re.compile(r"style='([^']*)'")
_PROLOGUE = re.compile(r"<\?xml.*?\?>\s*|<!-- .*? -->\s*", re.DOTALL)
_NOISE = re.compile(
    r" ?(?:class='(?:bond|atom)-[^']*'|fill-rule='evenodd'|stroke-linecap='butt'|stroke-linejoin='miter'"
    r"|stroke-opacity='1')"
)
"""Attributes that say nothing a page needs: a third of RDKit's bytes."""
_SIZE = re.compile(r"width='\d+px' height='\d+px' ")
_CARBON = "#010203"
"""A colour that nothing else has, so that it can be exchanged for the page's own ink."""
# Middle tones: each reads on white and on near-black (contrast of 3 to 1 or more on both).
_PALETTE = {
    7: "#4477DD",
    8: "#DD4444",
    9: "#2E9E52",
    15: "#C4721A",
    16: "#A88A00",
    17: "#2E9E52",
    35: "#B5562F",
    53: "#9155C9",
}
FAINTEST = 0.06
"""Contributions below this share of the largest are not drawn: they would only be haze."""


@dataclass(frozen=True)
class Mark:
    """A disc behind an atom."""

    atom: int
    """Its place in the SMILES that is drawn."""
    kind: Literal["alert", "up", "down"]
    """What the style sheet colours it by."""
    strength: float = 1.0
    """How strong the colour is, 0 to 1."""


@lru_cache(maxsize=2048)
def structure_svg(smiles: str, marks: tuple[Mark, ...] = ()) -> Markup:
    """Draw a molecule, 300 x 260 units, transparent, carbon in the colour of the text around it.

    Parameters
    ----------
    smiles
        A SMILES that RDKit reads.
    marks
        Discs behind its atoms; places that the molecule does not have are passed over. Bonds between two atoms
        marked as `alert` are marked as well.

    Examples
    --------
    >>> svg = structure_svg("CCO", (Mark(2, "alert"),))
    >>> "currentColor" in svg, "style=" in svg, svg.count("<circle class='mark alert'")
    (True, False, 1)
    """
    mol = Chem.MolFromSmiles(smiles)
    drawer = rdMolDraw2D.MolDraw2DSVG(WIDTH, HEIGHT)
    options: Any = drawer.drawOptions()  # RDKit's stubs take every option for a whole set of options
    options.clearBackground = False
    options.bondLineWidth = 1.6
    options.padding = 0.06
    options.fixedBondLength = BOND
    ink = _rgb(_CARBON)
    options.updateAtomPalette(dict.fromkeys(range(120), ink) | {n: _rgb(tone) for n, tone in _PALETTE.items()})
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, mol)
    drawer.FinishDrawing()
    svg = _PROLOGUE.sub("", drawer.GetDrawingText())
    # The policy refuses style attributes; the same properties are allowed as attributes of their own.
    svg = _STYLE.sub(_as_attributes, svg).replace(_CARBON, "currentColor")
    svg = _SIZE.sub("aria-hidden='true' ", _NOISE.sub("", svg), count=1)
    head, end, rest = svg.partition(">")
    return Markup(head + end + _discs(drawer, mol, marks) + rest)  # noqa: S704  made by RDKit from a canonical SMILES


def contribution_marks(contributions: Sequence[float], largest: float | None = None) -> tuple[Mark, ...]:
    """Return the marks of what each atom adds to a prediction: `up` or `down`, as strong as its share of the largest.

    Parameters
    ----------
    contributions
        One per atom of the molecule, in the unit of the prediction.
    largest
        The size that gets the full colour; the largest among them when omitted.

    Examples
    --------
    >>> contribution_marks([0.5, -1.0, 0.0])
    (Mark(atom=0, kind='up', strength=0.5), Mark(atom=1, kind='down', strength=1.0))
    """
    largest = largest or max((abs(each) for each in contributions), default=0.0)
    if not largest:
        return ()
    return tuple(
        Mark(atom, "up" if each > 0 else "down", round(min(1.0, abs(each) / largest), 2))
        for atom, each in enumerate(contributions)
        if abs(each) >= FAINTEST * largest
    )


def _discs(drawer: Any, mol: Chem.Mol, marks: Sequence[Mark]) -> str:
    """Draw what is behind the structure, in the drawing's own coordinates."""
    marks = [mark for mark in marks if 0 <= mark.atom < mol.GetNumAtoms()]
    if not marks:
        return ""
    places = {atom: drawer.GetDrawCoords(atom) for atom in range(mol.GetNumAtoms())}
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    lengths = [(places[a] - places[b]).Length() for a, b in bonds]
    radius = 0.46 * (sum(lengths) / len(lengths) if lengths else BOND)
    alerted = {mark.atom for mark in marks if mark.kind == "alert"}
    parts = [
        f"<line class='mark alert' x1='{places[a].x:.1f}' y1='{places[a].y:.1f}' x2='{places[b].x:.1f}' "
        f"y2='{places[b].y:.1f}' stroke-width='{1.3 * radius:.1f}'/>"
        for a, b in bonds
        if a in alerted and b in alerted
    ]
    for mark in marks:
        place = places[mark.atom]
        opacity = f" opacity='{0.12 + 0.6 * mark.strength:.2f}'" if mark.kind != "alert" else ""
        parts.append(
            f"<circle class='mark {mark.kind}' cx='{place.x:.1f}' cy='{place.y:.1f}' r='{radius:.1f}'{opacity}/>"
        )
    return "".join(parts)


def _as_attributes(match: re.Match[str]) -> str:
    pairs = (part.split(":", 1) for part in match[1].split(";") if ":" in part)
    return " ".join(f"{name.strip()}='{value.strip()}'" for name, value in pairs)


def _rgb(tone: str) -> tuple[float, float, float]:
    red, green, blue = (int(tone[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
