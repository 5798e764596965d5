"""A client that is generated from the interface's description, as other people make theirs, does all that there is."""

from __future__ import annotations

import importlib
import io
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from model_zoo.bundles.store import FolderStore
from tests.bundle_factory import publish
from tests.server_process import ROOT, running_service

PACKAGE = "client_of_others"
ENDPOINT = "solubility_logs"
ASPIRIN, ETHANOL = "CC(=O)Oc1ccccc1C(=O)O", "CCO"


class Generated:
    """The generated client. Operations are called by what the description calls them, and those called are kept."""

    def __init__(self, address: str) -> None:
        self.types, self.models = (
            importlib.import_module(f"{PACKAGE}.types"),
            importlib.import_module(f"{PACKAGE}.models"),
        )
        self.client = importlib.import_module(PACKAGE).Client(base_url=address, raise_on_unexpected_status=True)
        api = importlib.import_module(f"{PACKAGE}.api")
        found = pkgutil.walk_packages(api.__path__, f"{api.__name__}.")
        self.operations = {each.name.rpartition(".")[2]: each.name for each in found if not each.ispkg}
        self.called: set[str] = set()

    def __call__(self, operation: str, *arguments: Any, status: int = 200, **options: Any) -> Any:
        """Call an operation; return its answer as it was read."""
        self.called.add(operation)
        module = importlib.import_module(self.operations[operation])
        answer = module.sync_detailed(*arguments, client=self.client, **options)
        assert answer.status_code == status, answer.content
        assert answer.parsed is not None or not answer.content, "the description does not know this answer"
        return answer.parsed


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    """Generate a client of a service from its own description."""
    home = tmp_path_factory.mktemp("generated")
    store = FolderStore(home / "store")
    for number in range(3):  # one is rolled back
        publish(store, home / f"bundle{number}", onnx_bias=float(number))
    publish(store, home / "bbb", endpoint="bbb_permeability", value=0.8, binary=True)
    with running_service(home, home / "log") as (address, _):
        (home / "openapi.json").write_bytes(httpx.get(f"{address}/schema/openapi.json").content)
        command = ["openapi-python-client", "generate", "--path", "openapi.json", "--output-path", PACKAGE]
        tools = str(Path(sys.executable).parent)
        made = subprocess.run(
            [f"{tools}/{command[0]}", *command[1:], "--meta", "none"],
            cwd=home,
            env={"PATH": f"{tools}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        complaints = [line for line in made.stdout.splitlines() if line.startswith(("WARNING", "Unsupported", "ERROR"))]
        # Such files may be sent as the whole body, too; this generator sends them in forms.
        assert set(complaints) <= {
            "WARNING parsing POST /v1/jobs within jobs.",
            "Unsupported content type text/csv",
            "Unsupported content type chemical/x-mdl-sdfile",
            "Unsupported content type chemical/x-daylight-smiles",
        }
        sys.path.insert(0, str(home))
        try:
            yield Generated(address)
        finally:
            sys.path.remove(str(home))


def test_it_does_everything_that_the_guide_does(generated: Generated) -> None:
    """Every operation of the description is called, and each answer is read as what the description says."""
    models, types = generated.models, generated.types

    assert generated("health_live_live").status
    assert generated("health_ready_ready").status == "ready"
    asked = models.PredictRequest(smiles=[ASPIRIN, "not a molecule"], endpoints=[ENDPOINT])
    aspirin, nothing = generated("v1_predict_predict", body=asked).predictions
    assert aspirin.endpoints[ENDPOINT].value == pytest.approx(2.0, abs=10)
    assert nothing.error.code == "invalid-smiles"
    assert not nothing.endpoints
    asked = models.PredictRequest(smiles=[ETHANOL], include=["neighbours", "alerts"])
    assert generated("v1_predict_predict", body=asked).predictions[0].alerts == []
    table = generated("v1_predictions_csv_predictions_csv", smiles=[ETHANOL, ASPIRIN], endpoints=ENDPOINT)
    assert len(table.splitlines()) == 3

    names = {each.name for each in generated("v1_endpoints_list_endpoints")}
    assert names == {ENDPOINT, "bbb_permeability"}
    assert generated("v1_endpoints_name_show_endpoint", ENDPOINT).name == ENDPOINT
    assert {each.endpoint for each in generated("v1_models_list_models")} == names
    champion = generated("v1_champions_name_show_champion", ENDPOINT)
    assert generated("v1_leaderboards_name_show_leaderboard", ENDPOINT).champion == champion.serving
    generated("v1_reviews_name_show_review", ENDPOINT, status=404)
    assert generated("v1_champions_name_rollback_roll_back", ENDPOINT).serving != champion.serving
    assert generated("v1_champions_name_promote_promote", ENDPOINT, status=409).status == 409

    _report_and_withdraw(generated)

    assert generated("v2_server_metadata").name
    assert generated("v2_health_live_server_live").live
    assert generated("v2_health_ready_server_ready").ready
    version = generated("v2_models_name_model_metadata", ENDPOINT).versions[0]
    assert generated("v2_models_name_ready_model_ready", ENDPOINT).ready
    assert generated("v2_models_name_versions_model_version_ready_model_ready", ENDPOINT, version).ready
    assert generated("v2_models_name_versions_model_version_model_metadata", ENDPOINT, version).name == ENDPOINT
    tensor = models.InputTensor(name="smiles", shape=[2], datatype="BYTES", data=[ETHANOL, ASPIRIN])
    infer = models.InferRequest(inputs=[tensor])
    whole = generated("v2_models_name_infer_infer", ENDPOINT, body=infer)
    pinned = generated("v2_models_name_versions_model_version_infer_infer", ENDPOINT, version, body=infer)
    assert [each.shape for each in whole.outputs] == [each.shape for each in pinned.outputs]

    job = generated(
        "v1_jobs_submit_job",
        status=202,
        idempotency_key="hits-of-monday",
        body=models.V1JobsSubmitJobFilesBody(
            file=types.File(
                io.BytesIO(b"id,structure\nhit-1,CCO\nhit-2,not a molecule\nhit-3,CCCCCCCl\n"),
                "hits.csv",
                mime_type="text/csv",
            ),
            column="structure",
        ),
    )
    assert "event: done" in generated("v1_jobs_job_id_events_follow_job", job.id)
    assert generated("v1_jobs_job_id_show_job", job.id).status == "done"
    assert job.id in {each.id for each in generated("v1_jobs_list_jobs", limit=10).jobs}
    result = generated("v1_jobs_job_id_result_download_result", job.id, format_="csv")
    assert len(result.splitlines()) == 4
    suggestion = generated("v1_jobs_job_id_suggestion_suggest_batch", job.id, batch=1)
    assert [pick.row for pick in suggestion.picks] == [2]
    job = generated(
        "v1_jobs_submit_job", status=202, body=models.V1JobsSubmitJobJsonBody(smiles=[ETHANOL], ids=["hit-3"])
    )
    generated("v1_jobs_job_id_events_follow_job", job.id)
    generated("v1_jobs_job_id_cancel_job", job.id, status=204)

    assert generated.called == set(generated.operations)


def test_it_reads_every_refusal_as_a_problem(generated: Generated) -> None:
    """What is refused comes as the problem that the description promises, with its code."""
    models = generated.models
    refused = [
        ("unknown-endpoint", generated("v1_champions_name_show_champion", "nothing", status=404)),
        ("unknown-job", generated("v1_jobs_job_id_show_job", "0" * 32, status=404)),
        ("invalid-request", generated("v1_jobs_job_id_show_job", "nothing", status=422)),
        ("invalid-request", generated("v1_predict_predict", body=models.PredictRequest(smiles=[]), status=422)),
    ]

    assert {type(problem) for _, problem in refused} == {models.Problem}
    assert [problem.code for _, problem in refused] == [code for code, _ in refused]


def test_the_guide_names_the_generator() -> None:
    """Who wants a client in another language finds which generator is tried."""
    assert "openapi-python-client" in (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def _report_and_withdraw(generated: Generated) -> None:
    """Report a measured value, take one back, and switch recalibration off."""
    models = generated.models
    measurement = models.Measurement(smiles=ETHANOL, endpoint=ENDPOINT, value=1.1)
    report = models.FeedbackRequest(measurements=[measurement])
    assert generated("v1_feedback_report", body=report, idempotency_key="once").stored == 1
    forgotten = models.WithdrawalRequest(endpoint=ENDPOINT, names=["nobody's"])
    assert generated("v1_feedback_withdraw_withdraw", body=forgotten).unknown == ["nobody's"]
    assert generated("v1_calibrations_name_show_calibration", ENDPOINT).calibration == "bundle"
    decision = models.CalibrationDecision(active=False)
    assert generated("v1_calibrations_name_decide", ENDPOINT, body=decision).factor == 1
