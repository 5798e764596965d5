"""What a command is asked for: some endpoints, some models, or the cheap candidates alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from model_zoo.config.similar_names import did_you_mean
from model_zoo.errors import ConfigError

from ai_drug_assets.planning.catalog import Catalog, Node

MADE = ("dataset", "features", "trained_model", "group_dataset", "group_features", "joint_model")


@dataclass(frozen=True)
class Selection:
    """What is asked for; everything when nothing is said."""

    endpoints: tuple[str, ...] = ()
    """Names of endpoints."""
    models: tuple[str, ...] = ()
    """Names of models, on each of these endpoints where they compete."""
    quick: bool = False
    """Train only the candidates that their YAML calls cheap."""
    train_only: bool = False
    """Stop at trained models."""

    @property
    def is_whole(self) -> bool:
        """Whether it leaves nothing out."""
        return self == Selection()

    def keys(self, catalog: Catalog) -> set[str]:
        """Return the keys of the chosen assets.

        A chosen model comes with all that it is made from (an ensemble with its members), and with the leaderboard,
        the champion and the service that judge and publish it.

        Raises
        ------
        ConfigError
            When an endpoint or model is not known, or no chosen model competes on a chosen endpoint.
        """
        configs = catalog.configs
        for name in self.endpoints:
            if name in configs.faults:
                raise ConfigError(configs.faults[name])
        _require_known("endpoint", self.endpoints, configs.endpoints)
        _require_known("model", self.models, configs.models)
        models = (node for node in catalog.nodes.values() if node.kind == "trained_model")
        trained = [node for node in models if self._wants(node, catalog)]
        if not trained and not catalog.configs.endpoints:
            return {node.key for node in catalog.nodes.values()}  # nothing is left to serve, which is to be published
        if not trained:
            where = f" on {', '.join(self.endpoints)}" if self.endpoints else ""
            what = f"none of {', '.join(self.models)}" if self.models else "no cheap model"
            raise ConfigError(f"expected a model that competes{where}, got {what}: see `endpoints` in configs/models/")
        chosen = {key for node in trained for key in (node.key, *catalog.upstream(node.key))}
        if self.train_only:
            return chosen
        judged = {str(node.endpoint) for node in trained}
        chosen |= {f"{kind}/{name}" for kind in ("leaderboard", "champion_model") for name in judged}
        return chosen | {node.key for node in catalog.nodes.values() if node.kind == "inference_service"}

    def _wants(self, node: Node, catalog: Catalog) -> bool:
        if self.endpoints and node.endpoint not in self.endpoints:
            return False
        if self.models and node.name not in self.models:
            return False
        return not self.quick or catalog.configs.models[str(node.name)].cheap


def _require_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"unknown {what} {name!r}, expected some of {', '.join(known)}{did_you_mean(name, known)}"
            )
