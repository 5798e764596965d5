"""Print the digests of some sources as JSON: run by every interpreter there is, without any library.

Arguments: the checkout, and a folder that holds a module `sample`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOTS = (
    "model_zoo.data.dataset.make_dataset",
    "model_zoo.training.cross_validation.train_and_score",
    "model_zoo.models.dmpnn.train",
    "model_zoo.models.gp.train",
    "model_zoo.featurizers.rdkit_descriptors.featurize",
)


def main(checkout: str, folder: str) -> None:
    """Print the digests of the sample's definitions, and of what some of the checkout's reach."""
    sys.path.insert(0, checkout)
    from model_zoo.provenance.definitions import Definitions

    known = Definitions(Path(folder))
    module = known.names.module("sample")
    assert module is not None
    sample = {name: known.digest(f"sample.{name}") for name in sorted(module.where)}
    reached = Definitions(Path(checkout)).reach(ROOTS).digests
    print(json.dumps({"sample": sample, "roots": ROOTS, "checkout": reached}))


if __name__ == "__main__":
    main(*sys.argv[1:])
