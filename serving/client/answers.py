"""What the client of the service gives back, as typed values.

Nothing but the standard library is imported, so that the client works without the service's dependencies. A field
that a newer service adds is ignored; one that an older service lacks has its default.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from serving.client.deprecation import deprecated

T = TypeVar("T")


@dataclass(frozen=True)
class Neighbour:
    """A training molecule and what was measured for it."""

    smiles: str
    similarity: float
    value: float
    unit: str
    relation: str = "="
    display_value: float | None = None


@dataclass(frozen=True)
class Alert:
    """A substructure that chemists distrust."""

    name: str
    catalogue: str
    atoms: list[int]


@dataclass(frozen=True)
class Fragment:
    """A group of the molecule, the sum over its atoms, and where known what the prediction loses without it."""

    smiles: str
    atoms: list[int]
    worth: float
    lost: float | None = None


@dataclass(frozen=True)
class Pair:
    """Two measured molecules that differ only in a group which this one has."""

    group: str
    instead: str
    having: Neighbour
    other: Neighbour


@dataclass(frozen=True)
class Explanation:
    """Parts of one prediction: `baseline`, all `atoms` and `rest` sum to `prediction`."""

    baseline: float
    atoms: list[float]
    rest: float
    prediction: float
    scale: str
    method: str
    fidelity: float | None = None
    fragments: list[Fragment] = field(default_factory=list)
    pair: Pair | None = None


@deprecated("domain", "`reliability`, which is `low` where `domain` is `outside`")
@dataclass(frozen=True)
class EndpointPrediction:
    """What an endpoint's champion says of one molecule; see the API's description for each field.

    `domain` is deprecated: use `reliability`.
    """

    value: float
    unit: str
    interval: tuple[float, float] | None
    similarity: float
    domain: str
    standardised: str
    champion: str
    model: str
    signature: str
    percentile: float | None = None
    reference_name: str | None = None
    label: int | None = None
    threshold: float | None = None
    prediction_set: list[int] | None = None
    role: str = "champion"
    provisional: bool = False
    no_interval: str | None = None
    neighbours: list[Neighbour] | None = None
    display_value: float | None = None
    display_interval: tuple[float | None, float | None] | None = None
    display_unit: str | None = None
    explanation: Explanation | None = None
    reliability: str | None = None
    usual_error: float | None = None
    usual_error_unit: str | None = None
    interval_factor: float | None = None
    calibration: str | None = None


@dataclass(frozen=True)
class MoleculeError:
    """Why a molecule was not predicted, or has no value of one endpoint; or why a job failed."""

    code: str
    detail: str


@dataclass(frozen=True)
class Note:
    """What to know of how a structure was understood: what was left out of it, or not read."""

    code: str
    detail: str


@dataclass(frozen=True)
class Prediction:
    """One molecule: either `endpoints` or `error`. `columns` are those of a job's upload.

    `failed` says of each endpoint that has no value why, although the molecule was predicted.
    """

    index: int
    smiles: str
    endpoints: dict[str, EndpointPrediction] = field(default_factory=dict)
    alerts: list[Alert] | None = None
    error: MoleculeError | None = None
    columns: dict[str, str] | None = None
    notes: list[Note] = field(default_factory=list)
    failed: dict[str, MoleculeError] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """Molecules, in the order of the request."""

    predictions: list[Prediction]


@dataclass(frozen=True)
class Job:
    """A batch job: what it is, how far it is, what answers it. Times are ISO 8601."""

    id: str
    status: str
    done: int
    total: int
    failed: int
    created: str
    started: str | None
    finished: str | None
    expires: str | None
    champions: dict[str, str]
    include: list[str]
    name: str | None
    format: str
    encoding: str | None
    columns: list[str]
    smiles_column: str | None
    error: MoleculeError | None
    links: dict[str, str]

    @property
    def over(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in ("done", "failed", "cancelled")


@dataclass(frozen=True)
class ChampionSummary:
    """Which version serves an endpoint."""

    version: str
    model: str
    signature: str
    since: str


@dataclass(frozen=True)
class Desirable:
    """The range that a project wants, in the endpoint's unit; how far outside of it a value is worth nothing."""

    low: float | None
    high: float | None
    margin: float


@dataclass(frozen=True)
class Endpoint:
    """What an endpoint means, and what serves it."""

    name: str
    title: str
    description: str
    unit: str
    direction: str
    task: str
    champion: ChampionSummary
    provisional: bool = False
    awaited: list[str] = field(default_factory=list)
    display_unit: str | None = None
    desirable: Desirable | None = None


@dataclass(frozen=True)
class Model:
    """A loaded model."""

    endpoint: str
    model: str
    version: str
    signature: str
    features: list[str]
    domain_threshold: float
    interval_half_width: float | None


@dataclass(frozen=True)
class ServedVersion:
    """A version that served an endpoint."""

    version: str
    since: str
    by: str


@dataclass(frozen=True)
class Trial:
    """A challenger on trial beside the champion."""

    version: str
    since: str
    mode: str
    share: float
    error: str | None


@dataclass(frozen=True)
class Champion:
    """An endpoint's champion: its version, since when, those before it (oldest first), and its model card."""

    endpoint: str
    appointed: ServedVersion
    serving: str | None
    held: str | None
    history: list[ServedVersion]
    error: str | None
    card: dict[str, Any] | None
    challenger: Trial | None = None
    provisional: bool = False
    awaited: list[str] = field(default_factory=list)
    card_markdown: str | None = None


@dataclass(frozen=True)
class LeaderboardRow:
    """A trained model; `cv` decides, `test` is reported only."""

    model: str
    signature: str
    cv: float
    cv_std: float
    test: float | None
    champion: bool
    refused: str | None
    p_value: float | None


@dataclass(frozen=True)
class Leaderboard:
    """All trained models of an endpoint, best first, and why one of them serves."""

    endpoint: str
    champion: str
    metric: str
    reason: str
    challenger: str | None
    snapshot: str
    rows: list[LeaderboardRow]
    absent: dict[str, str]
    note: str = ""
    scale: str = ""


def read(kind: type[T], content: Any) -> T:
    """Read JSON content as one of these, or as a list of them.

    Raises
    ------
    TypeError
        When a field that has no default is missing, or the content is no object or list where one belongs.

    Examples
    --------
    >>> read(MoleculeError, {"code": "empty", "detail": "expected a SMILES", "since": "tomorrow"})
    MoleculeError(code='empty', detail='expected a SMILES')
    """
    value: T = _read(kind, content)
    return value


def _read(hint: Any, content: Any) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(content, Mapping):
            raise TypeError(f"{hint.__name__}: expected an object, got {type(content).__name__}")
        hints = _hints(hint)
        missing = [
            each.name
            for each in fields(hint)
            if each.name not in content and each.default is MISSING and each.default_factory is MISSING
        ]
        if missing:
            raise TypeError(f"{hint.__name__}: expected the fields {', '.join(missing)}")
        return hint(**{name: _read(hints[name], content[name]) for name in hints if name in content})
    origin, arguments = get_origin(hint), get_args(hint)
    if content is None or origin is None:
        return content
    if origin in (Union, types.UnionType):
        return _read(next(each for each in arguments if each is not type(None)), content)
    if origin is list:
        if not isinstance(content, list):
            raise TypeError(f"expected a list, got {type(content).__name__}")
        return [_read(arguments[0], each) for each in content]
    if origin is dict:
        if not isinstance(content, Mapping):
            raise TypeError(f"expected an object, got {type(content).__name__}")
        return {key: _read(arguments[1], each) for key, each in content.items()}
    return tuple(content) if origin is tuple else content


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
