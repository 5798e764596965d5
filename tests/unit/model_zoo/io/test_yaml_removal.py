"""A key that is taken out of a YAML file takes its own comments along, and nothing else."""

from __future__ import annotations

import random

import pytest
import yaml

from model_zoo.errors import ConfigError
from model_zoo.io.yaml_removal import without_key

STYLES = {
    "flow": "  NAME: {a: 1, b: [2, 3]}  # NAME beside\n",
    "block": "  NAME:  # NAME beside\n    a: 1\n    # NAME inside\n    b:\n    - 2\n    - 3  # NAME at the end\n",
    "folded": "  NAME:\n    a: >-\n      NAME text\n\n      # NAME no comment\n    b: 1\n",
    "literal": "  NAME:\n    b: |\n      NAME text\n      ends here\n",
    "quoted": '  "NAME":\n    a: "NAME\n      goes on"\n',
    "nothing": "  NAME:\n",
    "deep": "  NAME:\n    a:\n      b:\n        c: 1\n\n        # NAME deep\n        d: {e: 2}\n",
}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("ends", ["", "\n\n", "after: 1\n", "# at the end of all\nafter: {b: 2}\n"])
def test_the_rest_stays_to_the_byte(seed: int, ends: str) -> None:
    """Of sections in any style and order, what is left is the text without the pieces of the one that goes."""
    draw = random.Random(seed)
    names = ["one", "two", "three", "four"]
    pieces = {}
    for name in names:
        above = draw.choice(["", "  # above NAME\n", "  # above NAME\n  # in two lines of NAME\n"])
        pieces[name] = (above + STYLES[draw.choice(sorted(STYLES))]).replace("NAME", name)
    head = "# the file\ncommon: {x: 1}  # said once\nendpoints:\n"
    for name in names:
        left = head + "".join(pieces[each] for each in names if each != name) + ends
        assert without_key(head + "".join(pieces.values()) + ends, "endpoints", name) == left


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_section_in_one_line(name: str) -> None:
    """First, middle or last of a flow: what is left says the same, and is YAML."""
    text = "x: 1\nendpoints: {a: {v: 1}, b: {v: 2},\n  c: {v: 3}}  # end\n"
    left = without_key(text, "endpoints", name)

    assert yaml.safe_load(left)["endpoints"] == {
        k: v for k, v in yaml.safe_load(text)["endpoints"].items() if k != name
    }
    assert left.endswith("}  # end\n")


def test_what_others_refer_to_stays() -> None:
    """An anchor that somebody else uses cannot go, nor the only key of a section."""
    with pytest.raises(ConfigError, match=r"s\.a cannot be taken out alone, for others refer to it"):
        without_key("s:\n  a: &x {v: 1}\n  b: *x\n", "s", "a")
    with pytest.raises(ConfigError, match=r"s\.a is the only one"):
        without_key("s:\n  a: 1\n", "s", "a")
