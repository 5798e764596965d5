"""What models of an endpoint would cost where the champions of others serve beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from model_zoo.selection.cost import Cost
from model_zoo.selection.election import Candidate
from model_zoo.training.latency import featurizing_ms


def whole_costs(
    candidates: Sequence[Candidate],
    features: Mapping[str, Collection[str]],
    sizes_mb: Mapping[str, float],
    elsewhere: Collection[str],
    smiles: Sequence[str],
) -> list[Cost]:
    """Give what each candidate costs: its prediction, its features that nobody else reads, and its size.

    Measured in one sitting on one machine, since they are compared with each other.

    Parameters
    ----------
    candidates
        The models, of which the cost of a prediction is known.
    features, sizes_mb
        By model, the featurizers that it reads and the size of its files.
    elsewhere
        Featurizers that work for the champions of other endpoints anyway.
    smiles
        Standardised SMILES of the endpoint, some of which are featurized.
    """
    own = {name for item in candidates for name in features[item.model]} - set(elsewhere)
    ms = featurizing_ms(own, smiles) if own else {}
    return [
        Cost(
            item.ms_per_molecule + sum(ms[name] for name in features[item.model] if name in ms),
            sizes_mb[item.model],
        )
        for item in candidates
    ]
