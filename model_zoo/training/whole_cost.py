"""What models of an endpoint would cost where features are computed for other endpoints too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from model_zoo.selection.cost import Cost
from model_zoo.selection.election import Candidate
from model_zoo.training.latency import featurizing_ms


def whole_costs(
    candidates: Sequence[Candidate],
    features: Mapping[str, Collection[str]],
    sizes_mb: Mapping[str, float],
    readers: Mapping[str, int],
    smiles: Sequence[str],
) -> list[Cost]:
    """Return what each candidate costs: its prediction, its share of its features, and its size.

    A feature is computed once for all who read it, so each endpoint whose models could read it pays an equal share. Not
    what others' champions read at the moment: then the order of elections would decide who wins them.

    Measured in one run on one machine, since they are compared with each other.

    Parameters
    ----------
    candidates
        The models, of which the cost of a prediction is known.
    features, sizes_mb
        By model, the featurizers that it reads and the size of its files.
    readers
        By featurizer, the number of endpoints at which a model that competes reads it.
    smiles
        Standardised SMILES of the endpoint, some of which are featurized.
    """
    ms = featurizing_ms({name for item in candidates for name in features[item.model]}, smiles)
    return [
        Cost(
            item.ms_per_molecule + sum(ms[name] / max(1, readers[name]) for name in features[item.model]),
            sizes_mb[item.model],
        )
        for item in candidates
    ]
