"""What a structure search takes as a query, and what it passes over."""

from __future__ import annotations

import pytest

from model_zoo.chemistry.structure_search import QueryError, read_query, search


@pytest.mark.parametrize(
    "text", ["", " ", "C1CC", "(((", "C" * 500, "C" * 100, "[$([$([$([$([$([$([$(C)])])])])])])]", "[#6"]
)
def test_what_is_no_query_is_refused(text: str) -> None:
    """Also what is larger and deeper than anybody asks."""
    with pytest.raises(QueryError, match="expected"):
        read_query(text, "substructure")


def test_a_pattern_is_no_molecule_to_be_like() -> None:
    """Likeness is asked of a molecule."""
    with pytest.raises(QueryError, match="expected a SMILES"):
        read_query("[C,N]C", "similarity")


@pytest.mark.parametrize("notation", ["c1ccncc1", "C1=CC=NC=C1", "n1ccccc1", "[nH0]1ccccc1", "[#7]1~*~*~*~*~*1"])
def test_one_question_in_several_notations_has_one_answer(notation: str) -> None:
    """Kekule or aromatic, SMILES or SMARTS, from whatever atom."""
    structures = ["Cc1ccncc1", "C1CCCCC1", "InChI=1S/C5H5N/c1-2-4-6-5-3-1/h1-5H", "", "what"]

    assert [[place for place, _ in found] for _, found in search(notation, "substructure", structures)] == [[0, 2]]


def test_chirality_that_is_drawn_is_asked_for() -> None:
    """A mirror image does not contain it; the flat question finds both."""
    both = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"]

    assert next(iter(search("C[C@H](N)C(=O)O", "substructure", both)))[1] == [(0, 1.0)]
    assert len(next(iter(search("CC(N)C(=O)O", "substructure", both)))[1]) == 2
