"""Endpoints that are no longer served: withdrawn when their file is removed or by hand, and the ways back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ai_drug_assets.execution.progress import Lines
from ai_drug_assets.execution.runner import bring_up_to_date
from ai_drug_assets.operations.own_assays import remove
from ai_drug_assets.operations.retirement import bring_back, retire
from ai_drug_assets.planning.plan import make_plan
from model_zoo.bundles.pointer import Pointer
from model_zoo.bundles.store import FolderStore, parse_pointer
from model_zoo.errors import StoreError
from tests.project_factory import Project, add_model, write_yaml


def pointer(project: Project) -> Pointer:
    """Read the project's pointer."""
    return parse_pointer(FolderStore(Path(project.settings.store)).read_pointer_bytes())


def test_an_endpoint_whose_file_is_removed_is_withdrawn_and_returns_with_it(made: Project) -> None:
    """No other edit is needed: what a model's file says of it has no effect, as is reported. Nothing is trained."""
    file = made.settings.configs / "endpoints" / "logp.yaml"
    content = file.read_bytes()
    add_model(made.settings, "rf", overrides={"logp": {}})
    served = pointer(made).endpoints["logp"]

    file.unlink()
    plan = make_plan(made.catalog(), made.ledger)
    assert {item.node.key for item in plan.stale} == {"inference_service"}
    assert "there is no endpoint 'logp'" in plan.as_text()
    assert not made.run().failed
    gone = pointer(made)
    assert set(gone.endpoints) == {"greasy"}
    assert gone.withdrawn["logp"].reason == "it is no longer configured (configs/endpoints/)"
    assert gone.withdrawn["logp"].last.version == served.version

    file.write_bytes(content)
    report = made.run()
    assert report.made == ["inference_service"]
    assert pointer(made).endpoints["logp"].version == served.version
    assert pointer(made).withdrawn == {}
    assert pointer(made).damage_after(gone) is None


def test_endpoints_of_one_file_come_and_go_alone(made: Project) -> None:
    """Into one file and out of it nothing is made again; a fault with one withdraws none; a removed one goes."""
    folder = made.settings.configs / "endpoints"
    contents = {name: yaml.safe_load((folder / f"{name}.yaml").read_bytes()) for name in ("greasy", "logp")}
    for name, content in contents.items():
        (folder / f"{name}.yaml").unlink()
        del content["name"]
    write_yaml(folder / "both.yaml", {"endpoints": contents})
    assert made.plan() == {}

    made.edit("configs/endpoints/both.yaml", "title: logp", "titel: logp")
    assert "endpoints.logp.titel: unknown key" in make_plan(made.catalog(), made.ledger).as_text()
    assert made.run().made == ["inference_service"]
    assert set(pointer(made).endpoints) == {"greasy", "logp"}

    made.edit("configs/endpoints/both.yaml", "titel: logp", "title: logp")
    made.run()
    assert "it is removed from" in remove(made.settings, "logp", "no longer measured")[0]
    assert made.run().made == ["inference_service"]
    assert set(pointer(made).endpoints) == {"greasy"}
    assert pointer(made).withdrawn["logp"].reason == "no longer measured"


@pytest.mark.slow(sibling="test_an_endpoint_whose_file_is_removed_is_withdrawn_and_returns_with_it")
def test_a_renamed_endpoint_is_two_and_renaming_it_back_trains_nothing(made: Project) -> None:
    """The old name is withdrawn while the new one serves, and the other way round."""
    endpoints = made.settings.configs / "endpoints"
    content = (endpoints / "logp.yaml").read_text(encoding="utf-8")
    (endpoints / "logp.yaml").rename(endpoints / "lipophilicity.yaml")
    made.edit("configs/endpoints/lipophilicity.yaml", "name: logp", "name: lipophilicity")
    made.run()
    assert (set(pointer(made).endpoints), set(pointer(made).withdrawn)) == ({"greasy", "lipophilicity"}, {"logp"})

    (endpoints / "lipophilicity.yaml").unlink()
    (endpoints / "logp.yaml").write_text(content, encoding="utf-8")
    report = made.run()

    assert not [key for key in report.made if key.startswith("trained_model")]
    assert (set(pointer(made).endpoints), set(pointer(made).withdrawn)) == ({"greasy", "logp"}, {"lipophilicity"})


def test_an_endpoint_that_was_retired_by_hand_comes_back_by_hand_only(made: Project) -> None:
    """Also when its training is under way and publishes afterwards; its history is kept, its name is not reused."""
    before = pointer(made).endpoints["logp"]
    message = retire(made.settings, "logp", "the assay was wrong")
    assert "the assay was wrong" in message
    assert "it is still trained" in message
    made.edit("configs/endpoints/logp.yaml", "description: logp", "description: another one")
    assert {"champion_model/logp", "inference_service"} <= set(made.run().made)
    assert pointer(made).withdrawn["logp"].reason == "the assay was wrong"
    with pytest.raises(StoreError, match=r"was withdrawn on .*: the assay was wrong. `aidrug retire --undo logp`"):
        retire(made.settings, "logp", "again")

    assert f"served by {before.version} again" in bring_back(made.settings, "logp")
    assert pointer(made).endpoints["logp"].version == before.version
    with pytest.raises(StoreError, match="was not withdrawn"):
        bring_back(made.settings, "logp")


@pytest.mark.slow(sibling="test_pointer::test_endpoints_follow_the_configuration_of_who_publishes")
def test_a_publisher_withdraws_nothing_that_it_never_published(made: Project) -> None:
    """Another installation with fewer endpoints and the same store leaves the others' alone."""
    other = replace(made.settings, home=made.settings.home / "other", configs=made.root / "fewer")
    other.configs.joinpath("endpoints").mkdir(parents=True)
    for part in ("endpoints/greasy.yaml", "models/naive.yaml", "models/rf.yaml"):
        (other.configs / part).parent.mkdir(exist_ok=True)
        (other.configs / part).write_bytes((made.settings.configs / part).read_bytes())
    theirs = Project(other, made.instance)
    with dg.DagsterInstance.ephemeral() as instance:
        report = bring_up_to_date(theirs.catalog(), instance, Lines(made.lines.append))

    assert not report.failed
    assert set(pointer(made).endpoints) == {"greasy", "logp"}


def test_a_retired_endpoints_measurements_serve_models_that_name_it_as_auxiliary(made: Project) -> None:
    """A model that learns from others learns from those that are there; a removed one is not among them."""
    add_model(made.settings, "multitask", auxiliary=["logp"])
    catalog = made.catalog()
    assert "dataset/logp" in catalog.nodes["trained_model/greasy/multitask"].deps

    (made.settings.configs / "endpoints" / "logp.yaml").unlink()

    assert "dataset/logp" not in made.catalog().nodes["trained_model/greasy/multitask"].deps
    assert "auxiliary: there is no endpoint 'logp'" in "".join(made.catalog().configs.warnings)


def test_a_misspelt_endpoint_is_told_with_the_one_that_was_meant(made: Project) -> None:
    """The plan says so for people and for machines."""
    write_yaml(
        made.settings.configs / "models" / "naive.yaml",
        {"name": "naive", "description": "d", "features": ["descriptors"], "overrides": {"gresy": {}}},
    )
    plan = make_plan(made.catalog(), made.ledger)

    assert "there is no endpoint 'gresy', so this is of no effect; did you mean 'greasy'?" in plan.as_text()
    assert len(plan.as_json()["warnings"]) == 1
