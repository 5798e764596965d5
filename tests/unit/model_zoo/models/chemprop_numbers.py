# /// script
# requires-python = ">=3.11"
# dependencies = ["chemprop==2.2.4", "torch==2.13.0"]
# ///
"""What Chemprop makes of some molecules, for `test_dmpnn.py`: `uv run` of this file writes it again.

Chemprop itself is no dependency: it needs sixteen distributions and ten seconds to import.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")
SMILES = (
    "CCO",
    "C",
    "[Au]",
    "CC(=O)Oc1ccccc1C(=O)O",
    "F/C=C/F",
    "F/C=C\\F",
    "C[C@H](N)C(=O)[O-]",
    "N[Pt](N)(Cl)Cl",
    "[2H]C([2H])([2H])S(=O)(=O)c1cc[nH]c1",
    "C[N+](C)(C)CC#N",
    "FS(F)(F)(F)(F)F",
    "[Fe+3]",
    "CN1CCC[C@H]1c1cccnc1",
    "[NH3]->[Cu]Cl",
    "OB(O)c1ccc(Br)cc1I",
    "c1ccc2c(c1)[se]cc2C=NO",
)
HIDDEN, READOUT, DEPTH, DESCRIPTORS = 5, 4, 3, 2


def wave(rows: int, columns: int, phase: float) -> list[list[float]]:
    """Return numbers in place of weights and descriptors: the same on every machine."""
    return [
        [0.6 * math.sin(phase + 0.7 * (row * columns + column)) for column in range(columns)] for row in range(rows)
    ]


def main() -> None:
    """Write classes, bonds and outputs of an untrained network with these weights."""
    import torch
    from chemprop import nn
    from chemprop.data import BatchMolGraph
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
    from rdkit import Chem

    graphs = [SimpleMoleculeMolGraphFeaturizer()(Chem.MolFromSmiles(text)) for text in SMILES]
    passing = nn.BondMessagePassing(d_h=HIDDEN, depth=DEPTH)
    readout = nn.RegressionFFN(input_dim=HIDDEN + DESCRIPTORS, hidden_dim=READOUT)
    with torch.no_grad():
        for phase, values in enumerate([*passing.parameters(), *readout.parameters()]):
            matrix = torch.tensor(wave(len(values), values[0].numel(), phase))
            values.copy_(matrix.reshape(values.shape))
        batch = BatchMolGraph(graphs)
        pooled = nn.NormAggregation()(passing(batch), batch.batch)
        outputs = readout(torch.cat((pooled, torch.tensor(wave(len(SMILES), DESCRIPTORS, 0.5))), 1))[:, 0]
    molecules: list[dict[str, Any]] = [
        {
            "smiles": text,
            "atoms": [[*map(int, atom[:-1].nonzero()[0])] for atom in graph.V],
            "masses": [round(float(atom[-1]), 7) for atom in graph.V],
            "bonds": [[*map(int, bond.nonzero()[0])] for bond in graph.E[::2]],
            "ends": graph.edge_index.T[::2].tolist(),
            "output": float(output),
        }
        for text, graph, output in zip(SMILES, graphs, outputs, strict=True)
    ]
    FILE.write_text("[\n" + ",\n".join(json.dumps(item) for item in molecules) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
