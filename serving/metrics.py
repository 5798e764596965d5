"""What the service counts and times, for Prometheus.

Labels take few values: routes as templates, codes, endpoints, versions in use. Nothing here comes from a
structure. With several workers `PROMETHEUS_MULTIPROC_DIR` names a folder in which all of them count, and
the worker that is asked answers for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import get_args

from prometheus_client import Counter, Histogram

from model_zoo.inference.predictor import Stage

_SECONDS = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter("aidrug_requests", "Answers, by route, method and status.", ("route", "method", "status"))
REQUEST_SECONDS = Histogram(
    "aidrug_request_seconds",
    "From a request to the end of its answer.",
    ("route",),
    buckets=_SECONDS,
)
_STAGE_SECONDS = Histogram(
    "aidrug_stage_seconds",
    "Time of a batch in the queue, parsing, featurizing and predicting, and of an answer in serialising.",
    ("stage",),
    buckets=_SECONDS,
)
QUEUE, SERIALISE = _STAGE_SECONDS.labels("queue"), _STAGE_SECONDS.labels("serialise")
_PREDICTING = {stage: _STAGE_SECONDS.labels(stage) for stage in get_args(Stage)}
BATCH_MOLECULES = Histogram(
    "aidrug_batch_molecules", "Molecules predicted in one go.", buckets=(1, 2, 4, 8, 16, 32, 64)
)
CACHE = Counter("aidrug_cache", "Molecules of requests that were remembered, or not.", ("result",))
CACHE_HITS, CACHE_MISSES = CACHE.labels("hit"), CACHE.labels("miss")
MOLECULE_ERRORS = Counter(
    "aidrug_molecule_errors", "Molecules that were not predicted, by endpoint and code.", ("endpoint", "code")
)
REFUSED_REQUESTS = Counter("aidrug_queue_refusals", "Requests that the queue turned away, by code.", ("code",))
GIVEN_UP = Counter("aidrug_batches_given_up", "Batches that took too long.")
SWAPS = Counter("aidrug_swaps", "Champions that replaced another.", ("endpoint",))
REFUSED_BUNDLES = Counter("aidrug_refused_bundles", "Bundles that could not be loaded.", ("endpoint",))
LOG_DROPS = Counter("aidrug_log_drops", "Log lines that nobody could write.")


@contextmanager
def timed(stage: Stage) -> Iterator[None]:
    """Time a stage of predicting."""
    begun = perf_counter()
    try:
        yield
    finally:
        _PREDICTING[stage].observe(perf_counter() - begun)
