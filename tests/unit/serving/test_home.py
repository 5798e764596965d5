"""Where everything is kept, by the service and by the pipeline alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_drug_assets.settings import ROOT
from ai_drug_assets.settings import Settings as PipelineSettings
from serving.settings import Settings as ServiceSettings


@pytest.mark.parametrize("environment", [{}, {"AIDRUG_HOME": "elsewhere"}])
def test_service_and_pipeline_keep_things_in_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """Wherever they were started: what `aidrug keys create` writes is what the service reads."""
    monkeypatch.chdir(tmp_path)
    service, pipeline = ServiceSettings.from_environment(environment), PipelineSettings.from_env(environment)

    assert pipeline.home == (tmp_path / "elsewhere" if environment else ROOT / ".aidrug")
    assert (service.store, service.folder) == (pipeline.store, pipeline.home / "service")
