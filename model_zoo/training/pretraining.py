"""Making the weights that the SMILES transformer starts from: it learns to read descriptors off a SMILES.

`aidrug pretrain` writes `model_zoo/models/_smiles_encoder.npz`.

No measured value is read: the molecules are the drugs of ChEMBL and those of the embedded endpoints, the targets are
RDKit's 217 descriptors by rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule, Standardise
from model_zoo.config.files import load_configs
from model_zoo.data.dataset import make_dataset
from model_zoo.data.reference_drugs import chembl_drugs
from model_zoo.featurizers import rdkit_descriptors, tokens
from model_zoo.io.digests import file_digest
from model_zoo.models._smiles_encoder import SHAPE, WEIGHTS, deal, descent, make_encoder, one_thread, trim
from model_zoo.type_aliases import Json, Numbers

STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 12_000, 64, 2e-3, 0.01
HELD_OUT = 20
"""One molecule of so many is held out, to say how well descriptors are read."""
REWRITTEN = 0.5
"""The share of molecules that are written again, from another atom, each epoch."""
SEED = 0


def molecules(root: Path) -> list[Molecule]:
    """Return the molecules of all embedded endpoints and the drugs, each once, sorted by SMILES."""
    found = (
        {molecule.smiles: molecule for molecule in known.molecules(Standardise())} if (known := chembl_drugs()) else {}
    )
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


def write_weights(root: Path, say: Callable[[str], None], place: Path = WEIGHTS, steps: int = STEPS) -> float:
    """Make the weights from a checkout's endpoints and write them; give the share of variance they explain.

    What is written replaces the weights of the checkout, whose digest must then be the one that is said.
    """
    known = molecules(root)
    say(f"{len(known)} molecules, {len(rdkit_descriptors.NAMES)} descriptors each")
    weights, explained = pretrain(known, steps, say)
    np.savez_compressed(place, **weights)
    say(f"{explained:.1%} of the variance of the descriptors of {len(known) // HELD_OUT} molecules held out")
    say(f"{place}: put its SHA-256 into _smiles_encoder.py: {file_digest(place)}")
    return explained
