"""Counting many substructures in one molecule, asking RDKit only about those that can be there.

Belongs here: deciding from atoms and their neighbours that a pattern cannot match, and counting patterns of one or two
atoms. Does not belong here: the patterns (see `fragments.py`).

Each different query atom, query bond and query atom with its bonds has one bit. An atom with some properties has the
bits of the query atoms that RDKit's own `Match` says it satisfies; RDKit is asked once per combination of properties,
of which drugs have some hundreds. A pattern all of whose bits appear in a molecule may match it; one that lacks a bit
cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rdkit import Chem

from model_zoo.featurizers._rdkit_descriptors.graph import AtomKey, BondKey, Graph

_DECIDED = {
    *("AtomAnd", "AtomOr", "AtomNull", "AtomType", "AtomAtomicNum", "AtomIsAromatic", "AtomIsAliphatic"),
    *("AtomFormalCharge", "AtomHCount", "AtomExplicitDegree", "AtomTotalDegree", "AtomTotalValence"),
    *("AtomInNRings", "AtomInRing", "AtomIsotope"),
    *("BondAnd", "BondOr", "BondNull", "BondOrder", "SingleOrAromaticBond", "BondInRing"),
}
"""Queries whose answer the keys of atoms and bonds determine; any other query counts as always satisfied."""
_MEMORY = 100_000
"""Most combinations of properties to remember, of each kind."""
_SHIFT = 4096
"""More bits than there are query bonds: those above stand for the same bonds seen from their other end."""


class _Bits(NamedTuple):
    """What an atom satisfies: query atoms, and the query bonds that it can begin and end."""

    atom: int
    begin: int
    end: int


class _Vocabulary:
    """The different query atoms, query bonds and stars (an atom with its bonds), each numbered from 0."""

    def __init__(self) -> None:
        self.atoms: dict[str, Chem.Atom] = {}
        self.bonds: dict[tuple[str, str, str, int], Chem.Bond] = {}
        self.stars: dict[int, int] = {}
        self.owners: list[Chem.Mol] = []
        """Query atoms and bonds live in these: they must not be freed before them."""

    def atom(self, atom: Chem.Atom) -> int:
        """Give the bit of a query atom."""
        text = atom.GetSmarts()
        self.atoms.setdefault(text, atom)
        return 1 << list(self.atoms).index(text)

    def bond(self, bond: Chem.Bond, rings: Chem.RingInfo) -> int:
        """Give the bit of a query bond between two query atoms, in a ring of some size or in none."""
        begin, end = bond.GetBeginAtom().GetSmarts(), bond.GetEndAtom().GetSmarts()
        key = (bond.GetSmarts(), begin, end, rings.MinBondRingSize(bond.GetIdx()))
        self.bonds.setdefault(key, bond)
        return 1 << list(self.bonds).index(key)

    def star(self, bits: int) -> int:
        """Give the bit of a query atom's bonds, each seen from that atom."""
        return self.stars.setdefault(bits, 1 << len(self.stars))


class _Pattern:
    """A query, its bits, and for each recursive condition the patterns of which one must match."""

    def __init__(self, query: Chem.Mol, vocabulary: _Vocabulary) -> None:
        Chem.FastFindRings(query)
        vocabulary.owners.append(query)
        self.query = query
        atoms, bonds, rings = list(query.GetAtoms()), list(query.GetBonds()), query.GetRingInfo()
        self.atoms = self.bonds = self.stars = 0
        for atom in atoms:
            self.atoms |= vocabulary.atom(atom)
            star = 0
            for bond in atom.GetBonds():
                seen_from_end = bond.GetEndAtomIdx() == atom.GetIdx()
                star |= vocabulary.bond(bond, rings) << (_SHIFT if seen_from_end else 0)
            if atom.GetDegree() > 1:
                self.stars |= vocabulary.star(star)
        for bond in bonds:
            self.bonds |= vocabulary.bond(bond, rings)
        self.is_decided = len(atoms) + len(bonds) in (1, 3) and all(_is_decided(part) for part in atoms + bonds)
        self.conditions = [options for atom in atoms for options in _conditions(atom, vocabulary)]

    def is_possible(self, atoms: int, bonds: int, stars: int) -> bool:
        """Say whether the bits of a molecule let the pattern match."""
        return (
            self.bonds & bonds == self.bonds
            and self.atoms & atoms == self.atoms
            and self.stars & stars == self.stars
            and all(any(option.is_possible(atoms, bonds, stars) for option in options) for options in self.conditions)
        )


class SubstructureBank:
    """Patterns to look for together.

    Parameters
    ----------
    counted
        `k` queries, as RDKit makes them of SMARTS, whose matches are to be counted.
    tested
        `m` queries of which to say only whether they match.

    Examples
    --------
    >>> counted = [Chem.MolFromSmarts(smarts) for smarts in ("[CH3]", "CC", "c1ccccc1")]
    >>> SubstructureBank(counted, [Chem.MolFromSmarts("CCO")]).find(Graph(Chem.MolFromSmiles("CCCO")))
    [1, 2, 0, 1]
    """

    def __init__(self, counted: Sequence[Chem.Mol], tested: Sequence[Chem.Mol]) -> None:
        self._vocabulary = _Vocabulary()
        self._patterns = [
            *((_Pattern(query, self._vocabulary), True) for query in counted),
            *((_Pattern(query, self._vocabulary), False) for query in tested),
        ]
        self._atoms: dict[AtomKey, _Bits] = {}
        self._bonds: dict[BondKey, int] = {}
        self._stars: dict[int, int] = {}

    def find(self, graph: Graph) -> list[int]:
        """Count the matches of each pattern, two of the same atoms being one: `k` numbers, then `m` of 0 or 1."""
        mol = graph.mol
        if not graph.is_plain:
            return [_search(mol, pattern.query, counted=counted) for pattern, counted in self._patterns]
        atoms, bonds, stars = self._look(graph)
        atom_bits = bond_bits = 0
        for bits in atoms:
            atom_bits |= bits
        for bits in bonds:
            bond_bits |= bits
        found = []
        for pattern, counted in self._patterns:
            if not pattern.is_possible(atom_bits, bond_bits, stars):
                found.append(0)
            elif not pattern.is_decided:
                found.append(_search(mol, pattern.query, counted=counted))
            elif not counted:
                found.append(1)
            else:
                bit, where = (pattern.bonds, bonds) if pattern.bonds else (pattern.atoms, atoms)
                found.append(sum(1 for bits in where if bits & bit))
        return found

    def _look(self, graph: Graph) -> tuple[list[int], list[int], int]:
        """Give the bits of each atom, those of each bond, and the stars of the molecule."""
        atoms = [
            self._atoms.get(key) or self._learn_atom(key, graph.mol.GetAtomWithIdx(index))
            for index, key in enumerate(graph.atoms)
        ]
        around = [0] * len(atoms)
        bonds = []
        for index, (begin, end) in enumerate(graph.ends):
            key = graph.bonds[index]
            kind = self._bonds.get(key)
            if kind is None:
                kind = self._learn_bond(key, graph.mol.GetBondWithIdx(index))
            one, other = atoms[begin], atoms[end]
            along, against = kind & one[1] & other[2], kind & other[1] & one[2]
            bonds.append(along | against)
            around[begin] |= along | (against << _SHIFT)
            around[end] |= against | (along << _SHIFT)
        stars = 0
        for bits in around:
            found = self._stars.get(bits)
            stars |= self._learn_star(bits) if found is None else found
        return [bits[0] for bits in atoms], bonds, stars

    def _learn_atom(self, key: AtomKey, atom: Chem.Atom) -> _Bits:
        fits = {text: not _is_decided(query) or query.Match(atom) for text, query in self._vocabulary.atoms.items()}
        bonds = list(self._vocabulary.bonds)
        bits = _Bits(
            sum(1 << number for number, text in enumerate(fits) if fits[text]),
            sum(1 << number for number, bond in enumerate(bonds) if fits[bond[1]]),
            sum(1 << number for number, bond in enumerate(bonds) if fits[bond[2]]),
        )
        if len(self._atoms) < _MEMORY:
            self._atoms[key] = bits
        return bits

    def _learn_bond(self, key: BondKey, bond: Chem.Bond) -> int:
        # A ring of the query lies on a cycle of the molecule, and a bond on a cycle of k bonds is in a ring of at
        # most k: a minimum cycle basis would not be one otherwise.
        smallest = key[2]
        bits = sum(
            1 << number
            for number, ((_, _, _, size), query) in enumerate(self._vocabulary.bonds.items())
            if (not size or 0 < smallest <= size) and (not _is_decided(query) or query.Match(bond))
        )
        if len(self._bonds) < _MEMORY:
            self._bonds[key] = bits
        return bits

    def _learn_star(self, around: int) -> int:
        bits = sum(bit for star, bit in self._vocabulary.stars.items() if star & around == star)
        if len(self._stars) < _MEMORY:
            self._stars[around] = bits
        return bits


def _search(mol: Chem.Mol, query: Chem.Mol, *, counted: bool) -> int:
    return len(mol.GetSubstructMatches(query)) if counted else int(mol.HasSubstructMatch(query))


def _is_decided(part: Chem.Atom | Chem.Bond) -> bool:
    return {line.split()[0] for line in part.DescribeQuery().splitlines() if line.strip()} <= _DECIDED


def _conditions(atom: Chem.Atom, vocabulary: _Vocabulary) -> list[list[_Pattern]]:
    """Give the recursive conditions of one query atom: of each list, at least one pattern must match."""
    text = atom.GetSmarts()
    if "$(" not in text:
        return []
    found = []
    for clause in _split(text[1:-1], ";"):
        options = [
            [_Pattern(Chem.MolFromSmarts(part[2:-1]), vocabulary) for part in _split(option, "&") if part[:2] == "$("]
            for option in _split(clause, ",")
        ]
        if len(options) == 1:  # each of them must match
            found += [[pattern] for pattern in options[0]]
        elif all(options):
            found.append([patterns[0] for patterns in options])
    return found


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator that stands outside of brackets.

    Examples
    --------
    >>> _split("$(C,N),O", ",")
    ['$(C,N)', 'O']
    """
    depth, parts = 0, [""]
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
