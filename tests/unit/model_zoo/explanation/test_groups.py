"""Groups of a molecule and measured pairs: every atom once, nothing unmeasured, and no molecule that breaks them."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from model_zoo.bundles.neighbours import Neighbour
from model_zoo.data.reference_drugs import chembl_drugs
from model_zoo.explanation.fragments import SMALLEST_REST, fragments_of, without
from model_zoo.explanation.measured_pair import nearest_pair

AWKWARD = ["C", "[H][H]", "CCO", "c1cc[nH]c1", "O=S(=O)(c1ccccc1)n1cccc1", "C[C@H](N)C(=O)O", "C/C=C/C(=O)N(C)C",
           "[O-][N+](=O)c1ccccc1", "C1CC1", "CC[Si](C)(C)C", "N#Cc1ccc(Br)cc1", "C" * 60]  # fmt: skip


def test_every_atom_stands_in_one_group_and_groups_sum_to_the_atoms() -> None:
    """Of many drugs, cut or not: nothing is lost and nothing counts twice."""
    known = chembl_drugs()
    assert known is not None
    cut = 0
    for smiles in [*known.smiles[::40], *AWKWARD]:
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            continue
        worth = np.random.default_rng(mol.GetNumAtoms()).normal(size=mol.GetNumAtoms())
        found = fragments_of(mol, worth.tolist())
        if found:
            cut += 1
            assert sorted(atom for each in found for atom in each.atoms) == list(range(mol.GetNumAtoms()))
            assert sum(each.worth for each in found) == pytest.approx(worth.sum())
            assert [abs(each.worth) for each in found] == sorted((abs(each.worth) for each in found), reverse=True)
    assert cut > 20


def test_groups_do_not_depend_on_the_order_of_atoms() -> None:
    """A molecule that is numbered in another way has the same groups."""
    mol = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)NCCc1ccncc1")
    order = [int(place) for place in np.random.default_rng(0).permutation(mol.GetNumAtoms())]
    worth = np.random.default_rng(1).normal(size=mol.GetNumAtoms())
    turned = fragments_of(Chem.RenumberAtoms(mol, order), worth[order].tolist())

    assert [(each.smiles, round(each.worth, 9)) for each in turned] == [
        (each.smiles, round(each.worth, 9)) for each in fragments_of(mol, worth.tolist())
    ]


def test_a_molecule_without_a_group_is_the_rest_with_hydrogen() -> None:
    """Of many drugs: as many heavy atoms less as the group has, no new piece, and the same whatever the numbering."""
    known = chembl_drugs()
    assert known is not None
    taken = 0
    for smiles in [*known.smiles[::40], *AWKWARD]:
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            continue
        for each in fragments_of(mol, [1.0] * mol.GetNumAtoms()):
            rest = without(mol, each.atoms)
            if rest is None:
                continue
            taken += 1
            assert rest.mol.GetNumAtoms() == mol.GetNumAtoms() - len(each.atoms) >= SMALLEST_REST
            assert rest.smiles.count(".") == smiles.count(".")
            order = [int(place) for place in np.random.default_rng(0).permutation(mol.GetNumAtoms())]
            turned = without(Chem.RenumberAtoms(mol, order), [order.index(atom) for atom in each.atoms])
            assert turned is not None
            assert turned.smiles == rest.smiles
    assert taken > 40
    amine = without(Chem.MolFromSmiles("CC(=O)n1cccc1CCCC"), (0, 1, 2))
    assert amine is None or "[nH]" in amine.smiles


def canonical(smiles: str) -> str:
    """Write a SMILES as neighbours are written."""
    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


def near(*measured: tuple[str, float, str]) -> list[Neighbour]:
    """Return measured neighbours, most similar first."""
    return [
        Neighbour(canonical(smiles), 0.9 - 0.1 * place, value, relation)
        for place, (smiles, value, relation) in enumerate(measured)
    ]


def test_the_nearest_pair_has_the_group_and_another_in_its_place() -> None:
    """A chlorine beside a methyl group on the same ring is found, nearer ones that lack the group are passed over."""
    found = nearest_pair(
        canonical("OCCc1ccc(Cl)cc1"),
        near(("OCCc1ccccc1", 1.0, "="), ("Cc1ccc(C)nc1", 2.0, "="), ("Cc1ccc(Cl)nc1", 3.0, "=")),
    )
    assert found is not None
    assert (found.group, found.instead) == ("Cl[*:1]", "C[*:1]")
    assert (found.having.value, found.other.value) == (3.0, 2.0)


@pytest.mark.parametrize(
    "measured",
    [
        [],
        [("Clc1ccccc1", 1.0, "=")],  # nothing to compare it with
        [("Clc1ccccc1", 1.0, ">"), ("c1ccccc1", 2.0, "=")],  # a bound
        [("OCCc1ccc(Cl)cc1", 1.0, "="), ("OCCc1ccccc1", 2.0, "=")],  # the molecule itself
        [("Brc1ccccc1", 1.0, "="), ("c1ccccc1", 2.0, "=")],  # a group that the molecule does not have
    ],
)
def test_where_nothing_was_measured_there_is_no_pair(measured: list[tuple[str, float, str]]) -> None:
    """Nothing is made up."""
    assert nearest_pair(canonical("OCCc1ccc(Cl)cc1"), near(*measured)) is None


def test_no_molecule_breaks_the_search() -> None:
    """Awkward molecules, asked about and as neighbours, give a pair or none."""
    known = near(*((smiles, 1.0 * place, "=") for place, smiles in enumerate(AWKWARD)))
    for smiles in AWKWARD:
        nearest_pair(canonical(smiles), known)
    pair = nearest_pair("CCn1cccc1", near(("CCCn1cccc1", 1.0, "="), ("CCC", 3.0, "="), ("c1cc[nH]c1", 2.0, "=")))
    assert pair is None or {pair.having.value, pair.other.value} <= {1.0, 2.0, 3.0}
