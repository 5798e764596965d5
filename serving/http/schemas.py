"""The bodies of the HTTP interface, as typed structures.

Fields may be added; none may be renamed or removed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

PROVISIONAL = (
    "Whether that version was elected while other models of its endpoint were still to be trained: a better one may "
    "serve soon."
)
AWAITED = "Names of the models that were still to be trained when it was elected; empty unless it is provisional."


SmilesList = Annotated[
    list[str], Meta(description="One SMILES per molecule.", examples=[["CC(=O)Oc1ccccc1C(=O)O", "CCO"]])
]
EndpointNames = Annotated[
    list[str] | None, Meta(description="Names of endpoints; all that have a champion when left out.", examples=[None])
]


class PredictRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Molecules to predict, and for which endpoints."""

    smiles: SmilesList
    endpoints: EndpointNames = None
    include: Annotated[
        list[str],
        Meta(
            description="What to add, at the cost of milliseconds: `neighbours` (the nearest training molecules), "
            "`explanation` (what each atom contributes; for a few molecules at a time), `alerts` (structural alerts).",
            examples=[[]],
        ),
    ] = []


class NeighbourInfo(Struct, frozen=True):
    """A training molecule and what was measured for it."""

    smiles: str
    similarity: Annotated[float, Meta(description="Tanimoto similarity by counts to the predicted molecule, 0 to 1.")]
    value: Annotated[float, Meta(description="Measured, in `unit`; the class, 0 or 1, for a binary endpoint.")]
    unit: str
    relation: Annotated[
        Literal["=", "<", ">"],
        Meta(description="With `<` or `>` the value is a bound: the true one is known to lie below or above it."),
    ] = "="
    display_value: Annotated[
        float | UnsetType | None,
        Meta(description="In the prediction's `display_unit`, where there is one; the relation is that of `value`."),
    ] = UNSET


class AlertInfo(Struct, frozen=True):
    """A substructure that chemists distrust: a reason to look, not a prediction."""

    name: str
    catalogue: Annotated[str, Meta(description="`PAINS` or `Brenk`.")]
    atoms: Annotated[list[int], Meta(description="Matching atoms, by their place in `standardised`.")]


class FragmentInfo(Struct, frozen=True):
    """A group of the molecule, cut out as BRICS does."""

    smiles: Annotated[str, Meta(description="Its SMILES, with `*` where it was bound.")]
    atoms: Annotated[list[int], Meta(description="Its atoms, by their place in `standardised`.")]
    worth: Annotated[float, Meta(description="Sum over its `atoms`: about what the prediction would lose without it.")]
    lost: Annotated[
        float | None,
        Meta(
            description="What the prediction loses if hydrogen takes the group's place, on `scale`: computed if "
            "`fidelity` is below a half and the group is at the end of a single bond; else null."
        ),
    ] = None


class PairInfo(Struct, frozen=True):
    """Two measured molecules that differ only in a group which this one has."""

    group: Annotated[str, Meta(description="The group that this molecule and `having` have, `[*:1]` where bound.")]
    instead: Annotated[str, Meta(description="What `other` has in its place.")]
    having: NeighbourInfo
    other: NeighbourInfo


class ExplanationInfo(Struct, frozen=True):
    """Parts of one prediction: `baseline`, all `atoms` and `rest` sum to `prediction`."""

    baseline: Annotated[
        float,
        Meta(
            description="Where the sum begins: by `sum over atoms` the value without any atom, else what the model "
            "says of the average training molecule."
        ),
    ]
    atoms: Annotated[
        list[float], Meta(description="What each heavy atom adds, in the order of the atoms of `standardised`.")
    ]
    rest: Annotated[
        float,
        Meta(
            description="What belongs to no atom: what no sum over atoms reproduces of this model; by the other "
            "methods also what other molecules have and this one lacks."
        ),
    ]
    prediction: Annotated[
        float,
        Meta(description="The prediction on `scale`, before bounds; of a class, from the calibrated probability."),
    ]
    scale: Annotated[str, Meta(description="The scale of all of these: a unit, `log-odds` or `probability`.")]
    method: Annotated[
        str,
        Meta(
            description="`sum over atoms` (the one that comes nearest to what the model says of real molecules). Of "
            "champions from before it, and of fewer than 50 molecules: `tree SHAP`, `integrated gradients`, "
            "`occlusion` (the least faithful), or those of a blend's members."
        ),
    ]
    fidelity: Annotated[
        float | None,
        Meta(
            description="Share of the variance of this model's predictions for drugs that atoms alone reproduce, 0 to "
            "1; null where that was not measured."
        ),
    ] = None
    fragments: Annotated[
        list[FragmentInfo],
        Meta(description="Groups, each atom in one of them, those that move the prediction most first; may be empty."),
    ] = []
    pair: Annotated[
        PairInfo | UnsetType | None,
        Meta(
            description="With `neighbours`: the nearest two measured molecules that differ in a group of this one; "
            "null where there are none among the nearest 60."
        ),
    ] = UNSET


class EndpointPrediction(Struct, frozen=True):
    """What an endpoint's champion says of one molecule."""

    value: Annotated[float, Meta(description="In the endpoint's unit, or the calibrated probability of class 1.")]
    unit: str
    interval: Annotated[
        tuple[float, float] | None,
        Meta(
            description="Ends of the 90 % interval, wider for a molecule that is harder to predict; null for a binary "
            "endpoint, and where `no_interval` says why. It holds for 90 % of molecules like the training data: nine "
            "of ten of those that were held out (by scaffold, cluster, time or group, as the champion's card says) "
            "were inside. Values of other laboratories, and molecules of low `reliability`, are outside more often."
        ),
    ]
    percentile: Annotated[
        float | None,
        Meta(description="Share of the drugs of `reference_name` that are predicted lower, 0 to 100; null if unknown."),
    ]
    reference_name: Annotated[str | None, Meta(description="The drugs that `percentile` compares with, and licence.")]
    label: Annotated[
        int | None, Meta(description="Of a binary endpoint: 1 where the probability reaches `threshold`, else 0.")
    ]
    threshold: Annotated[
        float | None, Meta(description="Of a binary endpoint: best balanced accuracy on held-out folds.")
    ]
    prediction_set: Annotated[
        list[int] | None,
        Meta(
            description="Of a binary endpoint: the labels that cannot be excluded at 90 %, for either true label. Both "
            "means that the model cannot decide, none that the molecule is like neither."
        ),
    ]
    similarity: Annotated[
        float,
        Meta(
            description="Highest Tanimoto similarity to a training molecule, 0 to 1, by how often each kind of atom "
            "and its surroundings occur; of champions from before format 4 by which ones do."
        ),
    ]
    domain: Annotated[
        Literal["inside", "outside"],
        Meta(
            description="Deprecated, use `reliability`: `outside` where that is `low`. Of champions without "
            "reliability, whether the molecule is as similar to a training molecule as those are to each other."
        ),
    ]
    standardised: Annotated[str, Meta(description="The SMILES that was predicted: without salts, neutral, canonical.")]
    champion: Annotated[str, Meta(description="Version that predicted.")]
    role: Annotated[
        Literal["champion", "challenger"],
        Meta(description="Whether that version is the champion, or a challenger on trial that got this molecule."),
    ]
    model: str
    signature: Annotated[str, Meta(description="First digits of the signature of code, configuration and data.")]
    provisional: Annotated[bool, Meta(description=PROVISIONAL)]
    no_interval: Annotated[
        str | None,
        Meta(description="Why a regression has no interval: too few molecules to learn a width that holds; else null."),
    ] = None
    reliability: Annotated[
        Literal["high", "medium", "low"] | None,
        Meta(
            description="How large an error to expect, beside other molecules of this endpoint: from likeness by "
            "counts, size and kind, the model's errors on the nearest training molecules and, for classes, the "
            "probability. Levels differ only where held-out errors did. `low` also means farther "
            "from all training molecules than these were from each other. Null for champions from before there were "
            "levels."
        ),
    ] = None
    usual_error: Annotated[
        float | None,
        Meta(
            description="Mean absolute error of the training molecules of this level while they were held out, in "
            "`usual_error_unit`; for classes the share of wrong labels. Null where no error is known so far out."
        ),
    ] = None
    usual_error_unit: Annotated[
        str | None,
        Meta(
            description="Such as `log10 mol/L`, `log10 of mL/min/kg` where the model learnt logarithms, or `share of "
            "wrong labels`."
        ),
    ] = None
    interval_factor: Annotated[
        float | None,
        Meta(
            description="How much wider `interval` is than the model's own, by measured values that came back: 1 where "
            "there are fewer than 30; null without an interval."
        ),
    ] = None
    calibration: Annotated[
        str | None,
        Meta(
            description="What made the interval: `bundle`, the model's own, or `returned-<values>-<digest>`; see "
            "`GET /v1/calibrations/{endpoint}`. Null without an interval."
        ),
    ] = None
    neighbours: Annotated[
        list[NeighbourInfo] | UnsetType,
        Meta(description="When asked for: the nearest training molecules, at most three, most similar first."),
    ] = UNSET
    display_value: Annotated[
        float | UnsetType | None,
        Meta(description="`value` in the unit that people read, where the endpoint says one; absent elsewhere."),
    ] = UNSET
    display_interval: Annotated[
        tuple[float | None, float | None] | UnsetType | None,
        Meta(description="`interval` in `display_unit`, the lower end first; an end too large for a number is null."),
    ] = UNSET
    display_unit: Annotated[
        str | UnsetType, Meta(description="Unit of `display_value`, such as `%` where `unit` is `log10 %`.")
    ] = UNSET
    explanation: Annotated[
        ExplanationInfo | UnsetType | None,
        Meta(description="When asked for: why; null where this champion cannot explain this molecule."),
    ] = UNSET


class MoleculeError(Struct, frozen=True):
    """Why a molecule was not predicted."""

    code: Annotated[str, Meta(description="Stable, for programs.")]
    detail: str


class NoteInfo(Struct, frozen=True):
    """What a reader should know of how a structure was understood."""

    code: Annotated[
        str,
        Meta(
            description="Stable, for programs: `component-left-out`, `isotopes-ignored`, `stereo-mixture`, "
            "`stereo-unknown`, `tautomer-as-drawn`."
        ),
    ]
    detail: str


class MoleculePrediction(Struct, frozen=True):
    """One molecule of the request, at its own index: either `endpoints` or `error`."""

    index: int
    smiles: Annotated[str, Meta(description="As it was sent.")]
    endpoints: dict[str, EndpointPrediction] | UnsetType = UNSET
    alerts: Annotated[
        list[AlertInfo] | UnsetType,
        Meta(description="When asked for: structural alerts in the first endpoint's `standardised`."),
    ] = UNSET
    error: MoleculeError | UnsetType = UNSET
    notes: Annotated[
        list[NoteInfo] | UnsetType,
        Meta(description="Where there is something to know: components left out, labels not read, mixed stereo."),
    ] = UNSET
    failed: Annotated[
        dict[str, MoleculeError] | UnsetType,
        Meta(description="Endpoints that have no value although the molecule was predicted, and why; absent if none."),
    ] = UNSET


class PredictResponse(Struct, frozen=True):
    """One entry per molecule, in the order of the request."""

    predictions: list[MoleculePrediction]


class ChampionSummary(Struct, frozen=True):
    """Which version serves an endpoint."""

    version: str
    model: str
    signature: str
    since: Annotated[str, Meta(description="When it was appointed, ISO 8601.")]


class DesirableInfo(Struct, frozen=True):
    """The values that this project wants."""

    low: Annotated[float | None, Meta(description="The lowest, in `unit`; null without a lower end.")]
    high: Annotated[float | None, Meta(description="The highest, in `unit`; null without an upper end.")]
    margin: Annotated[float, Meta(description="How far outside of the range a value is worth nothing.")]


class EndpointInfo(Struct, frozen=True):
    """What an endpoint means, and what serves it."""

    name: str
    title: str
    description: str
    unit: str
    direction: Annotated[Literal["higher", "lower", "none"], Meta(description="Which values are better.")]
    task: Literal["regression", "binary"]
    champion: ChampionSummary
    provisional: Annotated[bool, Meta(description=PROVISIONAL)]
    awaited: Annotated[list[str], Meta(description=AWAITED, examples=[[]])]
    display_unit: Annotated[str | None, Meta(description="The unit that people read, or null if that is `unit`.")] = (
        None
    )
    desirable: Annotated[
        DesirableInfo | None,
        Meta(description="The range that this project wants, which counts before `direction`; null without one."),
    ] = None


class ModelInfo(Struct, frozen=True):
    """A loaded model."""

    endpoint: str
    model: str
    version: str
    signature: Annotated[str, Meta(description="The whole signature.")]
    features: list[str]
    domain_threshold: Annotated[
        float,
        Meta(
            description="Similarity below which one in twenty training molecules was; of champions without levels of "
            "reliability, that from which a molecule counts as inside."
        ),
    ]
    interval_half_width: Annotated[float | None, Meta(description="On the scale the model was trained on.")]


class ServedVersionInfo(Struct, frozen=True):
    """A version that served an endpoint."""

    version: str
    since: str
    by: str


class RolloutInfo(Struct, frozen=True):
    """A challenger on trial beside the champion."""

    version: str
    since: str
    mode: Literal["shadow", "split"]
    share: Annotated[float, Meta(description="Share of the molecules it answers for in a split.")]
    error: Annotated[str | None, Meta(description="Why it could not be loaded, or null.")]


class ChampionInfo(Struct, frozen=True):
    """An endpoint's champion: its version, since when, those before it, and its model card."""

    endpoint: str
    appointed: ServedVersionInfo
    serving: Annotated[str | None, Meta(description="The version that answers now; null while none is loaded.")]
    held: Annotated[str | None, Meta(description="A version somebody rolled back from; it does not return by itself.")]
    challenger: Annotated[RolloutInfo | None, Meta(description="The version on trial beside the champion, or null.")]
    history: Annotated[list[ServedVersionInfo], Meta(description="Earlier champions, oldest first.")]
    error: Annotated[str | None, Meta(description="Why the appointed version is not served, or null.")]
    provisional: Annotated[bool, Meta(description=PROVISIONAL)]
    awaited: Annotated[list[str], Meta(description=AWAITED, examples=[[]])]
    card: Annotated[dict[str, Any] | None, Meta(description="Model card of the version that answers now.")]
    card_markdown: Annotated[str | None, Meta(description="The same card for people, as Markdown.")] = None


class Live(Struct, frozen=True):
    """The process answers."""

    status: Literal["live"] = "live"


class ReadyEndpoint(Struct, frozen=True):
    """A loaded champion."""

    version: str
    model: str
    provisional: Annotated[bool, Meta(description=PROVISIONAL)]
    earlier_rules: Annotated[
        list[str], Meta(description="Rules that it still reads molecules by although there are newer versions.")
    ]


class NotServed(Struct, frozen=True):
    """A champion that was appointed but could not be loaded."""

    version: str
    detail: str
    retried: Annotated[bool, Meta(description="Whether the service tries again by itself.")]


class MakingEndpoint(Struct, frozen=True):
    """One endpoint of a run: how far it is, and what serves it meanwhile."""

    endpoint: str
    state: Annotated[
        Literal["waiting", "making", "made", "failed"],
        Meta(description="`made`: all its models are. `failed`: nothing more will be made of it in this run."),
    ]
    models_done: Annotated[int, Meta(description="Models that are made.")]
    models: Annotated[int, Meta(description="Models in all.")]
    serves: Annotated[bool, Meta(description="Whether a champion answers for it now.")]
    provisional: Annotated[bool, Meta(description="Whether that champion is provisional.")]


class MakingInfo(Struct, frozen=True):
    """What a run of the pipeline is making at present; it may be a quarter of a minute old."""

    began: Annotated[str, Meta(description="When the run began, ISO 8601.")]
    at: Annotated[str, Meta(description="When this was written, ISO 8601.")]
    done: Annotated[int, Meta(description="Steps done: datasets, features, models and what comes after them.")]
    total: Annotated[int, Meta(description="Steps that it set out to do.")]
    remaining_s: Annotated[
        float | None, Meta(description="Seconds until all of it is made, by estimate; null while there is none.")
    ]
    learnt: Annotated[
        bool, Meta(description="Whether the estimate comes from earlier runs of the same; else it is a first guess.")
    ]
    endpoints: Annotated[list[MakingEndpoint], Meta(description="In the order in which the run turns to them.")]


class WithdrawnEndpoint(Struct, frozen=True):
    """An endpoint that is served no longer."""

    since: Annotated[str, Meta(description="When it was withdrawn, ISO 8601.")]
    reason: Annotated[str, Meta(description="Why.")]


class Ready(Struct, frozen=True):
    """Whether predictions are available, and what is wrong."""

    status: Literal["ready", "waiting for a first champion"]
    generation: Annotated[int, Meta(description="Generation of the pointer being served.")]
    endpoints: dict[str, ReadyEndpoint]
    errors: dict[str, NotServed]
    store_error: Annotated[str | None, Meta(description="Why the bundle store is not followed; null while it is.")]
    store_state: Annotated[
        Literal["ok", "unreachable", "damaged"],
        Meta(description="`damaged`: the pointer is refused, or gone; the present champions continue to serve."),
    ]
    remembered: Annotated[
        bool, Meta(description="Whether a restart will know which pointer was followed; else it trusts any intact one.")
    ]
    withdrawn: Annotated[dict[str, WithdrawnEndpoint], Meta(description="Endpoints that are no longer served.")]
    making: Annotated[MakingInfo | None, Meta(description="What is being made; null while no run is at work.")]
    withheld: Annotated[
        bool,
        Meta(
            description="Whether what is served, failed, withdrawn and made is left out here: the service wants a key, "
            "and none that is valid came."
        ),
    ] = False


class Problem(Struct, frozen=True):
    """A fault of a whole request, as problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Meta(description="Stable, for programs.")]
    request_id: str
    error: Annotated[
        str | UnsetType, Meta(description="The `detail` once more, where clients of the Open Inference Protocol look.")
    ] = UNSET
