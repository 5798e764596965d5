"""Counting many substructures in one molecule, asking RDKit only about those that can be there.

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
_WIDTH = 2048
"""More bits than there are query bonds."""


class _Bits(NamedTuple):
    """What an atom satisfies: query atoms, and the query bonds that it can begin and end."""

    atom: int
    begin: int
    end: int


class _Vocabulary:
    """The different query atoms, query bonds and stars (an atom with its bonds), a bit each."""

    def __init__(self) -> None:
        self.atoms: dict[str, tuple[int, Chem.Atom | None]] = {}
        self.bonds: dict[tuple[str, str, str, int], tuple[int, Chem.Bond]] = {}
        self.stars: dict[int, int] = {}
        self.owners: list[Chem.Mol] = []
        """Query atoms and bonds live in these: they must not be freed before them."""

    def _next_bit(self) -> int:
        return 1 << (len(self.atoms) + len(self.bonds) + len(self.stars))

    def atom(self, text: str) -> int:
        """Return the bit of a query atom."""
        if text not in self.atoms:
            query = Chem.MolFromSmarts(relaxed(text))
            self.owners.append(query)
            atom = query.GetAtomWithIdx(0)
            self.atoms[text] = self._next_bit(), atom if _is_decided(atom) else None
        return self.atoms[text][0]

    def bond(self, bond: Chem.Bond, rings: Chem.RingInfo) -> int:
        """Return the bit of a query bond between two query atoms, in a ring of some size or in none.

        It begins at the atom whose text sorts first.
        """
        begin, end = sorted((bond.GetBeginAtom().GetSmarts(), bond.GetEndAtom().GetSmarts()))
        key = (bond.GetSmarts(), begin, end, rings.MinBondRingSize(bond.GetIdx()))  # type: ignore[call-arg]
        return self.bonds.setdefault(key, (self._next_bit(), bond))[0]

    def star(self, bits: int) -> int:
        """Return the bit of a query atom's bonds, each seen from that atom, and counted up to three."""
        return self.stars.setdefault(bits, self._next_bit())


class _Pattern:
    """A query, its bits, and for each recursive condition the patterns of which one must match."""

    def __init__(self, query: Chem.Mol, vocabulary: _Vocabulary) -> None:
        Chem.GetSSSR(query)
        vocabulary.owners.append(query)
        self.query = query
        atoms, bonds, rings = list(query.GetAtoms()), list(query.GetBonds()), query.GetRingInfo()
        self.bits = self.bit = 0
        for atom in atoms:
            self.bit = vocabulary.atom(atom.GetSmarts())
            self.bits |= self.bit
            around = [0, 0, 0]
            for bond in atom.GetBonds():
                from_begin = atom.GetSmarts() <= bond.GetOtherAtom(atom).GetSmarts()
                _add(around, vocabulary.bond(bond, rings) << (0 if from_begin else _WIDTH))
            if atom.GetDegree() > 1:
                self.bits |= vocabulary.star(_star_key(*around))
        for bond in bonds:
            self.bit = vocabulary.bond(bond, rings)
            self.bits |= self.bit
        self.is_bond = bool(bonds)
        self.is_decided = len(atoms) + len(bonds) in (1, 3) and all(_is_decided(part) for part in atoms + bonds)
        self.conditions = [options for atom in atoms for options in _conditions(atom, vocabulary)]

    def is_possible(self, bits: int) -> bool:
        """Return whether the bits of a molecule let the pattern match."""
        return self.bits & bits == self.bits and all(
            any(option.is_possible(bits) for option in options) for options in self.conditions
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
        self._patterns = [_Pattern(query, self._vocabulary) for query in (*counted, *tested)]
        self._required = [pattern.bits for pattern in self._patterns]
        self._counted = len(counted)
        self._atoms: dict[AtomKey, _Bits] = {}
        self._bonds: dict[BondKey, int] = {}
        self._stars: dict[tuple[int, int, int], int] = {}

    def find(self, graph: Graph) -> list[int]:
        """Count the matches of each pattern, two of the same atoms being one: `k` numbers, then `m` of 0 or 1."""
        mol, counted = graph.mol, self._counted
        if not graph.is_plain:
            return [
                _search(mol, pattern.query, counted=number < counted) for number, pattern in enumerate(self._patterns)
            ]
        atoms, bonds, present = self._look(graph)
        found = [0] * len(self._patterns)
        for number in [number for number, bits in enumerate(self._required) if bits & present == bits]:
            pattern = self._patterns[number]
            if pattern.is_decided:
                bit = pattern.bit
                matches = sum(1 for bits in (bonds if pattern.is_bond else atoms) if bits & bit)
                found[number] = matches if number < counted else 1
            elif not pattern.conditions or pattern.is_possible(present):
                found[number] = _search(mol, pattern.query, counted=number < counted)
        return found

    def _look(self, graph: Graph) -> tuple[list[int], list[int], int]:
        """Return the bits of each atom, those of each bond, and those of the whole molecule."""
        atoms = [
            self._atoms.get(key) or self._learn_atom(key, graph.mol.GetAtomWithIdx(index))
            for index, key in enumerate(graph.atoms)
        ]
        around = [[0, 0, 0] for _ in atoms]
        bonds = []
        present = 0
        for index, (begin, end) in enumerate(graph.ends):
            key = graph.bonds[index]
            kind = self._bonds.get(key)
            if kind is None:
                kind = self._learn_bond(key, graph.mol.GetBondWithIdx(index))
            one, other = atoms[begin], atoms[end]
            along, against = kind & one[1] & other[2], kind & other[1] & one[2]
            either = along | against
            bonds.append(either)
            present |= either
            _add(around[begin], along | (against << _WIDTH))
            _add(around[end], against | (along << _WIDTH))
        for bits, (once, twice, thrice) in zip(atoms, around, strict=True):
            star = self._stars.get((once, twice, thrice))
            present |= bits[0] | (self._learn_star(once, twice, thrice) if star is None else star)
        return [bits[0] for bits in atoms], bonds, present

    def _learn_atom(self, key: AtomKey, atom: Chem.Atom) -> _Bits:
        words = self._vocabulary
        fits = {text: query is None or query.Match(atom) for text, (_, query) in words.atoms.items()}
        bits = _Bits(
            sum(bit for text, (bit, _) in words.atoms.items() if fits[text]),
            sum(bit for (_, begin, _, _), (bit, _) in words.bonds.items() if fits[begin]),
            sum(bit for (_, _, end, _), (bit, _) in words.bonds.items() if fits[end]),
        )
        if len(self._atoms) < _MEMORY:
            self._atoms[key] = bits
        return bits

    def _learn_bond(self, key: BondKey, bond: Chem.Bond) -> int:
        # A ring of the query is on a cycle of the molecule, and a bond on a cycle of k bonds is in a ring of at
        # most k: a minimum cycle basis would not be one otherwise.
        smallest = key[2]
        bits = sum(
            bit
            for (_, _, _, size), (bit, query) in self._vocabulary.bonds.items()
            if (not size or 0 < smallest <= size) and (not _is_decided(query) or query.Match(bond))
        )
        if len(self._bonds) < _MEMORY:
            self._bonds[key] = bits
        return bits

    def _learn_star(self, once: int, twice: int, thrice: int) -> int:
        around = _star_key(once, twice, thrice)
        bits = sum(bit for star, bit in self._vocabulary.stars.items() if star & around == star)
        if len(self._stars) < _MEMORY:
            self._stars[once, twice, thrice] = bits
        return bits


def _add(around: list[int], bits: int) -> None:
    """Note the query bonds that one more bond of an atom satisfies: those of one, of two and of three bonds."""
    once, twice, _ = around
    around[2] |= twice & bits
    around[1] = twice | (once & bits)
    around[0] = once | bits


def _star_key(once: int, twice: int, thrice: int) -> int:
    return once | (twice << 2 * _WIDTH) | (thrice << 4 * _WIDTH)


def relaxed(text: str) -> str:
    """Return a query atom without its recursive conditions: it matches whatever the given one matches, or more.

    Of a positive condition, what it asks of the atom itself stays, when that is a plain conjunction.

    Examples
    --------
    >>> relaxed("[C&!$(C-O)]"), relaxed("[$([O&H1]-C),$(N-C)]"), relaxed("[N&+]")
    ('[C]', '[O&H1,N]', '[N&+]')
    """
    if "$(" not in text:
        return text
    clauses = []
    for clause in _split(text[1:-1], ";"):
        options = []
        for option in _split(clause, ","):
            terms = [_root(term[2:-1]) if term.startswith("$(") else term for term in _split(option, "&")]
            options.append("&".join(term for term in terms if term and "$(" not in term))
        if all(options):
            clauses.append(",".join(options))
    return f"[{';'.join(clauses) or '*'}]"


def _root(text: str) -> str:
    root = relaxed(str(Chem.MolFromSmarts(text).GetAtomWithIdx(0).GetSmarts()))
    inner = root[1:-1] if root.startswith("[") else root
    return "" if set(inner) & set(",;") else inner


def _search(mol: Chem.Mol, query: Chem.Mol, *, counted: bool) -> int:
    return len(mol.GetSubstructMatches(query)) if counted else int(mol.HasSubstructMatch(query))


def _is_decided(part: Chem.Atom | Chem.Bond) -> bool:
    return {line.split()[0] for line in part.DescribeQuery().splitlines() if line.strip()} <= _DECIDED


def _conditions(atom: Chem.Atom, vocabulary: _Vocabulary) -> list[list[_Pattern]]:
    """Return the recursive conditions of one query atom: of each list, at least one pattern must match."""
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
    """Split at a separator that is outside of brackets.

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
