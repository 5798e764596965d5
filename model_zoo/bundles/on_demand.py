"""Bundles that are read when they are first needed, and whose models make room for others when memory is short.

Belongs here: what of a bundle is in memory at a moment, and the bound on all of it together.
Does not belong here: checking and reading a bundle (see `reader.py`), which champions are served (see
`serving/champions`).

Opening one checks every checksum. Whether the model reproduces its reference predictions is found out before its first
prediction and remembered; a model that is read again is checked by its checksums alone, as nothing else can have
changed since.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model_zoo.bundles.card import FILE as CARD
from model_zoo.bundles.card import ModelCard, parse_card
from model_zoo.bundles.neighbours import Neighbours
from model_zoo.bundles.reader import Bundle, load_bundle, read_verified, verify_files
from model_zoo.errors import BundleError
from model_zoo.explanation.explainer import Explainer
from model_zoo.explanation.explanation_file import FILE as EXPLANATION
from model_zoo.explanation.explanation_file import load_explainer
from model_zoo.fitted_models.formats import Model, load_model
from model_zoo.type_aliases import Numbers
from model_zoo.uncertainty.applicability_domain import Domain
from model_zoo.uncertainty.shared_domain import DomainIndexes

GROWTH = 6
"""Bytes in memory for each byte of a model's files: ONNX Runtime's own copy of a tree ensemble is that much larger
(`python -m tests.benchmarks.bench_memory`)."""

T = TypeVar("T")


class ModelMemory:
    """Parts of bundles that are in memory: those longest unused make room.

    Parameters
    ----------
    limit_bytes
        How much all of them may take together; the part used last stays, however large it is.

    Examples
    --------
    >>> memory = ModelMemory(10)
    >>> [memory.get(key, lambda: key, lambda: 6) for key in ("a", "b")], memory.holds("a"), memory.holds("b")
    (['a', 'b'], False, True)
    """

    def __init__(self, limit_bytes: float) -> None:
        # Re-entrant: a bundle that is freed while a part is noted lets go of its own on the same thread.
        self._limit, self._lock, self._taken = limit_bytes, threading.RLock(), 0.0
        self.domains = DomainIndexes()
        self._parts: OrderedDict[object, tuple[object, float]] = OrderedDict()

    def get(self, key: object, read: Callable[[], T], size_bytes: Callable[[], float]) -> T:
        """Return a part, read and measured now when it is not in memory; one caller at a time for each part."""
        with self._lock:
            known = self._parts.get(key)
            if known is not None:
                self._parts.move_to_end(key)
                return known[0]  # type: ignore[return-value]
        part, taken = read(), size_bytes()
        with self._lock:
            if key not in self._parts:
                self._parts[key] = (part, taken)
                self._taken += taken
            while self._taken > self._limit and len(self._parts) > 1:
                _, (_, freed) = self._parts.popitem(last=False)
                self._taken -= freed
        return part

    def holds(self, key: object) -> bool:
        """Return whether a part is in memory."""
        return key in self._parts

    def drop(self, *keys: object) -> None:
        """Let parts go that nobody asks for any more."""
        with self._lock:
            for key in keys:
                _, freed = self._parts.pop(key, (None, 0.0))
                self._taken -= freed


class OnDemandBundle(Bundle):
    """A bundle whose checksums hold; the rest is read when it is needed.

    Parameters
    ----------
    fetch
        Gives the folder of the bundle, which may be brought there again.
    manifest_digest
        What the pointer says of its manifest; none where nobody says anything.
    memory
        Bounds what all bundles take.

    Raises
    ------
    BundleError
        When anything is missing or altered. A prediction, and a call of `require_sound`, also raises one when
        the model does not predict what it should.
    """

    _fetch: Callable[[], Path]
    digest: str | None
    """What the pointer says of its manifest."""
    _memory: ModelMemory
    _lock: threading.RLock
    _keys: Mapping[str, object]
    _kept: Bundle | None
    _fault: BundleError | None

    def __init__(self, fetch: Callable[[], Path], manifest_digest: str | None, memory: ModelMemory) -> None:
        folder = fetch()
        vars(self).update(folder=folder, manifest=verify_files(folder, manifest_digest))  # it is frozen
        vars(self).update(_fetch=fetch, digest=manifest_digest, _memory=memory, _lock=threading.RLock())
        keys = {name: (object(), name) for name in ("model", "explainer")}  # its own: another bundle has others
        vars(self).update(_keys=keys, _kept=None, _fault=None)
        weakref.finalize(self, memory.drop, *keys.values())
        _ = self.card

    @cached_property
    def card(self) -> ModelCard:
        """The model card, which is read before anything is predicted."""
        return parse_card(read_verified(self.folder, CARD), str(self.folder / CARD))

    @property
    def is_sound(self) -> bool:
        """Whether its model was seen to reproduce the reference predictions."""
        return self._kept is not None

    def require_sound(self) -> None:
        """Read it whole and see whether the model reproduces its reference predictions, unless that was seen before.

        Raises
        ------
        BundleError
            When it does not, now and whenever it is asked again.
        """
        self._rest()

    @property
    def domain(self) -> Domain:
        """The training molecules, which stay in memory."""
        return self._rest().domain

    @property
    def neighbours(self) -> Neighbours:
        """The same, as people know them."""
        return self._rest().neighbours

    @property
    def model(self) -> Model:
        """The model, read again when it had to make room."""
        self._rest()
        return self._part("model", self._read_model)

    @property
    def explainer(self) -> Explainer | None:
        """What explains its predictions, read when it is asked for."""
        if EXPLANATION not in self.manifest.files:
            return None
        return self._part("explainer", self._read_explainer)

    def _rest(self) -> Bundle:
        """Return what stays in memory once it was seen to be sound."""
        with self._lock:
            if self._fault is not None:
                raise self._fault
            if self._kept is None:
                try:
                    whole = load_bundle(self._fetch(), self.digest)
                except BundleError as error:
                    vars(self)["_fault"] = error.with_traceback(None)
                    raise
                model = whole.model
                self._part("model", lambda: model)
                vars(self)["_kept"] = replace(
                    whole,
                    model=_Elsewhere(),
                    explainer=None,
                    domain=self._memory.domains.shared(whole.domain, self.manifest.files["domain.npy"]),
                )
            assert self._kept is not None
            return self._kept

    def _part(self, name: str, read: Callable[[], T]) -> T:
        with self._lock:
            return self._memory.get(self._keys[name], read, self._bytes)

    def _bytes(self) -> float:
        """Estimate what the model takes, and as much for its explainer, which holds on to it."""
        files = (file for file in self.manifest.files if file.startswith("model/"))
        return GROWTH * sum((self.folder / file).stat().st_size for file in files)

    def _read_model(self) -> Model:
        folder = self._fetch()
        verify_files(folder, self.digest)
        return load_model(folder / "model")

    def _read_explainer(self) -> Explainer:
        manifest = self.manifest
        blocks = manifest.policies.blocks(manifest.features)
        return load_explainer(
            self._fetch(), self.model, blocks, manifest.target, manifest.unit, manifest.trust.probability
        )


class _Elsewhere:
    """Takes the place of a model that is not in memory."""

    def predict(self, X: Numbers) -> NDArray[np.float64]:
        raise BundleError(f"expected the model to be asked through its bundle, got {len(X)} rows")

    def save(self, folder: Path) -> None:
        raise BundleError(f"{folder}: expected a model to write, got a bundle that is in use")
