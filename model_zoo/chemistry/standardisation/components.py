"""Which component of a structure is the molecule: not the largest, the one that is no counter-ion and no solvent.

Each component is brought to its standard form by itself, so that a salt gives exactly what its parent gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from model_zoo.chemistry.standardisation.counterions import known
from model_zoo.chemistry.standardisation.notation import one_notation
from model_zoo.chemistry.standardisation.outcome import Note, RefusedError
from model_zoo.chemistry.standardisation.stereo import racemate
from model_zoo.chemistry.standardisation.whole import NON_METALS

_ACIDS = tuple(Chem.MolFromSmarts(text) for text in ("[OX2H1]S(=O)=O", "[OX2H1]P=O", "[OX2H1]C=O"))
_RANKS: dict[str, int] = {"inorganic": 0, "solvent": 1, "counter-ion": 2, "": 3}


@lru_cache(maxsize=1)
def _tools() -> tuple[rdMolStandardize.Normalizer, rdMolStandardize.Reionizer, rdMolStandardize.Uncharger]:
    return rdMolStandardize.Normalizer(), rdMolStandardize.Reionizer(), rdMolStandardize.Uncharger()


def cleaned(mol: Chem.Mol, *, uncharge: bool) -> Chem.Mol:
    """Bring one component to its standard notation and, on demand, to its neutral form.

    A cation that cannot lose its charge gives up the proton of an acid, as in the zwitterion: betaine is one molecule,
    written alone or as its hydrochloride.

    Examples
    --------
    >>> Chem.MolToSmiles(cleaned(Chem.MolFromSmiles("C[N+](C)(C)CC(=O)O"), uncharge=True))
    'C[N+](C)(C)CC(=O)[O-]'
    """
    normalizer, reionizer, uncharger = _tools()
    mol = reionizer.reionize(normalizer.normalize(one_notation(mol)))
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    if not uncharge:
        return mol
    mol = uncharger.uncharge(mol)
    while Chem.GetFormalCharge(mol) > 0:
        matches = next((found for query in _ACIDS if (found := mol.GetSubstructMatches(query))), ())
        if not matches:
            break
        ranks = list(Chem.CanonicalRankAtoms(mol))
        made = Chem.RWMol(mol)
        oxygen = made.GetAtomWithIdx(min((match[0] for match in matches), key=lambda place: ranks[place]))
        oxygen.SetFormalCharge(-1)
        oxygen.SetNumExplicitHs(0)
        Chem.SanitizeMol(made)
        mol = made.GetMol()
    return mol


def chosen(mol: Chem.Mol, *, uncharge: bool, racemates: bool = True) -> tuple[Chem.Mol, list[Note]]:
    """Return the one component that is meant, in its standard form, with a note for each that was left out.

    Of mirror images in equal amounts it is one, its centres marked as mixed; where `racemates` are not read they are a
    mixture.

    Raises
    ------
    RefusedError
        `mixture` where two different molecules could be meant, `inorganic-salt` or `metal` where none is organic.
    """
    parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=True)
    ions: Counter[str] = Counter()
    ranked: dict[int, dict[str, Chem.Mol]] = {}
    left: Counter[tuple[int, str, str]] = Counter()
    for part in parts:
        if part.GetNumAtoms() == 1 and part.GetAtomWithIdx(0).GetAtomicNum() not in NON_METALS:
            ions[part.GetAtomWithIdx(0).GetSymbol()] += 1
        elif part.GetNumHeavyAtoms():
            made = cleaned(part, uncharge=uncharge)
            smiles, (name, rank) = Chem.MolToSmiles(made), _named(Chem.MolToSmiles(part, isomericSmiles=False))
            ranked.setdefault(rank, {})[smiles] = made
            left[rank, name, smiles] += 1
    if not ranked:
        if not ions:
            return mol, []
        raise RefusedError("metal", f"expected an organic molecule, got {' and '.join(sorted(ions))} alone")
    highest = max(ranked)
    candidates = ranked[highest]
    if highest == 0 and (ions or len(candidates) > 1):
        raise RefusedError(
            "inorganic-salt",
            "expected an organic molecule, got an inorganic salt. Its acid or base alone would be another substance, "
            "and the models know neither.",
        )
    mixed = _racemate(candidates, [count for (rank, _, _), count in left.items() if rank == highest])
    if racemates and mixed is not None:
        candidates = {"": mixed}
    if len(candidates) > 1:
        shown = " and ".join(sorted(candidates, key=lambda text: (-len(text), text))[:2])
        shown = shown if len(shown) <= 200 else f"{shown[:200]}..."
        raise RefusedError(
            "mixture",
            f"expected one molecule, with counter-ions and solvents that are known as such, got {len(candidates)} that "
            f"could be meant: {shown}. Write the one that is meant.",
        )
    notes = [
        *(_left_out(symbol, f"[{symbol}]", "counter-ion", count) for symbol, count in sorted(ions.items())),
        *(
            _left_out(name, smiles, ("inorganic", "solvent", "counter-ion")[rank], count)
            for (rank, name, smiles), count in sorted(left.items())
            if rank != highest
        ),
    ]
    return next(iter(candidates.values())), notes


def _racemate(candidates: Mapping[str, Chem.Mol], amounts: Sequence[int]) -> Chem.Mol | None:
    """Return the racemate that two components are; none where they are something else."""
    if len(candidates) != 2 or len(set(amounts)) != 1:
        return None
    return racemate(*(candidates[smiles] for smiles in sorted(candidates)))


def _left_out(name: str, smiles: str, kind: str, count: int) -> Note:
    times = f"{count} x " if count > 1 else ""
    shown = name if smiles == f"[{name}]" else f"{name} ({smiles})"
    role = "" if kind == "inorganic" else f", known as a {kind}"
    return Note("component-left-out", f"left out: {times}{shown}{role}")


@lru_cache(maxsize=4096)
def _named(smiles: str) -> tuple[str, int]:
    """Return a component's name and rank: how much it can be what is meant, 3 where it is on no list."""
    neutral = cleaned(Chem.MolFromSmiles(smiles), uncharge=True)
    name, kind = known().get(Chem.MolToSmiles(neutral, isomericSmiles=False), ("", ""))
    return name, _RANKS[kind]
