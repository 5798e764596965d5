"""Making the weights that the SMILES transformer starts from: it learns to read descriptors off a SMILES.

`aidrug pretrain` writes `model_zoo/models/_smiles_encoder.npz`, and its digest into the code beside it.

No measured value is read: the molecules are the drugs of ChEMBL, those of the embedded endpoints and those of a file of
the user's; the targets are RDKit's 217 descriptors by rank.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.chemistry.molecules import CURATION_LIMITS, Molecule, Standardise, parse_molecule
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import make_dataset
from model_zoo.data.pasted.notation import recognise_row
from model_zoo.data.reference_drugs import chembl_drugs
from model_zoo.data.tables.guessing import TableOptions
from model_zoo.data.tables.reading import understand
from model_zoo.errors import DataError
from model_zoo.featurizers import rdkit_descriptors, tokens
from model_zoo.io.digests import file_digest
from model_zoo.io.files import atomic_write
from model_zoo.models._smiles_encoder import SHAPE, WEIGHTS, deal, descent, make_encoder, one_thread, trim
from model_zoo.type_aliases import Json, Numbers

STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 12_000, 64, 2e-3, 0.01
HELD_OUT = 20
"""One molecule of so many is held out, to say how well descriptors are read."""
REWRITTEN = 0.5
"""The share of molecules that are written again, from another atom, each epoch."""
MOST = 200_000
"""Molecules of a file: twelve thousand steps see each of so many four times."""
SEED = 0
SIGNED = re.compile(r'^DIGEST = "[0-9a-f]{64}"$', re.MULTILINE)


def structures(path: Path, column: str | None = None) -> tuple[list[Molecule], int]:
    """Read the structures of a table, an SDF file or a list of SMILES.

    Returns
    -------
    list, int
        The molecules, each once, whatever the order of the rows; how many rows hold none that can be read.

    Raises
    ------
    DataError
        When the file cannot be read, holds no molecule or too many.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected a file of structures (CSV, SMILES, SDF, Excel, Parquet), got none there")
    found: set[str] = set()
    unread = 0
    for row in understand(path, TableOptions(name=path.name, column=column)).rows():
        smiles = recognise_row(row).smiles
        molecule = parse_molecule(smiles, limits=CURATION_LIMITS) if smiles else None
        if not isinstance(molecule, Molecule):
            unread += 1
            continue
        found.add(molecule.smiles)
        if len(found) > MOST:
            raise DataError(f"{path}: expected at most {MOST:,} different molecules, got more: give some of them")
    if not found:
        raise DataError(f"{path}: expected structures, got {unread} rows of which none can be read as one")
    # Read again, so that the order of atoms is that of the canonical SMILES and not of whichever row came first.
    again = (parse_molecule(smiles, limits=CURATION_LIMITS) for smiles in sorted(found))
    return [molecule for molecule in again if isinstance(molecule, Molecule)], unread


def molecules(root: Path, more: Sequence[Molecule] = ()) -> list[Molecule]:
    """Return the molecules of all embedded endpoints, the drugs and others, each once, sorted by SMILES."""
    found = {molecule.smiles: molecule for molecule in more}
    if known := chembl_drugs():
        found |= {molecule.smiles: molecule for molecule in known.molecules(Standardise())}
    for endpoint in load_configs(root / "configs").endpoints.values():
        for molecule in make_dataset(endpoint.dataset, root).molecules():
            found.setdefault(molecule.smiles, molecule)
    return [found[smiles] for smiles in sorted(found)]


def normal_ranks(values: Numbers) -> NDArray[np.float32]:
    """Return each column of an `n x d` matrix by rank, ties alike, with mean 0 and deviation 1; 0 for constants.

    Examples
    --------
    >>> normal_ranks(np.array([[1.0], [100.0], [1.0], [5.0]]))[:, 0].astype(float).round(2).tolist()
    [-0.94, 1.41, -0.94, 0.47]
    """
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=0)
    spread = ranks.std(axis=0)
    return np.asarray((ranks - ranks.mean(axis=0)) / np.where(spread > 0, spread, 1.0), dtype=np.float32)


def rewritten(molecule: Molecule, generator: np.random.Generator) -> Molecule:
    """Return the same molecule with its SMILES written from another atom."""
    start = int(generator.integers(molecule.mol.GetNumAtoms()))
    return Molecule(Chem.MolToSmiles(molecule.mol, rootedAtAtom=start, canonical=False), molecule.mol)


@one_thread()
def pretrain(known: Sequence[Molecule], steps: int, say: Callable[[str], None]) -> tuple[dict[str, Json], float]:
    """Fit the encoder; give its weights and the share of variance explained on molecules that were held out."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(SEED)
    generator = np.random.default_rng(SEED)
    targets = torch.from_numpy(normal_ranks(rdkit_descriptors.featurize(known)))
    written = tokens.featurize(known)
    order = generator.permutation(len(known))
    held, fitted = order[: len(known) // HELD_OUT], order[len(known) // HELD_OUT :]
    encoder = make_encoder(**SHAPE, dropout=0.0)
    head = nn.Linear(SHAPE["width"], targets.shape[1])
    descend = descent([*encoder.parameters(), *head.parameters()], LEARNING_RATE, WEIGHT_DECAY, steps)

    def loss_on(rows: NDArray[np.intp], texts: NDArray[np.int64]) -> torch.Tensor:
        return functional.mse_loss(head(encoder(torch.from_numpy(trim(texts)))), targets[torch.from_numpy(rows)])

    batches: list[NDArray[np.intp]] = []
    epoch = written.copy()
    for step in range(steps):
        if not batches:
            again = fitted[generator.random(len(fitted)) < REWRITTEN]
            epoch[:] = written
            epoch[again] = tokens.featurize([rewritten(known[row], generator) for row in again])
            batches = deal((epoch[fitted] != tokens.PADDING).sum(axis=1), BATCH, generator)
        rows = fitted[batches.pop()]
        loss = loss_on(rows, epoch[rows])
        descend(loss)
        if step % 1000 == 0:
            say(f"step {step} of {steps}: mean squared error {loss.item():.3f}")
    encoder.eval()
    with torch.no_grad():
        explained = 1.0 - loss_on(held, written[held]).item() / targets[torch.from_numpy(held)].var().item()
    return {name: value.numpy().astype(np.float16) for name, value in encoder.state_dict().items()}, explained


def write_weights(
    root: Path,
    say: Callable[[str], None],
    place: Path = WEIGHTS,
    steps: int = STEPS,
    own: Path | None = None,
    column: str | None = None,
) -> float:
    """Make the weights from a checkout's endpoints and a file of structures; give the share of variance they explain.

    What is written replaces the weights of the checkout, and the digest in the code beside them: models that start from
    them are trained again.

    Parameters
    ----------
    root
        Of the checkout.
    say
        Called with what happens, one line each.
    place
        Where the weights go, beside `_smiles_encoder.py`.
    steps
        How long it learns.
    own, column
        A file of structures that are learnt from besides, and its column of them where that is not clear.

    Raises
    ------
    DataError
        When the file cannot be used.
    """
    more: list[Molecule] = []
    if own is not None:
        more, unread = structures(own, column)
        say(f"{own}: {len(more)} molecules, {unread} rows hold none that can be read")
    known = molecules(root, more)
    say(f"{len(known)} molecules, {len(rdkit_descriptors.NAMES)} descriptors each")
    weights, explained = pretrain(known, steps, say)
    np.savez_compressed(place, **weights)
    say(f"{explained:.1%} of the variance of the descriptors of {len(known) // HELD_OUT} molecules held out")
    code, digest = place.with_name("_smiles_encoder.py"), file_digest(place)
    text, signed = SIGNED.subn(f'DIGEST = "{digest}"', code.read_text(encoding="utf-8")) if code.is_file() else ("", 0)
    if signed == 1:
        atomic_write(code, text.encode())
    say(f"{place}, SHA-256 {digest}: " + ("written into" if signed == 1 else "put it into") + f" {code.name}")
    return explained
