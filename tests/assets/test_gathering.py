"""One run of everything in which something fails: what is made from whatever there is, is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ai_drug_assets.executors import gathering
from tests.checkout_copy import MODEL, CheckoutCopy

ABOVE: dict[str, tuple[str, ...]] = {
    "trained_model/e/rf": (),
    "trained_model/e/gp": (),
    "trained_model/e/blend": ("trained_model/e/rf", "trained_model/e/gp"),
    "leaderboard/e": ("trained_model/e/rf", "trained_model/e/gp", "trained_model/e/blend"),
    "champion_model/e": ("leaderboard/e",),
    "trained_model/f/gp": (),
    "leaderboard/f": ("trained_model/f/gp",),
    "champion_model/f": ("leaderboard/f",),
    "inference_service": ("champion_model/e", "champion_model/f"),
}
"""A small lineage of ours: of the endpoint f nothing can be made."""


def toy(key: str, above: tuple[str, ...]) -> dg.AssetsDefinition:
    """Make an asset that fails where the model is a Gaussian process."""

    @dg.asset(key=key.split("/"), deps=[each.split("/") for each in above])
    def made() -> None:
        if key.endswith("gp"):
            raise ValueError("no kernel")

    return made


def toy_job() -> dg.JobDefinition:
    """Return the job that makes them all, each step in a process of its own."""
    executor = gathering(dg.multiprocess_executor).configured({"start_method": {"forkserver": {}}})
    everything = dg.define_asset_job("everything")
    defs = dg.Definitions([toy(*each) for each in ABOVE.items()], jobs=[everything], executor=executor)
    return defs.resolve_job_def("everything")


def test_one_run_loses_nothing_for_a_model_that_fails() -> None:
    """The leaderboard, its champion and the service are made in the same run; what needs the failed one is not, and the
    run fails by the names of the models.
    """
    with dg.instance_for_test() as instance, dg.execute_job(dg.reconstructable(toy_job), instance) as result:
        keys = [event.asset_key for event in result.all_events if event.is_step_materialization]
        failed = {event.step_key for event in result.all_events if event.is_step_failure}
        assert not result.success
    made = ["/".join(key.path) for key in keys if key]
    assert sorted(made) == ["champion_model/e", "inference_service", "leaderboard/e", "trained_model/e/rf"]
    assert failed == {"trained_model__e__gp", "trained_model__f__gp"}


@pytest.mark.slow(sibling="test_gathering::test_one_run_loses_nothing_for_a_model_that_fails")
def test_dagsters_own_command_serves_what_can_be_made(tmp_path: Path) -> None:
    """`dagster asset materialize --select "*"`, where one model of two fails: the other one is elected and published,
    the plan still names what failed and nothing else, and so do the badges.
    """
    copy = CheckoutCopy(tmp_path / "checkout")
    copy.write("configs/models/gp.yaml", MODEL.format(name="gp", config="{}"))
    path = copy.folder / "model_zoo/models/gp.py"
    path.write_text(path.read_text(encoding="utf-8").replace("def train(", "def _train("), encoding="utf-8")
    copy.write("model_zoo/models/gp.py", f"{path.read_text(encoding='utf-8')}\n\n{FAILING}")
    environment = {**copy.environment, "DAGSTER_HOME": str(copy.folder)}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "*", "-m", "ai_drug_assets.definitions"],
        cwd=copy.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "no kernel" in done.stderr + done.stdout
    assert (copy.home / "store" / "current.json").exists(), done.stderr[-3000:]
    printed = copy.aidrug("plan", code=2)
    assert "1 stale" in printed
    assert "trained_model/toy/gp" in printed


FAILING = "def train(X_train, y_train, config):\n    raise ValueError('no kernel')\n"
