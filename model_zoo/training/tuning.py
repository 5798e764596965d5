"""A search for better hyper-parameters, inside the folds of one endpoint.

Trial 0 is the model's present settings, so that a search can only say "better than these" or nothing. Each further
trial is drawn with a seed of its own from the finished ones before it: a search that was interrupted makes the trials
that it would have made. The best of many trials looks better than it is, so trials are scored on the inner folds alone;
the outer ones, of which no trial saw a row, confirm the best or do not. The test split takes no part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.search_range import Range
from model_zoo.errors import ConfigError, DataError
from model_zoo.metrics import HIGHER_IS_BETTER, score
from model_zoo.models._base import ModelConfig
from model_zoo.training.cross_validation import TrainingData, Validated
from model_zoo.type_aliases import Json

if TYPE_CHECKING:
    import optuna

DIGITS = 4
DRAWS = 1000
FEWEST_FOLDS = 3
"""Two to choose by, and one to confirm."""

Say = Callable[[str], None]
Validate = Callable[[ModelConfig, TrainingData], Validated]


@dataclass(frozen=True)
class Question:
    """What is searched for."""

    endpoint: Endpoint
    model: ModelSpec
    """`endpoint` and `model`: where, and whose hyper-parameters; the room is `search` in the model's YAML."""
    data: TrainingData
    """The endpoint's rows."""
    validate: Validate
    """Cross-validates the model with other hyper-parameters on rows; the test split has no part in it."""


@dataclass(frozen=True)
class Found:
    """What a search says."""

    chosen: dict[str, Any]
    """The best trial's hyper-parameters; empty when none was better than the present ones over the inner folds."""
    own: float
    best: float
    """`own` and `best`: mean over the inner folds of the present settings, and of the best trial."""
    gain: float | None
    interval: tuple[float, float] | None
    """`gain` and `interval`: how much better the chosen ones are on the outer folds, positive where better, and the 95
    % interval of that from drawing their molecules; none when nothing was chosen."""
    confirmed: bool
    """Whether that interval is above zero."""
    trials: int
    """How many there are."""


def tune(
    question: Question,
    storage: optuna.storages.BaseStorage,
    study_name: str,
    *,
    trials: int,
    seed: int = 0,
    say: Say = lambda line: None,
) -> Found:
    """Bring a study to a number of trials.

    Parameters
    ----------
    question
        What is searched for.
    storage, study_name
        Where the study is kept. The name distinguishes questions: put the signature into it.
    trials
        How many there shall be, those of earlier calls among them.
    seed
        Of the draws.
    say
        Receives a line per trial.

    Raises
    ------
    ConfigError
        When the YAML names no room, or the present settings lie outside of it.
    DataError
        When there are too few folds.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    endpoint, model, data = question.endpoint, question.model, question.data
    metric = endpoint.champion.metric
    higher = HIGHER_IS_BETTER[metric]
    own, (inner, outer) = _own(endpoint, model), divided(endpoint, data)
    room = {key: _distribution(item) for key, item in model.search.items()}
    study = optuna.create_study(
        storage=storage, study_name=study_name, load_if_exists=True, direction="maximize" if higher else "minimize"
    )

    def config(values: Mapping[str, Json]) -> ModelConfig:
        settings = model.settings(endpoint.name)
        return type(settings).model_validate({**settings.model_dump(exclude={"task"}), **values})

    while len(done := study.get_trials(states=[optuna.trial.TrialState.COMPLETE])) < trials:
        if done:
            study.sampler = optuna.samplers.TPESampler(seed=seed + len(done))
            values = {key: _rounded(value) for key, value in study.ask(room).params.items()}
        else:
            values = own
        scores = question.validate(config(values), inner).summary()[metric]["folds"]
        mean = math.fsum(scores) / len(scores)
        study.add_trial(optuna.trial.create_trial(params=values, distributions=room, value=mean))
        say(f"{model.name} on {endpoint.name}, trial {len(done)}: {metric} {mean:.4f} with {values}")
    first, *_ = done
    best = max(done, key=lambda trial: (trial.value or 0.0) * (1 if higher else -1))
    assert first.value is not None
    assert best.value is not None
    if best.number == first.number or best.value == first.value:
        return Found({}, first.value, best.value, None, None, confirmed=False, trials=len(done))
    pair = [question.validate(config(values), data).raw for values in (best.params, own)]
    gain, interval = _gain(endpoint, data, outer, *pair)
    return Found(dict(best.params), first.value, best.value, gain, interval, interval[0] > 0, len(done))


def divided(endpoint: Endpoint, data: TrainingData) -> tuple[TrainingData, NDArray[np.bool_]]:
    """Return the rows with the outer folds, half of all, taken out; and which rows these are, measured ones alone."""
    count = int(data.folds.max()) + 1
    if count < FEWEST_FOLDS:
        raise DataError(
            f"{endpoint.name}: a search needs {FEWEST_FOLDS} folds or more, to choose by some and confirm by others; "
            f"got {count}. Give its YAML more under `split.folds`"
        )
    outer = data.folds >= count - count // 2
    return replace(data, folds=np.where(outer, -1, data.folds)), outer & data.scored


def _gain(
    endpoint: Endpoint, data: TrainingData, rows: NDArray[np.bool_], *pair: NDArray[np.float64]
) -> tuple[float, tuple[float, float]]:
    """Return how much better the first of two predictions is on some rows, on the scale that decides."""
    target, metric = endpoint.target, endpoint.champion.metric
    expected, (new, old) = data.values[rows], (target.to_unit(raw[rows]) for raw in pair)
    if endpoint.scale == "training":
        expected, new, old = (target.to_training(values) for values in (expected, new, old))
    sign = 1 if HIGHER_IS_BETTER[metric] else -1

    def gain(drawn: NDArray[np.intp]) -> float:
        mine, theirs = (score(target.task, expected[drawn], values[drawn])[metric] for values in (new, old))
        return sign * (mine - theirs)

    generator, count = np.random.default_rng(0), len(expected)
    gains = [gain(generator.integers(0, count, count)) for _ in range(DRAWS)]
    low, high = np.nanquantile(gains, [0.025, 0.975])  # a draw of one class has no score
    return gain(np.arange(count)), (float(low), float(high))


def _own(endpoint: Endpoint, model: ModelSpec) -> dict[str, Json]:
    if not model.search:
        raise ConfigError(f"configs/models/{model.name}.yaml: search: missing, expected where to look")
    settings = model.settings(endpoint.name).model_dump()
    for key, item in model.search.items():
        if not item.holds(settings[key]):
            raise ConfigError(
                f"configs/models/{model.name}.yaml: search.{key}: expected room for the present value "
                f"{settings[key]!r} on {endpoint.name}, got {item.values()}"
            )
    return {key: settings[key] for key in model.search}


def _distribution(item: Range) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if item.choices:
        return CategoricalDistribution(item.choices)
    if isinstance(item.low, int) and isinstance(item.high, int):
        return IntDistribution(item.low, item.high, log=item.log)
    assert item.low is not None
    assert item.high is not None
    return FloatDistribution(item.low, item.high, log=item.log)


def _rounded(value: Any) -> Any:
    """Few digits: what is written into a YAML is what was scored."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
