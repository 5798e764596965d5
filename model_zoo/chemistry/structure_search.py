"""Which of many structures contain a substructure, or are like another molecule: a program that ends for sure.

Matching takes exponential time for some patterns and cannot be interrupted, so it runs as a process of its own,
`python -m model_zoo.chemistry.structure_search`, that its system stops after some seconds of processor time. It reads
`{"query": ..., "kind": ..., "structures": [...]}` and writes a line per part of them: what was found, and how many it
has looked at. What it wrote before it was stopped counts.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Literal

from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.similarity import pack, tanimoto_nearest
from model_zoo.chemistry.standardisation.cxsmiles import bare, odd_sign

Kind = Literal["substructure", "similarity"]
MOST_CHARACTERS, MOST_ATOMS, MOST_NESTED = 400, 80, 6
"""Of a query: longer and deeper ones are no question that a chemist asks."""
LEAST_LIKENESS = 0.3
"""From this Tanimoto similarity (of counts, as everywhere here) on a molecule is like another one."""
SECONDS, MEMORY = 5, 2 << 30
"""What a search may take of the processor and of memory."""
PART = 100
_ONLY_SMARTS = re.compile(r"\[[^\]]*[#;,!$&*][^\]]*\]|\[[^\]]*[XDRvxrh]\d?[^\]a-z]*\]|~|\*|\$\(")


class QueryError(ValueError):
    """A query that is not one, in words for its author."""


def read_query(text: str, kind: Kind) -> Chem.Mol:
    """Read SMARTS or SMILES.

    What may be SMILES is read as one, so that `C1=CC=CN=C1` finds pyridines.

    Raises
    ------
    QueryError
        When it is neither, or larger than a search takes.

    Examples
    --------
    >>> pyridine = Chem.MolFromSmiles("c1ccncc1C")
    >>> [pyridine.HasSubstructMatch(read_query(text, "substructure")) for text in ("C1=CC=CN=C1", "[#7;r6]", "[#8]")]
    [True, True, False]
    """
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise QueryError(f"expected SMARTS or SMILES of at most {MOST_CHARACTERS} characters, got {len(text)}")
    if text.count("$(") > MOST_NESTED:
        raise QueryError(f"expected at most {MOST_NESTED} patterns within the pattern, got {text.count('$(')}")
    text = bare(text)
    if odd := odd_sign(text.split()[0]):
        raise QueryError(f"expected the letters and signs of SMARTS or SMILES, got {odd}")
    query = None if _ONLY_SMARTS.search(text) else Chem.MolFromSmiles(text)
    if query is None and kind == "substructure":
        query = Chem.MolFromSmarts(text)
    if query is None or not query.GetNumAtoms():
        what = "SMARTS or SMILES" if kind == "substructure" else "a SMILES"
        raise QueryError(f"expected {what}, got a text that RDKit cannot read as one: check brackets and ring numbers")
    if query.GetNumAtoms() > MOST_ATOMS:
        raise QueryError(f"expected at most {MOST_ATOMS} atoms, got {query.GetNumAtoms()}")
    return query


def search(query: str, kind: Kind, structures: Sequence[str]) -> Iterator[tuple[int, list[tuple[int, float]]]]:
    """Look through structures part by part.

    Parameters
    ----------
    query
        SMARTS or SMILES; for likeness a SMILES.
    structures
        SMILES, InChI or MOL blocks; one that cannot be read is passed over.

    Yields
    ------
    looked, found
        How many structures were looked at so far; places of those of this part that match, with their likeness (1 for
        substructures).

    Raises
    ------
    QueryError
        When the query is none.

    Examples
    --------
    >>> list(search("c1ccncc1", "substructure", ["Cc1ccncc1", "CCO", "what"]))
    [(3, [(0, 1.0)])]
    >>> list(search("CCCO", "similarity", ["CCCO", "c1ccccc1"]))
    [(2, [(0, 1.0)])]
    """
    pattern = read_query(query, kind)
    likeness = _contains(pattern) if kind == "substructure" else _alike(pattern)
    for start in range(0, len(structures), PART):
        part = structures[start : start + PART]
        scored = ((start + place, likeness(mol)) for place, text in enumerate(part) if (mol := _read(text)) is not None)
        yield start + len(part), [(place, alike) for place, alike in scored if alike >= LEAST_LIKENESS]


def _contains(pattern: Chem.Mol) -> Callable[[Chem.Mol], float]:
    return lambda mol: float(mol.HasSubstructMatch(pattern, useChirality=True))


def _alike(pattern: Chem.Mol) -> Callable[[Chem.Mol], float]:
    asked = pack([Molecule("", pattern)])
    return lambda mol: round(float(tanimoto_nearest(asked, pack([Molecule("", mol)]))[0][0, 0]), 4)


def _read(text: str) -> Chem.Mol | None:
    if "\n" in text.strip():
        return Chem.MolFromMolBlock(text)
    if text[:6].lower() == "inchi=":
        mol: Chem.Mol | None = Chem.MolFromInchi("InChI=" + text[6:])  # type: ignore[no-untyped-call]
        return mol
    text = bare(text)
    return None if odd_sign(text.partition(" ")[0]) else Chem.MolFromSmiles(text)


def main(source: IO[str], target: IO[str]) -> None:
    """Answer one question; the system ends the process that takes too long or too much."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    asked = json.load(source)
    try:
        for looked, found in search(asked["query"], asked["kind"], asked["structures"]):
            print(json.dumps({"looked": looked, "found": found}), file=target, flush=True)
    except QueryError as error:
        print(json.dumps({"fault": str(error)}), file=target, flush=True)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
