"""ChemNet: 512 numbers from a network that read SMILES letter by letter and was trained on thousands of bioassays.

Source: Preuer et al., J. Chem. Inf. Model. 2018, 58, 1736; the weights are those that the package `fcd` 1.2.2 ships
(LGPL-3.0). Needs the extra `pretrained`. The package's own code is not used.

Two convolutions halve the text twice, one long short-term memory reads it from the end and one from the start; the last
state of the second is the embedding. It depends on how a SMILES is written: molecules are standardised before.
"""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.chemistry.molecules import Molecule
from model_zoo.featurizers._packaged_weights import PackagedWeights

WIDTH = 512
PRETRAINING_DATA = (
    "outcomes of some 6,000 bioassays of ChEMBL, PubChem and ZINC: structures of public test sets may be among them, "
    "with labels where these hold the same assay"
)
WEIGHTS = PackagedWeights(
    featurizer="chemnet",
    package="fcd",
    file="ChemNet_v0.13_pretrained.pt",
    distribution="fcd",
    release="1.2.2",
    extra="pretrained",
    sha256="c22e977602b30eeabd7f81e6c790dd3234c7d7788c6c3e7979d8720ccc96951a",
)
LENGTH = 350
"""Tokens a text is filled up to; a longer one stays as long as it is."""
TOGETHER = 32
"""Texts read at once, always as many: in batches of other sizes the last digits would differ."""

_TOKENS = (
    *("C", "N", "O", "H", "F", "Cl", "P", "B", "Br", "S", "I", "Si", "#", "(", ")", "+", "-"),
    *("1", "2", "3", "4", "5", "6", "7", "8", "=", "[", "]", "@", "c", "n", "o", "s", "X", "."),
)
_NUMBERS = {token: number for number, token in enumerate(_TOKENS)}
_TOKEN = re.compile("|".join(map(re.escape, sorted(_TOKENS, key=len, reverse=True))) + "|.", re.DOTALL)


def featurize(molecules: Sequence[Molecule]) -> NDArray[np.float32]:
    """Return `n x 512` numbers as `float32`.

    Raises
    ------
    ConfigError
        When the package `fcd` is not installed, or holds other weights.
    """
    matrix = np.empty((len(molecules), WIDTH), dtype=np.float32)
    texts = [[_NUMBERS.get(token, _NUMBERS["X"]) for token in _TOKEN.findall(each.smiles + ".")] for each in molecules]
    lengths = np.array([max(LENGTH, len(text)) for text in texts], dtype=int)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for start in range(0, len(rows), TOGETHER):
            some = rows[start : start + TOGETHER]
            shares = np.zeros((TOGETHER, len(_TOKENS), length), dtype=np.float32)
            for place, row in enumerate(some):
                shares[place, texts[row], np.arange(len(texts[row]))] = 1 / len(_TOKENS)  # as it was trained
            matrix[some] = _read(shares)[: len(some)]
    return matrix


def _read(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the embeddings of texts, `b x 35 x length`."""
    import torch
    from torch.nn.functional import conv1d, pad, selu

    convolutions, memories = _network()
    with torch.no_grad():
        x = torch.from_numpy(shares)
        for weight in convolutions:
            short = max((-(-x.shape[2] // 2) - 1) * 2 + weight.shape[2] - x.shape[2], 0)
            x = selu(conv1d(pad(x, (short // 2, short - short // 2)), weight, stride=2))
        x = x.transpose(1, 2)
        for memory in memories:
            x = memory(x.flip(1))[0]
    return np.asarray(x[:, -1].numpy(), dtype=np.float32)


@lru_cache(maxsize=1)
def _network() -> tuple[list[Any], list[Any]]:
    """Return the weights of the convolutions, and the memories.

    The file is an archive with an entry of plain numbers per tensor, in the order of the layers and by columns, as
    Keras had them: nothing is unpickled.
    """
    import torch

    with zipfile.ZipFile(io.BytesIO(WEIGHTS.read())) as archive:
        entries = (archive.read(f"{Path(WEIGHTS.file).stem}/data/{number}") for number in itertools.count())

        def tensor(*shape: int) -> torch.Tensor:
            return torch.from_numpy(np.frombuffer(next(entries), dtype="<f4").reshape(shape, order="F").copy("C"))

        convolutions = [tensor(32, len(_TOKENS), 4), tensor(32, 32, 4)]
        memories = []
        for width, size in ((32, 128), (128, WIDTH)):
            memory = torch.nn.LSTM(width, size, batch_first=True)
            memory.load_state_dict({name: tensor(*part.shape) for name, part in memory.state_dict().items()})
            memories.append(memory.eval())
    return convolutions, memories
