"""Ensembles in the pipeline: made of trained models that are there, stale with them, bundled and replayed as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model_zoo import featurizers
from model_zoo.data.dataset import Dataset
from model_zoo.fitted_models.formats import BlendModel, load_model
from model_zoo.models import xgb
from tests.project_factory import Project, add_model, copied, little_judging, refuse


@pytest.fixture(scope="module")
def _once_blended(_once_made: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with copied(_once_made, tmp_path_factory.mktemp("blended") / "project") as project:
        add_model(project.settings, "xgb", features=["descriptors", "erg"])
        add_model(project.settings, "blend")
        with little_judging():
            assert project.run().failed == {}
        yield project


@pytest.fixture
def blended(_once_blended: Project, tmp_path: Path) -> Iterator[Project]:
    """A project with a blend of two models of different features, everything made."""
    with copied(_once_blended, tmp_path / "project") as project:
        yield project


def test_a_blend_is_made_of_trained_models(blended: Project) -> None:
    """It depends on its members, mixes their predictions from the joined features, and fits none of them again."""
    nodes = blended.catalog().nodes
    node = nodes["trained_model/logp/blend"]
    features = ["morgan_count", "descriptors", "erg"]
    assert node.deps == (
        "dataset/logp",
        *(f"features/logp/{name}" for name in features),
        "trained_model/logp/rf",
        "trained_model/logp/xgb",
    )
    assert blended.trained() == sorted(key for key in nodes if key.startswith("trained_model/"))

    home = blended.settings.home
    places = {name: home / "trained_model" / "logp" / name for name in ("rf", "xgb", "blend")}
    folders = {name: next(place.iterdir()) for name, place in places.items()}
    loaded = load_model(folders["blend"] / "model")
    assert isinstance(loaded, BlendModel)
    (snapshot,) = (home / "dataset" / "logp").iterdir()
    molecules = Dataset.load(snapshot).molecules()
    expected = sum(
        member.weight
        * load_model(folders[member.name] / "model").predict(
            featurizers.featurize(["morgan_count"] if member.name == "rf" else ["descriptors", "erg"], molecules)
        )
        for member in loaded.members
    )
    np.testing.assert_allclose(loaded.predict(featurizers.featurize(features, molecules)), expected, rtol=1e-9)


@pytest.mark.slow(
    sibling=(
        "test_benchmark::test_a_changed_member_makes_its_blend_stale",
        "test_auxiliary_endpoints::test_a_value_that_changes_elsewhere_is_a_reason_to_train_it",
    )
)
def test_a_changed_member_makes_its_blend_stale(blended: Project) -> None:
    """The plan says that the member changed; the member and the blend are trained again, the other member is not."""
    before = blended.trained()
    blended.change_code("model_zoo/models/xgb.py")
    plan = blended.plan()
    assert ("upstream", "trained_model/logp/xgb") in plan["trained_model/logp/blend"]
    assert "trained_model/logp/rf" not in plan
    assert blended.run().failed == {}
    after = blended.trained()
    for asset in before:
        after.remove(asset)

    assert after == sorted(f"trained_model/{name}/{model}" for name in ("greasy", "logp") for model in ("blend", "xgb"))
    assert blended.plan() == {}


def test_a_blend_without_one_of_its_members_is_absent(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that cannot be trained takes its blend along, and nobody else; the leaderboard says so."""
    monkeypatch.setattr(xgb, "train", refuse)
    for name in ("xgb", "blend"):
        add_model(made.settings, name, endpoints=["logp"])
    report = made.run()

    assert set(report.failed) == {"trained_model/logp/xgb", "trained_model/logp/blend"}
    assert {"leaderboard/logp", "champion_model/logp", "inference_service"} <= set(report.made)
