"""What a request may ask for beside the numbers: explanations, the nearest training molecules, structural alerts.

Belongs here: finding these for answers that are already there, and remembering what costs milliseconds.
Does not belong here: predicting (see `model_zoo.inference.predictor`), how they are found (see `model_zoo`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from rdkit import Chem

from model_zoo.bundles.neighbours import Neighbour
from model_zoo.chemistry.molecules import Molecule
from model_zoo.chemistry.structural_alerts import Alert
from model_zoo.explanation.explainer import Explainer, Explanation
from model_zoo.explanation.fragments import Fragment, fragments_of
from model_zoo.explanation.measured_pair import MeasuredPair, nearest_pair
from model_zoo.inference.answers import Answer, Estimates, Fault
from model_zoo.inference.chemistry import ProcessEndedError
from model_zoo.inference.predictor import HERE
from model_zoo.policies import find_alerts
from serving.champions.champion_registry import Champion
from serving.inference.chemistry_process import ChemistryProcess
from serving.inference.lru_cache import LruCache

logger = logging.getLogger(__name__)

INCLUDES = ("neighbours", "explanation", "alerts")
"""What a request may ask for."""
NEIGHBOURS = 3
PAIRED = 60
"""Nearest measured molecules among which a pair that differs in one group is sought."""
EXPLAINED = 5_000
"""How many explanations are remembered; each is about a kilobyte."""
MOST_EXPLAINED_ATOMS = 70
"""Larger molecules are not explained: masking them atom by atom takes the square of what a prediction takes, and more.
This many atoms take up to seven seconds."""
GRACE_S = 1.0
"""What is explained when time is over has this long to end, and is then remembered; a process begins as slowly."""
PART = 8
"""Molecules that are looked at in one go, where none is explained."""


class Overdue(Exception):  # noqa: N818  it is not an error of the code
    """The time of a request is over, or nobody waits for it."""


class Deadline:
    """Whether something may continue, and the process that works for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: ChemistryProcess | None = None
        self._over = False

    def end(self) -> None:
        """Let nothing new begin; from any thread."""
        self._over = True

    def kill(self) -> None:
        """End what has not come to its end."""
        with self._lock:
            self.end()
            if self._process is not None:
                self._process.kill()

    def check(self) -> None:
        """Return if the work may continue.

        Raises
        ------
        Overdue
            When it was ended.
        """
        if self._over:
            raise Overdue

    @contextmanager
    def owns(self, process: ChemistryProcess | None) -> Iterator[None]:
        """Name the process that may be killed, for as long as the context lasts: then it works for others."""
        with self._lock:
            self.check()
            self._process = process
        try:
            yield
        finally:
            with self._lock:
                self._process = None


@dataclass(frozen=True)
class Beside:
    """What is beside an explanation: groups, and where `sought` the nearest measured pair that differs in one."""

    groups: tuple[Fragment, ...] = ()
    pair: MeasuredPair[Neighbour] | None = None
    sought: bool = False


@dataclass(frozen=True)
class Annotation:
    """What was asked for of one molecule; none, or an endpoint missing, where it was not asked for.

    An explanation is none where a champion cannot explain this molecule; what is `beside` it is missing then too.
    """

    alerts: tuple[Alert, ...] | None = None
    neighbours: Mapping[str, list[Neighbour]] = field(default_factory=dict)
    explanations: Mapping[str, Explanation | None] = field(default_factory=dict)
    beside: Mapping[str, Beside] = field(default_factory=dict)


class Annotations:
    """Finds what a request asks for."""

    def __init__(
        self, cache_entries: int, processes: Callable[[], AbstractContextManager[ChemistryProcess | None]] = nullcontext
    ) -> None:
        self._processes = processes
        self._alerts: LruCache[tuple[int, str], tuple[Alert, ...]] = LruCache(cache_entries)
        self._explanations: LruCache[tuple[str, str], Explanation] = LruCache(min(cache_entries, EXPLAINED))

    def gather(
        self,
        champions: Mapping[str, Champion],
        answers: Sequence[Answer],
        include: Collection[str],
        deadline: Deadline | None = None,
    ) -> list[Annotation]:
        """Return one insight per answer, in order; an empty one for a molecule that was not predicted.

        Alerts point at the atoms of the first endpoint's standardised SMILES, and are found by the version of the
        rules in that endpoint's bundle. Slow enough for a worker thread.

        Raises
        ------
        Overdue
            When a deadline was ended, at the next molecule or endpoint, or when it was killed.
        """
        deadline = deadline or Deadline()
        return [
            Annotation() if isinstance(answer, Fault) or not answer else self._one(champions, answer, include, deadline)
            for answer in answers
        ]

    def _one(
        self, champions: Mapping[str, Champion], answer: Answer, include: Collection[str], deadline: Deadline
    ) -> Annotation:
        assert isinstance(answer, Estimates)
        deadline.check()
        molecules = {
            estimate.smiles: Molecule(estimate.smiles, Chem.MolFromSmiles(estimate.smiles))
            for estimate in answer.values()
        }
        near = {
            name: champions[name].bundle.nearest([molecules[estimate.smiles]], NEIGHBOURS)[0]
            for name, estimate in answer.items()
            if "neighbours" in include
        }
        why = {
            name: self._explanation_of(champions[name], molecules[estimate.smiles], deadline)
            for name, estimate in answer.items()
            if "explanation" in include
        }
        beside = {
            name: self._beside(
                champions[name], molecules[answer[name].smiles], explanation, pairs="neighbours" in include
            )
            for name, explanation in why.items()
            if explanation is not None
        }
        found = None
        if "alerts" in include:
            name, first = next(iter(answer.items()))
            found = self._alerts_of(molecules[first.smiles], champions[name].manifest.policies.alerts)
        return Annotation(found, near, why, beside)

    def _explanation_of(self, champion: Champion, molecule: Molecule, deadline: Deadline) -> Explanation | None:
        if champion.bundle.explainer is None or molecule.mol.GetNumHeavyAtoms() > MOST_EXPLAINED_ATOMS:
            return None
        deadline.check()
        key = (champion.manifest.version, molecule.smiles)
        known = self._explanations.get(key)
        if known is None:
            try:
                known = self._explained(champion.bundle.explainer, molecule, deadline)
            except Overdue:
                raise
            except Exception as error:  # noqa: BLE001  a prediction is valid without its explanation
                logger.warning("%s/%s cannot explain: %s", champion.manifest.endpoint, key[0], type(error).__name__)
                return None
            self._explanations.put(key, known)
        return known

    @staticmethod
    def _beside(champion: Champion, molecule: Molecule, why: Explanation, *, pairs: bool) -> Beside:
        try:
            groups = fragments_of(molecule.mol, why.atoms, why.lost)
            near = champion.bundle.nearest([molecule], PAIRED)[0] if pairs else []
            return Beside(groups, nearest_pair(molecule.smiles, near), pairs)
        except Exception as error:  # noqa: BLE001  groups may fail: RDKit raises what it likes
            logger.warning("%s: a molecule cannot be cut: %s", champion.manifest.endpoint, type(error).__name__)
            return Beside()

    def _alerts_of(self, molecule: Molecule, version: int) -> tuple[Alert, ...]:
        known = self._alerts.get((version, molecule.smiles))
        if known is None:
            known = find_alerts(molecule.mol, policy=version)
            self._alerts.put((version, molecule.smiles), known)
        return known

    def _explained(
        self, explainer: Explainer, molecule: Molecule, deadline: Deadline, *, again: bool = True
    ) -> Explanation:
        """Explain; a process that was killed is replaced once."""
        with self._processes() as process, deadline.owns(process):
            try:
                return explainer.explain(molecule, process or HERE)
            except ProcessEndedError:
                deadline.check()
                if not again:
                    raise
        return self._explained(explainer, molecule, deadline, again=False)
