"""In which order stale assets are made.

Belongs here: choosing what comes next: one endpoint whole with a cheap candidate, then the others', then the costly
models; and each election as soon as there is something to elect.
Does not belong here: making it (see `execution/runner.py`), how an election is decided (see
`model_zoo.selection.election`).

An endpoint that an ordinary champion serves is judged once, when nothing more will come; one that nobody serves, or a
provisional champion, after every model. A leaderboard is judged apart from the trainings: in one run, a model that
fails would take it down; and the service apart from the champions: whether it changes is only known when they have.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from model_zoo.selection.election import BASELINE

from ai_drug_assets.planning.awaited import PROVISIONAL, awaited
from ai_drug_assets.planning.catalog import INFERENCE_SERVICE, Catalog, Node
from ai_drug_assets.planning.estimates import Estimates
from ai_drug_assets.planning.ledger import Entry, Ledger
from ai_drug_assets.planning.plan import is_stale
from ai_drug_assets.planning.selection import MADE

SKIPPED = "skipped: something it is made from failed"


FIRST, CHEAP, COSTLY = range(3)


@dataclass
class Order:
    """What is left to make, and what comes next."""

    catalog: Catalog
    ledger: Ledger
    estimates: Estimates
    """`catalog`, `ledger` and `estimates`: what there is to make, what was made, and how long it takes."""
    stale: Collection[Node]
    """The chosen assets that are stale."""
    chosen: Collection[str]
    """Keys of all chosen assets."""
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Rank endpoints and models."""
        self._todo = {node.key for node in self.stale}
        self._running: set[str] = set()
        self._tried: dict[str, dict[str, Entry]] = {}
        self._phases: dict[str, int] = {}
        for endpoint in self.catalog.configs.endpoints:
            self._phases |= self._phases_of(endpoint)
        first = {name: self._cost_of_first(name) for name in self.catalog.configs.endpoints}
        self.endpoints = sorted(first, key=lambda name: (first[name], name))

    def next(self) -> list[str]:
        """Return the keys of what to make next, in one run; none when everything left waits for what is running."""
        return self._service() or self._election() or self._training() or self._rest()

    def first_bundle(self) -> tuple[str, str] | None:
        """Return the endpoint and the model that a first bundle will be of; none where something serves already."""
        served = (f"champion_model/{name}" for name in self.catalog.configs.endpoints)
        if INFERENCE_SERVICE not in self.chosen or any(self.ledger.read(key).made for key in served):
            return None
        for endpoint in self.endpoints:
            for key in self.catalog.nodes[f"leaderboard/{endpoint}"].deps:
                name = str(self.catalog.nodes[key].name)
                if key in self._todo and self._phases[key] == FIRST and name != BASELINE:
                    return endpoint, name
        return None

    @property
    def left(self) -> int:
        """How many assets are left to make, what a run made before it was cut off taken off."""
        return sum(not self.ledger.made_under(key, self.catalog.nodes[key].signature) for key in self._todo)

    def started(self, keys: Iterable[str]) -> None:
        """Note that these are being made."""
        self._running.update(keys)

    def postponed(self, key: str) -> None:
        """Note that a judgement was tried on what there is now, and is not due before that changes."""
        self._tried[key] = {dep: self.ledger.read(dep) for dep in self.catalog.nodes[key].deps}
        self._todo.discard(key)

    def ended(self, outcome: Mapping[str, str | None]) -> None:
        """Note what came of these: by key what went wrong, or none where nothing did."""
        self._running -= outcome.keys()
        self._todo -= outcome.keys()
        for key, error in outcome.items():
            if error is None:
                self.failed.pop(key, None)
            else:
                self.failed[key] = error
        for key in sorted(self._todo):
            if self.catalog.nodes[key].kind in MADE and self.failed.keys() & set(self.catalog.upstream(key)):
                self._todo.discard(key)
                self.failed[key] = SKIPPED

    def _phases_of(self, endpoint: str) -> dict[str, int]:
        """Return when each model of an endpoint has its turn: the baseline and the cheapest candidate first."""
        trained = [self.catalog.nodes[key] for key in self.catalog.nodes[f"leaderboard/{endpoint}"].deps]
        models = {node.key: self.catalog.configs.models[str(node.name)] for node in trained}
        phases = {key: CHEAP if model.cheap else COSTLY for key, model in models.items()}
        candidates = [node for node in trained if node.name != BASELINE and not models[node.key].is_ensemble]
        cheapest = min(candidates, key=lambda n: (phases[n.key], self.estimates.seconds(n), n.key), default=None)
        first = {node.key for node in trained if node is cheapest or node.name == BASELINE}
        return phases | dict.fromkeys(first, FIRST)

    def _cost_of_first(self, endpoint: str) -> float:
        keys = {
            made
            for key in self.catalog.nodes[f"leaderboard/{endpoint}"].deps
            if self._phases[key] == FIRST and key in self._todo
            for made in self._with_upstream(key)
        }
        # Exact: rounded, a sum over a set hangs on the order of its hashes, and would decide between equals.
        return math.fsum(self.estimates.seconds(self.catalog.nodes[key]) for key in keys)

    def _with_upstream(self, key: str) -> list[str]:
        """Return an asset with what is left to make of all that it is made from."""
        wanted = {key, *(dep for dep in self.catalog.upstream(key) if dep in self._todo)}
        return [key for key in self.catalog.nodes if key in wanted]

    def _training(self) -> list[str]:
        ready = [key for key in self._todo - self._running if key in self._phases and self._is_ready(key)]
        if not ready:
            return []
        rank = {name: place for place, name in enumerate(self.endpoints)}

        def turn(key: str) -> tuple[float, ...]:
            node, phase = self.catalog.nodes[key], self._phases[key]
            place = rank[str(node.endpoint)]
            # The costly models of the largest endpoint first: what is left for one lane at the end is then short.
            return (phase, -place if phase == COSTLY else place, self.estimates.seconds(node))

        best = min(ready, key=lambda key: (turn(key), key))
        together = [best]
        if self._phases[best] == FIRST:
            here = self.catalog.nodes[best].endpoint
            together = [key for key in ready if self._phases[key] == FIRST and self.catalog.nodes[key].endpoint == here]
        wanted = {part for key in together for part in self._with_upstream(key)}
        return [key for key in self.catalog.nodes if key in wanted]

    def _is_ready(self, key: str) -> bool:
        """Return whether nothing that a model is made from is being made, and no member of an ensemble is left."""
        left = [dep for dep in self.catalog.upstream(key) if dep in self._todo]
        return not any(dep in self._running or dep in self._phases for dep in left)

    def _rest(self) -> list[str]:
        """Return datasets and features that no stale model needs, an endpoint's at a time."""
        for key in self.catalog.nodes:
            node = self.catalog.nodes[key]
            if key in self._todo - self._running and node.kind in MADE and key not in self._phases:
                needed = any(key in self.catalog.upstream(model) for model in self._todo & self._phases.keys())
                if not needed and not any(dep in self._running for dep in self.catalog.upstream(key)):
                    return self._with_upstream(key)
        return []

    def _election(self) -> list[str]:
        if any(self.catalog.nodes[key].kind not in MADE for key in self._running):
            return []  # one at a time: the service is published after each
        for endpoint in self.endpoints:
            board = self.catalog.nodes[f"leaderboard/{endpoint}"]
            champion = self.catalog.nodes[f"champion_model/{endpoint}"]
            if board.key not in self.chosen or not self._has_candidates(board, champion):
                continue
            if self._is_due(board):
                return [board.key, champion.key]
            if self.ledger.made_under(board.key, board.signature) and self._is_due(champion):
                return [champion.key]
        return []

    def _has_candidates(self, board: Node, champion: Node) -> bool:
        """Return whether an election makes sense now."""
        made = [key for key in board.deps if self.ledger.made_under(key, self.catalog.nodes[key].signature)]
        if any(key in self._todo | self._running for key in made):
            return False  # it is there and will be recorded again, where its record was lost: that takes a moment
        coming = [key for key in awaited(board, self.catalog, self.ledger.read) if key in self._todo | self._running]
        if not coming:
            return bool(made)
        if self._is_established(champion):
            return False
        names = {key: self.catalog.nodes[key].name for key in board.deps}
        baseline_is_judged = not any(names[key] == BASELINE for key in coming)
        return baseline_is_judged and any(names[key] != BASELINE for key in made)

    def _is_established(self, champion: Node) -> bool:
        made = self.ledger.read(champion.key).made
        return made is not None and made.data_version != "none" and not made.data_version.endswith(PROVISIONAL)

    def _service(self) -> list[str]:
        node = self.catalog.nodes.get(INFERENCE_SERVICE)
        if node is None or node.key not in self.chosen or node.key in self._running:
            return []
        there = any(self.ledger.made_under(key, self.catalog.nodes[key].signature) for key in node.deps)
        judging = any(key in self._running for key in node.deps)
        return [node.key] if there and not judging and self._is_due(node) else []

    def _is_due(self, node: Node) -> bool:
        """Return whether an asset is stale, and not just as it was when making it was last tried."""
        if not self._is_stale(node):
            return False
        now = {key: self.ledger.read(key) for key in node.deps}
        if self._tried.get(node.key) == now:
            return False
        self._tried[node.key] = now
        return True

    def _is_stale(self, node: Node) -> bool:
        entries = {key: self.ledger.read(key) for key in (node.key, *node.deps)}
        return node.key in self._todo or is_stale(node, self.catalog, entries)
