"""The BOILED-Egg: the ellipses reach as far as the publication says, and outline and test agree."""

from __future__ import annotations

import pytest

from model_zoo.chemistry.boiled_egg import WHITE, YOLK, Ellipse


def test_the_egg_reaches_as_far_as_was_published() -> None:
    """White: TPSA to 142, WLOGP -2.3 to 6.8; yolk: TPSA to 79, WLOGP 0.4 to 6.0 (Daina and Zoete, page 1118)."""
    white, yolk = (list(zip(*each.outline(3600), strict=True)) for each in (WHITE, YOLK))

    assert (max(white[0]), min(white[1]), max(white[1])) == pytest.approx((142.0, -2.3, 6.8), abs=0.1)
    assert (max(yolk[0]), min(yolk[1]), max(yolk[1])) == pytest.approx((79.0, 0.4, 6.0), abs=0.2)


@pytest.mark.parametrize("ellipse", [WHITE, YOLK])
def test_a_point_is_inside_where_the_outline_says_so(ellipse: Ellipse) -> None:
    """A hair inside of the outline is inside, a hair outside is not."""
    for x, y in ellipse.outline():
        inner, outer = (
            (ellipse.x + share * (x - ellipse.x), ellipse.y + share * (y - ellipse.y)) for share in (0.999, 1.001)
        )
        assert ellipse.contains(*inner)
        assert not ellipse.contains(*outer)
