"""Monitoring: what the record of use says of a champion, as Dagster shows it."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import yaml

from ai_drug_assets.operations.feedback_export import export
from ai_drug_assets.operations.rollback import promote
from model_zoo.bundles.store import FolderStore, parse_pointer
from model_zoo.config.files import load_configs
from model_zoo.data.sources import CsvSource, read_source
from model_zoo.errors import DataError, StoreError
from model_zoo.monitoring.calibration_rows import Decision
from model_zoo.monitoring.prediction_log import MeasurementRow, PredictionLog, PredictionRow
from tests.bundle_factory import copy_as_other
from tests.project_factory import Project, add_model, write_yaml

MOLECULES = 60
CHECKS = {"inside_domain", "no_drift", "accuracy_holds", "coverage_holds", "champion_holds"}


def look(project: Project) -> tuple[dict[str, Any], dict[str, bool]]:
    """Observe the monitoring of `logp`; give its metadata and which checks pass."""
    result = project.materialise("monitoring/logp")
    assert result.success
    (made,) = result.asset_observations_for_node("monitoring__logp")
    checks = {item.check_name: item.passed for item in result.get_asset_check_evaluations()}
    assert set(checks) == CHECKS
    return {name: value.value for name, value in made.metadata.items()}, checks


def use(
    project: Project, version: str, error: float, *, inside: bool = True, role: str = "champion", first: int = 0
) -> None:
    """Record predictions of a version that are wrong by about `error`, and what was measured, from a molecule on."""
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 1, MOLECULES)
    wrong = truth + error * rng.choice([-1.0, 1.0], MOLECULES)
    record = PredictionLog(project.settings.home / "service")
    now = time.time()
    record.append(
        [
            PredictionRow(
                now, bytes([i]) * 16, None, "logp", version, role, True, v, v - 1, v + 1, 0.5, inside  # type: ignore[arg-type]
            )
            for i, v in enumerate(wrong, first)
        ]
    )  # fmt: skip
    record.measure(
        [MeasurementRow(now, bytes([i]) * 16, None, "logp", v, name=str(i)) for i, v in enumerate(truth, first)]
    )
    record.close()


def champion(project: Project) -> str:
    """Return the version that serves `logp`."""
    pointer = json.loads((Path(project.settings.store) / "current.json").read_bytes())
    return str(pointer["endpoints"]["logp"]["version"])


def test_without_a_champion_nothing_is_concluded(project: Project) -> None:
    """That is no fault: every check passes, and the metadata says that there is nothing yet."""
    metadata, checks = look(project)
    assert metadata["champion"] == "none"
    assert all(checks.values())


def test_without_use_nothing_is_concluded(made: Project) -> None:
    """A champion that nobody asked yet passes every check."""
    metadata, checks = look(made)
    assert metadata["champion"] == champion(made)
    assert "too few" in metadata["review"]
    assert all(checks.values())


@pytest.mark.usefixtures("pictures")
def test_a_champion_that_does_well_passes_and_one_that_does_not_warns(made: Project) -> None:
    """Live error, coverage and domain are compared with what was promised; the service is left a review."""
    use(made, champion(made), 0.01)
    metadata, checks = look(made)
    assert all(checks.values())
    assert "data:image/png" in metadata["weeks"]
    review = json.loads((made.settings.home / "service" / "reviews" / "logp.json").read_bytes())
    assert review["accuracy"]["molecules"] == MOLECULES
    assert review["accuracy"]["loss"] == pytest.approx(0.01)
    unit = load_configs(made.settings.configs).endpoints["logp"].unit
    assert review["scale"] == unit
    assert f"| scale of losses | {unit} |" in metadata["review"]

    use(made, champion(made), 5.0, inside=False, first=MOLECULES)  # those of before keep their prediction and value
    _, checks = look(made)
    assert {name for name, passed in checks.items() if not passed} == {
        "inside_domain", "accuracy_holds", "coverage_holds",
    }  # fmt: skip


def test_monitoring_is_never_stale_and_never_blocks(made: Project) -> None:
    """It is made from use: the plan does not name it, and its checks only warn."""
    assert not made.plan()
    specs = [spec for asset in made.defs().assets or () for spec in getattr(asset, "check_specs", ())]
    monitoring = [spec for spec in specs if spec.asset_key.path[0] == "monitoring"]
    assert {spec.name for spec in monitoring} == CHECKS
    assert not any(spec.blocking for spec in monitoring)
    assert isinstance(made.defs().get_assets_def(dg.AssetKey(["monitoring", "logp"])), dg.AssetsDefinition)


def test_reported_values_become_a_file_to_train_on(project: Project, tmp_path: Path) -> None:
    """Those with a structure are written with source and date; without any, it says why. A source reads bounds back."""
    out = tmp_path / "out" / "reported.csv"
    with pytest.raises(DataError, match="no value was reported"):
        export(project.settings, "logp", out)
    record = PredictionLog(project.settings.home / "service")
    record.measure([MeasurementRow(0.0, b"a" * 16, None, "logp", 1.5)])
    with pytest.raises(DataError, match="without their structure"):
        export(project.settings, "logp", out)
    record.measure([MeasurementRow(1.0, b"b" * 16, "CCO", "logp", -0.25, 'lab, "north"', "7", unit="old unit")])
    record.measure([MeasurementRow(2.0, b"c" * 16, "CCN", "logp", 0.5, "=1+1", relation="<")])
    message = export(project.settings, "logp", out)
    unit = load_configs(project.settings.configs).endpoints["logp"].unit
    assert "2 measured values of logp; 1 without a structure" in message
    layout = "smiles_column: smiles, value_column: value, relation_column: relation, unit_column: unit"
    assert f"{{file: {out}, format: csv, {layout}}}" in message
    assert out.read_text().splitlines() == [
        "smiles,relation,value,unit,source,name,received",
        'CCO,=,-0.25,old unit,"lab, ""north""",7,1970-01-01T00:00:01Z',
        f"CCN,<,0.5,{unit},'=1+1,,1970-01-01T00:00:02Z",
    ]
    source = CsvSource.model_validate({"kind": "csv", "files": [yaml.safe_load(message[message.index("{") :])]})
    read = read_source(source, project.settings.root)
    assert read[["smiles", "relation", "value", "unit"]].to_numpy().tolist() == [
        ["CCO", "=", "-0.25", "old unit"], ["CCN", "<", "0.5", unit],
    ]  # fmt: skip
    assert FolderStore(Path(project.settings.store)).read_pointer_bytes() is None


def set_trial(project: Project, **trial: Any) -> None:
    """Write or remove the trial in the endpoint's YAML."""
    path = project.settings.configs / "endpoints" / "logp.yaml"
    content = yaml.safe_load(path.read_text())
    content.pop("trial", None)
    write_yaml(path, {**content, **({"trial": trial} if trial else {})})


def pointer(project: Project) -> Any:
    """Return what the pointer says of `logp`."""
    return parse_pointer(FolderStore(Path(project.settings.store)).read_pointer_bytes()).endpoints["logp"]


def test_a_trial_begins_waits_wins_and_ends(made: Project) -> None:
    """The runner-up goes on trial; better on measured molecules it waits for a hand, or is promoted by itself."""
    add_model(made.settings, "xgb")
    set_trial(made, mode="split", share=0.3)
    made.run()
    begun = pointer(made)
    assert (begun.challenger.mode, begun.challenger.share) == ("split", 0.3)
    assert begun.challenger.version != begun.version
    use(made, begun.version, 1.0)
    use(made, begun.challenger.version, 0.1, role="challenger")
    metadata, checks = look(made)
    assert not checks["champion_holds"]
    assert "challenger better" in metadata["trial"]
    assert pointer(made) == begun

    set_trial(made, mode="split", share=0.3, promote="automatic")
    assert not [key for key in made.run().made if key.startswith("trained_model/")]
    assert pointer(made) == begun  # the same trial, not one begun again
    metadata, _ = look(made)
    now = pointer(made)
    assert metadata["promoted"] == now.version == begun.challenger.version
    assert (now.superseded_version, now.by) == (begun.version, "monitoring")
    assert made.run().made == []

    set_trial(made)  # judged again: what was promoted stays, the former champion stays away, nobody is on trial
    assert "champion_model/logp" in made.run().made
    after = pointer(made)
    assert (after.version, after.superseded_version, after.challenger) == (
        begun.challenger.version,
        begun.version,
        None,
    )


def test_promoting_by_hand_needs_a_trial(made: Project) -> None:
    """`aidrug promote` says what is missing, and does it once somebody is on trial."""
    with pytest.raises(StoreError, match="no challenger on trial"):
        promote(made.settings, "logp")
    store = FolderStore(Path(made.settings.store))
    other = pointer(made)
    version = copy_as_other(store.bundle_folder("logp", other.version))
    store.update_pointer(lambda before: before.put_on_trial({"logp": (version, "shadow", 0.1)}, by="test"))
    assert "does not return by itself" in promote(made.settings, "logp")
    assert (pointer(made).version, pointer(made).superseded_version) == (version, other.version)


def test_values_of_another_unit_and_of_excluded_keys_do_not_count(made: Project) -> None:
    """After an endpoint changed its unit, earlier values say nothing of the champion; nor do those of a bad key."""
    use(made, champion(made), 0.01)
    unit = load_configs(made.settings.configs).endpoints["logp"].unit
    with closing(PredictionLog(made.settings.home / "service")) as record:
        rows = record.measurements("logp")
        far = [replace(row, value=row.value + 50.0) for row in rows]
        record.measure([replace(row, name=f"old {row.name}", unit="ug/mL") for row in far])
        record.measure([replace(row, caller="bad") for row in far])
        record.measure([replace(row, unit=unit) for row in rows])
        record.decide("logp", Decision(without=("bad",)), "test", time.time())
    look(made)
    review = json.loads((made.settings.home / "service" / "reviews" / "logp.json").read_bytes())
    assert review["accuracy"]["molecules"] == MOLECULES
    assert review["accuracy"]["loss"] == pytest.approx(0.01)


def test_only_the_challenger_that_was_judged_is_promoted(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that came on trial while the review was made waits for a verdict of its own."""
    store = FolderStore(Path(made.settings.store))
    now = pointer(made)
    folder = store.bundle_folder("logp", now.version)
    judged = copy_as_other(folder)
    other = copy_as_other(folder.with_name(judged))
    store.update_pointer(lambda before: before.put_on_trial({"logp": (judged, "shadow", 0.1)}, by="test"))
    set_trial(made, mode="shadow", promote="automatic")
    use(made, now.version, 1.0)
    use(made, judged, 0.1, role="challenger")

    def reviewed(*args: Any) -> Any:
        found = review_of(*args)
        store.update_pointer(lambda before: before.put_on_trial({"logp": (other, "shadow", 0.1)}, by="test"))
        return found

    monitoring = import_module("ai_drug_assets.assets.monitoring")  # the package has a function of that name
    review_of = monitoring.review
    monkeypatch.setattr(monitoring, "review", reviewed)
    metadata, _ = look(made)
    assert metadata["promoted"] == "nobody"
    assert (pointer(made).version, pointer(made).challenger.version) == (now.version, other)


def test_the_line_for_the_source_is_read_back_wherever_the_file_is(project: Project, tmp_path: Path) -> None:
    """Blanks, commas and colons in its path are quoted, and texts with ends of lines begin no rows."""
    record = PredictionLog(project.settings.home / "service")
    names = ["a\rCCO,=,9,u", "b\nCCO", 'c"', "d,e", "\t=f"]
    record.measure([MeasurementRow(1.0, b"b" * 16, "CCN", "logp", -0.25, each, each, unit="u") for each in names])
    for out in (project.settings.root / "data" / "my values, 2026: {x}.csv", tmp_path / "other" / "own.csv"):
        message = export(project.settings, "logp", out)
        (line,) = re.findall(r"source: (\{.*\})", message)
        read = read_source(
            CsvSource.model_validate({"kind": "csv", "files": [yaml.safe_load(line)]}), project.settings.root
        )
        assert read[["smiles", "relation", "value", "unit"]].to_numpy().tolist() == [["CCN", "=", "-0.25", "u"]] * 5


def test_classes_are_not_offered_to_a_source_of_amounts(project: Project, tmp_path: Path) -> None:
    """An endpoint that makes its classes of amounts reads no class, so the file is not offered as one of its."""
    path = project.settings.configs / "endpoints" / "logp.yaml"
    curation = {"threshold": {"value": 1.0, "unit": "log10 ratio", "positive": "above"}}
    binary = {"task": "binary", "unit": "probability", "champion": {"metric": "auroc"}, "curation": curation}
    write_yaml(path, {**yaml.safe_load(path.read_text()), **binary})
    record = PredictionLog(project.settings.home / "service")
    record.measure([MeasurementRow(1.0, b"b" * 16, "CCN", "logp", 1.0, unit="probability")])
    message = export(project.settings, "logp", tmp_path / "own.csv")
    assert "cannot read them" in message
    assert "{file:" not in message
