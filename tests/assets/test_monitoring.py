"""Monitoring: what the record of use says of a champion, as Dagster shows it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from ai_drug_assets.feedback import export
from model_zoo.errors import DataError
from model_zoo.live.record import LiveRecord, MeasurementRow, PredictionRow
from model_zoo.store import FolderStore
from tests.project_factory import Project

MOLECULES = 60
CHECKS = {"inside_domain", "no_drift", "accuracy_holds", "coverage_holds", "champion_holds"}


def look(project: Project) -> tuple[dict[str, Any], dict[str, bool]]:
    """Materialise the monitoring of `logp`; give its metadata and which checks pass."""
    result = project.materialise("monitoring/logp")
    assert result.success
    (made,) = result.asset_materializations_for_node("monitoring__logp")
    checks = {item.check_name: item.passed for item in result.get_asset_check_evaluations()}
    assert set(checks) == CHECKS
    return {name: value.value for name, value in made.metadata.items()}, checks


def use(project: Project, version: str, error: float, *, inside: bool = True, role: str = "champion") -> None:
    """Record predictions of a version that are wrong by about `error`, and what was measured."""
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 1, MOLECULES)
    wrong = truth + error * rng.choice([-1.0, 1.0], MOLECULES)
    record = LiveRecord(project.settings.home / "service")
    now = time.time()
    record.append(
        [
            PredictionRow(
                now, bytes([i]) * 16, None, "logp", version, role, True, v, v - 1, v + 1, 0.5, inside  # type: ignore[arg-type]
            )
            for i, v in enumerate(wrong)
        ]
    )  # fmt: skip
    record.measure([MeasurementRow(now, bytes([i]) * 16, None, "logp", v, name=str(i)) for i, v in enumerate(truth)])
    record.close()


def champion(project: Project) -> str:
    """Give the version that serves `logp`."""
    pointer = json.loads((Path(project.settings.store) / "current.json").read_bytes())
    return str(pointer["endpoints"]["logp"]["version"])


def test_without_a_champion_or_use_nothing_is_concluded(project: Project) -> None:
    """Neither is a fault: every check passes, and the metadata says that there is nothing yet."""
    metadata, checks = look(project)
    assert metadata["champion"] == "none"
    assert all(checks.values())
    project.run()
    metadata, checks = look(project)
    assert metadata["champion"] == champion(project)
    assert "too few" in metadata["review"]
    assert all(checks.values())


def test_a_champion_that_does_well_passes_and_one_that_does_not_warns(project: Project) -> None:
    """Live error, coverage and domain are compared with what was promised; the service is left a review."""
    project.run()
    use(project, champion(project), 0.01)
    metadata, checks = look(project)
    assert all(checks.values())
    assert "data:image/png" in metadata["weeks"]
    review = json.loads((project.settings.home / "service" / "reviews" / "logp.json").read_bytes())
    assert review["accuracy"]["molecules"] == MOLECULES
    assert review["accuracy"]["loss"] == pytest.approx(0.01)

    use(project, champion(project), 5.0, inside=False)
    _, checks = look(project)
    assert {name for name, passed in checks.items() if not passed} == {
        "inside_domain", "accuracy_holds", "coverage_holds",
    }  # fmt: skip


def test_monitoring_is_never_stale_and_never_blocks(project: Project) -> None:
    """It is made from use: the plan does not name it, and its checks only warn."""
    project.run()
    assert not project.plan()
    specs = [spec for asset in project.defs().assets or () for spec in getattr(asset, "check_specs", ())]
    monitoring = [spec for spec in specs if spec.asset_key.path[0] == "monitoring"]
    assert {spec.name for spec in monitoring} == CHECKS
    assert not any(spec.blocking for spec in monitoring)
    assert isinstance(project.defs().get_assets_def(dg.AssetKey(["monitoring", "logp"])), dg.AssetsDefinition)


def test_reported_values_become_a_file_to_train_on(project: Project, tmp_path: Path) -> None:
    """Those with a structure are written with source and date; without any, it says why."""
    out = tmp_path / "out" / "reported.csv"
    with pytest.raises(DataError, match="no value was reported"):
        export(project.settings, "logp", out)
    record = LiveRecord(project.settings.home / "service")
    record.measure([MeasurementRow(0.0, b"a" * 16, None, "logp", 1.5)])
    with pytest.raises(DataError, match="without their structure"):
        export(project.settings, "logp", out)
    record.measure([MeasurementRow(1.0, b"b" * 16, "CCO", "logp", -0.25, 'lab, "north"', "7")])
    assert "1 measured values of logp; 1 without a structure" in export(project.settings, "logp", out)
    assert out.read_text() == ('smiles,value,source,name,received\nCCO,-0.25,"lab, ""north""",7,1970-01-01T00:00:01Z\n')
    assert FolderStore(Path(project.settings.store)).read_pointer_bytes() is None
