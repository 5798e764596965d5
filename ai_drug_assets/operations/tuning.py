"""The command `aidrug search`.

What was chosen is a change of configuration like any other: the plan shows it, the signature covers it, the champion's
rule judges it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.endpoint_file import SEVERAL, endpoint_file
from model_zoo.config.files import Configs, load_configs
from model_zoo.config.model_spec import ModelSpec
from model_zoo.config.similar_names import did_you_mean
from model_zoo.data.dataset import Dataset, make_dataset
from model_zoo.data.group_dataset import make_group_dataset
from model_zoo.errors import ConfigError, DataError
from model_zoo.features.cache import FeatureCache
from model_zoo.io.files import atomic_write
from model_zoo.models._base import ModelConfig
from model_zoo.provenance import signature
from model_zoo.provenance.group_records import group_records
from model_zoo.provenance.records import signed_datasets, trained_model_record
from model_zoo.training.cross_validation import TrainingData, Validated, cross_validate
from model_zoo.training.scales import validated_for_training
from model_zoo.training.transfer import AuxiliaryDataset, prepared
from model_zoo.training.tuning import Question, tune
from model_zoo.type_aliases import Json
from serving.machine import processors

from ai_drug_assets.settings import Settings


def search_settings(
    settings: Settings,
    model_name: str,
    endpoints: Sequence[str],
    *,
    trials: int,
    seed: int,
    write: bool,
    say: Callable[[str], None],
) -> dict[str, dict[str, Json]]:
    """Search a model's hyper-parameters on some endpoints; return what was found, by endpoint.

    Parameters
    ----------
    settings
        This installation.
    model_name, endpoints
        What is searched; all endpoints that the model competes on when none is named.
    trials, seed
        How many trials each study shall have, and the seed of its draws.
    write
        Whether better settings that the outer folds confirm are written into the endpoint's YAML.
    say
        Receives a line per trial, and what was written where.

    Raises
    ------
    ConfigError
        When the model or an endpoint is unknown, or the YAML says nowhere to look.
    """
    from optuna.storages import RDBStorage

    configs = load_configs(settings.configs)
    if model_name not in configs.models:
        meant = did_you_mean(model_name, configs.models)
        raise ConfigError(f"unknown model {model_name!r}, expected one of {', '.join(configs.models)}{meant}")
    model = configs.models[model_name]
    if model.is_joint:
        raise ConfigError(
            f"{model_name} is fitted once for all endpoints of a group: expected a model that is fitted on one endpoint"
        )
    serving = [name for name in configs.endpoints if model.applies_to(name)]
    for name in endpoints:
        if name not in serving:
            meant = did_you_mean(name, serving)
            raise ConfigError(
                f"{model_name} does not compete on {name!r}, expected some of {', '.join(serving)}{meant}"
            )
    storage = RDBStorage(f"sqlite:///{settings.folder('search') / 'studies.db'}")
    cache = FeatureCache(settings.feature_folder, settings.code_root, processes=processors())
    found: dict[str, dict[str, Any]] = {}
    for name in endpoints or serving:
        endpoint = configs.endpoints[name]
        others = [configs.endpoints[one] for one in model.auxiliary_of(name, configs.endpoints)]
        signed = signed_datasets(others, lambda each: settings.folder_of(each.source), settings.code_root)
        digests = endpoint.source.digests(settings.folder_of(endpoint.source))
        above = _divided_by(name, configs, settings)
        record = trained_model_record(endpoint, model, digests, settings.code_root, above, auxiliary=signed)
        # The room is part of the question: another one begins another study.
        room = {key: item.model_dump(mode="json") for key, item in model.search.items()}
        # So are the rows that trials are scored on.
        question = {
            "folds": "inner",
            "search": str(sorted(room.items())),
            "metric": endpoint.champion.metric,
            "scale": endpoint.scale,
        }
        asked = record.model_copy(update={"upstream": {**record.upstream, **question}})
        study = f"{name}-{model.name}-{seed}-{signature.signature(asked)[:16]}"
        asked_for = _question(endpoint, others, model, settings, cache, configs)
        result = tune(asked_for, storage, study, trials=trials, seed=seed, say=say)
        path = endpoint_file(settings.configs, name)
        written = write and result.confirmed
        if written:
            write_overrides(path, name, model.name, result.chosen)
            say(f"{path}: overrides.{model.name}: wrote {result.chosen}")
        found[name] = {**asdict(result), "written": written}
    return found


def _divided_by(endpoint: str, configs: Configs, settings: Settings) -> dict[str, str]:
    """Return the signature of what divides the molecules of an endpoint's group; nothing without one."""
    group = configs.group_of(endpoint)
    if group is None:
        return {}
    first = next(group_records(group.name, configs, settings.folder_of, settings.code_root))
    return {first.key: signature.signature(first.record)}


def _snapshot(endpoint: Endpoint, configs: Configs, settings: Settings) -> Dataset:
    """Make an endpoint's snapshot, divided as its trained models have it: with its group, where it is in one."""
    group = configs.group_of(endpoint.name)
    if group is None:
        return make_dataset(endpoint.dataset, settings.folder_of(endpoint.source))
    sections = {name: each.dataset for name, each in configs.members_of(group.name).items()}
    made = make_group_dataset(sections, group.split, settings.folder_of)
    if endpoint.name in made.faults:
        raise DataError(made.faults[endpoint.name])
    return made.datasets[endpoint.name]


def _question(
    endpoint: Endpoint,
    others: Sequence[Endpoint],
    model: ModelSpec,
    settings: Settings,
    cache: FeatureCache,
    configs: Configs,
) -> Question:
    """Return what is searched for: a model is cross-validated after it learnt from its auxiliary endpoints."""

    def made(one: Endpoint) -> AuxiliaryDataset:
        dataset = _snapshot(one, configs, settings)
        return AuxiliaryDataset(one.name, one.target, dataset, cache.joined(model.features, dataset.molecules()))

    own, known = made(endpoint), [made(one) for one in others]
    data = TrainingData(own.X, own.dataset.values, own.dataset.folds, own.dataset.exact)

    def validate(config: ModelConfig, rows: TrainingData) -> Validated:
        trainer = prepared(model.recipe, config, own.dataset, known) if model.auxiliary else None
        validated = cross_validate(model.recipe, config, endpoint.target, rows, trainer)
        if endpoint.scale == "unit":
            return validated
        return validated_for_training(validated.raw, endpoint.target, rows)

    return Question(endpoint, model, data, validate)


def write_overrides(path: Path, endpoint: str, model: str, chosen: Mapping[str, Json]) -> None:
    """Write hyper-parameters into an endpoint's `overrides` for a model; comments and order stay."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 16
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(path.read_text(encoding="utf-8"))
    own = content
    if SEVERAL in content:
        own = content[SEVERAL][endpoint] = content[SEVERAL][endpoint] or CommentedMap()
    overrides = own.setdefault("overrides", CommentedMap())
    if model not in overrides:
        overrides[model] = CommentedMap()
        overrides[model].fa.set_flow_style()
    overrides[model].update(chosen)
    text = StringIO()
    yaml.dump(content, text)
    atomic_write(path, text.getvalue().encode())
