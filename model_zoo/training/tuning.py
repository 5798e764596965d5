"""A search for better hyper-parameters, inside the folds of one endpoint.

Trial 0 is the model's present settings, so that a search can only say "better than these" or nothing. Each further
trial is drawn with a seed of its own from the finished ones before it: a search that was interrupted makes the trials
that it would have made. The test split takes no part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.search_range import Range
from model_zoo.errors import ConfigError
from model_zoo.metrics import HIGHER_IS_BETTER
from model_zoo.models._base import ModelConfig
from model_zoo.selection.election import paired_p_value
from model_zoo.training.cross_validation import Validated
from model_zoo.type_aliases import Json

if TYPE_CHECKING:
    import optuna

DIGITS = 4
FOLDS = "folds"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """What a search says.

    Attributes
    ----------
    chosen
        The best trial's hyper-parameters; empty when none was better than the present ones.
    own, best
        Mean over the folds of the present settings, and of the best trial.
    p_value
        One-sided paired p-value of "the best is not better". The best of many trials looks better than it is.
    trials
        How many there are.
    """

    chosen: dict[str, Any]
    own: float
    best: float
    p_value: float
    trials: int


def tune(
    endpoint: Endpoint,
    model: ModelSpec,
    validate: Callable[[ModelConfig], Validated],
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
    endpoint, model
        What is searched for; the room is `tune` in the model's YAML.
    validate
        Cross-validates the model with other hyper-parameters; the test split has no part in it.
    storage, study_name
        Where the study is kept. The name tells one question from another: put the signature into it.
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
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    metric = endpoint.champion.metric
    higher = HIGHER_IS_BETTER[metric]
    own = _own(endpoint, model)
    room = {key: _distribution(item) for key, item in model.search.items()}
    study = optuna.create_study(
        storage=storage, study_name=study_name, load_if_exists=True, direction="maximize" if higher else "minimize"
    )

    def folds(values: Mapping[str, Json]) -> list[float]:
        settings = model.settings(endpoint.name)
        config = type(settings).model_validate({**settings.model_dump(exclude={"task"}), **values})
        scores: list[float] = validate(config).summary()[metric]["folds"]
        return scores

    while len(done := study.get_trials(states=[optuna.trial.TrialState.COMPLETE])) < trials:
        if done:
            study.sampler = optuna.samplers.TPESampler(seed=seed + len(done))
            values = {key: _rounded(value) for key, value in study.ask(room).params.items()}
        else:
            values = own
        scores = folds(values)
        mean = math.fsum(scores) / len(scores)
        note = {FOLDS: scores}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=room, value=mean, user_attrs=note))
        say(f"{model.name} on {endpoint.name}, trial {len(done)}: {metric} {mean:.4f} with {values}")
    first, *_ = done
    best = max(done, key=lambda trial: (trial.value or 0.0) * (1 if higher else -1))
    p_value = paired_p_value(best.user_attrs[FOLDS], first.user_attrs[FOLDS], higher_is_better=higher)
    assert first.value is not None
    assert best.value is not None
    chosen = {} if best.number == first.number or best.value == first.value else dict(best.params)
    return Found(chosen, first.value, best.value, p_value, len(done))


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
