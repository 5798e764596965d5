"""The model card as values: what a champion is, what it was made from, how good it is and who else was there.

Format 5 reports how expected errors held on what was withheld, format 4 the endpoint's category, format 3 what was
found by level of reliability. Format 2 states its version. Cards of format 1 state less, and what one of
them states in another shape is left out: a bundle is served whatever its card says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from pydantic import ConfigDict, Field, JsonValue, ValidationError

from model_zoo.errors import BundleError
from model_zoo.io.artefacts import Artefact, Format, Part, read_artefact
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.selection.election import Candidate
from model_zoo.selection.scores import OnScale, Rows, Scale, Spread

FILE = "card.json"
HELD_OUT: Mapping[str, str] = {
    "scaffold": "held-out scaffolds",
    "cluster": "held-out clusters",
    "time": "later measurements",
    "group": "held-out groups",
    "random": "held-out molecules (drawn at random)",
}
"""What was held out, by what a split keeps together."""


class Property(Part):
    """What is predicted, as the endpoint's YAML said it then."""

    name: str = ""
    title: str = ""
    description: str = ""
    task: str = ""
    unit: str = ""
    display_unit: str | None = None
    direction: str = ""
    licence: str = ""
    category: str = ""
    """Under which heading people look for it among many."""


class Recipe(Part):
    """The model, as its YAML said it then; `auxiliary` are other endpoints that it learnt from."""

    name: str = ""
    description: str = ""
    features: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
    config: Mapping[str, JsonValue] = {}


class Performance(Part):
    """Scores by metric: over the folds, on the test split, and the latter's bootstrap 95 % interval."""

    cv: Mapping[str, Spread] = {}
    test: Mapping[str, float] = {}
    rows: Rows | None = None
    test_interval: Mapping[str, tuple[float, float]] = {}
    scale: Scale = "unit"
    """The scale that decides, which `cv`, `test` and their intervals are on."""
    scale_name: str = ""
    scales: Mapping[Scale, OnScale] = {}


class Division(Part):
    """How the molecules were divided."""

    kind: str = ""
    folds: int | None = None
    test_fraction: float | None = None
    seed: int | None = None

    @property
    def kept_together(self) -> str:
        """What a fold keeps together: `official` and `column` say it of the test split alone.

        Examples
        --------
        >>> Division(kind="official").kept_together, Division(kind="time").kept_together
        ('scaffold', 'time')
        """
        return "scaffold" if self.kind in ("official", "column") else self.kind

    @property
    def held_out(self) -> str:
        """What was held out of each fit, in words.

        Examples
        --------
        >>> Division(kind="cluster").held_out, Division().held_out
        ('held-out clusters', 'held-out folds')
        """
        return HELD_OUT.get(self.kept_together, "held-out folds")


class Curated(Part):
    """What became of the rows of its sources: how many each file has, and how many were dropped, by reason."""

    files: Mapping[str, int] = {}
    rows: int = 0
    kept: int = 0
    merged: int = 0
    """Rows that were put together with another one of the same molecule."""
    dropped: Mapping[str, int] = {}
    molecules: int = 0
    bounds: int = 0
    """Molecules of which only a bound is known."""


class Data(Part):
    """What it learnt from; `training_range` is in the endpoint's unit, the threshold a Tanimoto similarity."""

    source: str = ""
    curated: Curated | None = None
    training_range: tuple[float, float] | None = None
    domain_threshold: float | None = None


class Verdict(Part):
    """Why it was elected, why others may not serve, and the best that may: by the names of models."""

    reason: str = ""
    refused: Mapping[str, str] = {}
    p_values: Mapping[str, float] = {}
    challenger: str | None = None


class Standing(Part):
    """A trained model on the leaderboard, by the metric that decides."""

    model: str
    signature: str = ""
    cv: float
    cv_std: float
    test: float | None = None


class Bin(Part):
    """How often statements held about molecules whose similarity to the nearest training molecule is in a range."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    low: float = Field(alias="from")
    high: float = Field(alias="to")
    molecules: int
    coverage: float | None


class HalfWidth(Part):
    """Half widths of intervals on the scale of training: the lowest and highest twentieth, and the median."""

    low: float
    median: float
    high: float


class Coverage(Part):
    """How often statements at 90 % held; the last six are about sets of labels."""

    molecules: int = 0
    coverage: float | None = None
    bins: tuple[Bin, ...] = ()
    half_width: HalfWidth | None = None
    specificity: float | None = None
    sensitivity: float | None = None
    set_coverage: Mapping[str, float | None] = {}
    sets_with_one_label: float | None = None
    sets_with_both: float | None = None
    sets_with_none: float | None = None


class Statement(Part):
    """How far to trust intervals, or sets of labels; `missing` says why there are none."""

    nominal: float = 0.9
    missing: str = ""
    held_out: Coverage = Coverage()
    test: Coverage = Coverage()


class Tenth(Part):
    """The share of class 1 among molecules of about one probability."""

    predicted: float
    observed: float
    molecules: int


class Fit(Part):
    """How well probabilities fit the labels."""

    molecules: int = 0
    log_loss: float
    brier: float
    reliability: tuple[Tenth, ...] = ()


class Probability(Part):
    """How far to trust probabilities: as the model gives them, on held-out folds, and on the test split."""

    calibrated: bool
    threshold: float
    before: Fit | None = None
    held_out: Fit | None = None
    test: Fit | None = None


class LevelFound(Part):
    """What was found of the molecules of a level of reliability: how often the statement at 90 % held, and `error`.

    That is their mean absolute error on the scale of training; of a binary endpoint their share of wrong labels.
    """

    level: str
    molecules: int
    error: float
    coverage: float


class LevelsFound(Part):
    """What was found by level, on held-out folds and on the test split."""

    held_out: tuple[LevelFound, ...] = ()
    test: tuple[LevelFound, ...] = ()


class Fifth(Part):
    """Molecules of about one expected error: what was expected and found, on the scale of training or as a share."""

    expected: float
    found: float
    molecules: int
    coverage: float | None = None


class Withheld(Part):
    """How expected errors and intervals held on folds that were withheld, beside what an oracle reaches.

    It knows the mean error of the nearest molecules that were withheld. `width` is the median width against constants
    that cover 90 % of each fifth.
    """

    molecules: int
    coverage: float | None = None
    width: float | None = None
    rank: float | None = None
    rank_oracle: float | None = None
    auroc: float | None = None
    auroc_oracle: float | None = None
    fifths: tuple[Fifth, ...] = ()


class Trusted(Part):
    """How far to trust what is said."""

    interval: Statement | None = None
    prediction_set: Statement | None = None
    probability: Probability | None = None
    reliability: LevelsFound | None = None
    withheld: Withheld | None = None


class Drugs(Part):
    """The drugs that predictions are set among."""

    name: str
    licence: str


class ModelCard(Artefact):
    """A champion, when it was elected."""

    NAME: ClassVar[str] = "model card"
    READER: ClassVar[int] = 5

    format: Format = READER
    endpoint: Property = Property()
    model: Recipe = Recipe()
    signature: str = ""
    record: SignatureRecord | None = None
    contender: Candidate | None = None
    """Its scores, as the next election compares them."""
    made_by: str = ""
    """Digest of what shaped the bundle beside the model."""
    metric: str = ""
    scores: Performance = Performance()
    split: Division = Division()
    snapshot: str = ""
    git_sha: str = ""
    decision: Verdict = Verdict()
    leaderboard: tuple[Standing, ...] = ()
    """Best first."""
    absent: Mapping[str, str] = {}
    awaited: tuple[str, ...] = ()
    """Models that were still to be trained; none unless it is provisional."""
    trust: Trusted = Trusted()
    reference: Drugs | None = None
    data: Data = Data()
    intended_use: str = ""
    limits: tuple[str, ...] = ()

    def as_json(self) -> dict[str, JsonValue]:
        """Return what is written, or was read, as JSON values: what a card does not state is not in it."""
        return self.model_dump(mode="json", exclude_unset=True)


def parse_card(content: bytes, where: str) -> ModelCard:
    """Read a card's bytes.

    Raises
    ------
    BundleError
        When they are no card, or need a newer reader.
    """
    return read_artefact(ModelCard, _without_other_shapes(content), where, BundleError)


def _without_other_shapes(content: bytes) -> bytes:
    """Leave out of a card of format 1 what it states in another shape than any version that is read."""
    try:
        fields = json.loads(content)
    except ValueError:  # its reader says so better
        return content
    if not isinstance(fields, dict) or "format" in fields:
        return content
    try:
        ModelCard.model_validate_json(content, strict=True, extra="ignore")
    except ValidationError as error:
        other = {each["loc"][0] for each in error.errors(include_input=False) if each["loc"]}
        return json.dumps({name: value for name, value in fields.items() if name not in other}).encode()
    return content
