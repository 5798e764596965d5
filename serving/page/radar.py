"""The radar: one picture of how desirable a molecule is in every respect, or of some molecules compared."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from markupsafe import Markup, escape

from serving.page.categories import in_categories

RADIUS = 74.0
WIDTH, HEIGHT = 320.0, 250.0
FEWEST_AXES, MOST_AXES = 3, 12
"""With fewer axes it is no shape, with more nobody can read it."""
MOST_SHAPES = 4
"""Colours and dashes that the style sheet can tell apart."""
_CENTER = (WIDTH / 2, HEIGHT / 2)
_LINE = 12.5


class Scored(Protocol):
    """What is shown of one endpoint of one molecule."""

    @property
    def title(self) -> str:
        """What people call the endpoint."""

    @property
    def category(self) -> str:
        """Under which heading they look for it."""

    @property
    def score(self) -> float | None:
        """How desirable the value is, 0 to 1; none where that cannot be said."""


class _Axis(NamedTuple):
    """One axis: how desirable each molecule is, 0 to 1."""

    title: str
    category: str
    scores: Sequence[float]


def radar_of(names: Sequence[str], rows: Sequence[Sequence[Scored | None]]) -> Markup:
    """Draw how desirable molecules are, over the endpoints where that can be said of all of them.

    Of many endpoints an axis is a category, where a molecule is as desirable as its least desirable property there.
    """
    axes = []
    for of_endpoint in zip(*rows, strict=True):
        scores = [row.score for row in of_endpoint if row is not None and row.score is not None]
        if of_endpoint[0] is not None and len(scores) == len(names):
            axes.append(_Axis(of_endpoint[0].title, of_endpoint[0].category, scores))
    if len(axes) > MOST_AXES:
        axes = [
            _Axis(f"{title}: worst of {len(under)}", title, _worst([axis.scores for axis in under]))
            for title, under in in_categories(axes)
        ]
    descriptions = (
        f"{name}: " + ", ".join(f"{axis.title} {axis.scores[place]:.2f}" for axis in axes)
        for place, name in enumerate(names)
    )
    shapes = [[axis.scores[place] for axis in axes] for place in range(len(names))]
    return radar_svg([axis.title for axis in axes], shapes, "Desirability from 0 to 1. " + "; ".join(descriptions))


def radar_svg(titles: Sequence[str], shapes: Sequence[Sequence[float]], label: str) -> Markup:
    """Draw one closed shape per molecule, the outer ring being as desirable as can be.

    Parameters
    ----------
    titles
        One per axis; fewer than three or more than twelve make no radar, and the answer is empty.
    shapes
        Per molecule one desirability per axis, 0 to 1; at most four molecules.
    label
        What the picture shows, in words, for those who do not see it.

    Examples
    --------
    >>> radar_svg(["a", "b"], [[1.0, 0.5]], "two")
    Markup('')
    >>> svg = radar_svg(["a", "b", "c"], [[1.0, 0.5, 0.0], [0.2, 0.2, 0.2]], "three")
    >>> svg.count('class="shape ')
    2
    """
    if not FEWEST_AXES <= len(titles) <= MOST_AXES:
        return Markup()
    count = len(titles)
    rings = "".join(
        f'<polygon class="ring{" outer" if share == 1 else ""}" points="{_points([share] * count)}"/>'
        for share in (0.25, 0.5, 0.75, 1.0)
    )
    spokes = "".join(
        f'<line class="ring" x1="{_CENTER[0]}" y1="{_CENTER[1]}" x2="{x:.1f}" y2="{y:.1f}"/>'
        for x, y in (_place(axis, count, 1.0) for axis in range(count))
    )
    drawn = "".join(_shape(number, shape) for number, shape in enumerate(shapes[:MOST_SHAPES]))
    words = "".join(_title(axis, count, title) for axis, title in enumerate(titles))
    return Markup(  # noqa: S704  numbers of ours and escaped words
        f'<svg class="radar" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(label)}">'
        f"{rings}{spokes}{drawn}{words}</svg>"
    )


def _worst(scores: Sequence[Sequence[float]]) -> list[float]:
    return [min(of_molecule) for of_molecule in zip(*scores, strict=True)]


def _shape(number: int, scores: Sequence[float]) -> str:
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        for x, y in (_place(axis, len(scores), score) for axis, score in enumerate(scores))
    )
    return f'<g class="shape s{number}"><polygon points="{_points(scores)}"/>{dots}</g>'


def _points(scores: Sequence[float]) -> str:
    places = (_place(axis, len(scores), score) for axis, score in enumerate(scores))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _place(axis: int, count: int, share: float) -> tuple[float, float]:
    """Return the place of a share on an axis; the first axis points up, the others follow clockwise."""
    angle = 2 * math.pi * axis / count - math.pi / 2
    return _CENTER[0] + RADIUS * share * math.cos(angle), _CENTER[1] + RADIUS * share * math.sin(angle)


def _title(axis: int, count: int, title: str) -> str:
    x, y = _place(axis, count, 1.13)
    lines = textwrap.wrap(title, 15) or [""]
    side = x - _CENTER[0]
    anchor = "middle" if abs(side) < 12 else "start" if side > 0 else "end"
    # Words above the centre grow upwards, words below it downwards, words beside it both ways.
    lift = (_CENTER[1] - y) / RADIUS
    first = y + 4 - _LINE * (len(lines) - 1) * min(1.0, max(0.0, (lift + 1) / 2))
    spans = "".join(
        f'<tspan x="{x:.1f}" y="{first + _LINE * index:.1f}">{escape(line)}</tspan>' for index, line in enumerate(lines)
    )
    return f'<text text-anchor="{anchor}">{spans}</text>'
