"""Structures as SVG, for light and dark pages and a strict content security policy.

Belongs here: turning a standardised SMILES into a picture.
Does not belong here: the picture of a value on its axis (see `axis.py`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from markupsafe import Markup
from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D

WIDTH, HEIGHT = 300, 260
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


@lru_cache(maxsize=2048)
def structure_svg(smiles: str) -> Markup:
    """Draw a molecule, 300 x 260 units, transparent, carbon in the colour of the text around it.

    Examples
    --------
    >>> svg = structure_svg("CCO")
    >>> "currentColor" in svg, "style=" in svg
    (True, False)
    """
    mol = Chem.MolFromSmiles(smiles)
    drawer = rdMolDraw2D.MolDraw2DSVG(WIDTH, HEIGHT)
    options: Any = drawer.drawOptions()  # RDKit's stubs take every option for a whole set of options
    options.clearBackground = False
    options.bondLineWidth = 1.6
    options.padding = 0.06
    options.fixedBondLength = 34
    ink = _rgb(_CARBON)
    options.updateAtomPalette(dict.fromkeys(range(120), ink) | {n: _rgb(tone) for n, tone in _PALETTE.items()})
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, mol)
    drawer.FinishDrawing()
    svg = _PROLOGUE.sub("", drawer.GetDrawingText())
    # The policy refuses style attributes; the same properties are allowed as attributes of their own.
    svg = _STYLE.sub(_as_attributes, svg).replace(_CARBON, "currentColor")
    svg = _NOISE.sub("", svg)
    return Markup(_SIZE.sub("aria-hidden='true' ", svg, count=1))  # noqa: S704  made by RDKit from a canonical SMILES


def _as_attributes(match: re.Match[str]) -> str:
    pairs = (part.split(":", 1) for part in match[1].split(";") if ":" in part)
    return " ".join(f"{name.strip()}='{value.strip()}'" for name, value in pairs)


def _rgb(tone: str) -> tuple[float, float, float]:
    red, green, blue = (int(tone[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
