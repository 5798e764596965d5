"""What fails, how that is reported, and what continues all the same."""

from __future__ import annotations

import json

import dagster as dg
import pandas as pd
import pytest

from ai_drug_assets import cli, keys
from ai_drug_assets.assets.holding import accept
from ai_drug_assets.settings import Settings
from model_zoo.bundles.store import FolderStore, parse_pointer
from model_zoo.data import dataset
from model_zoo.data.splits import Split, assign
from model_zoo.data.targets import Task
from model_zoo.errors import DataError
from model_zoo.models import naive, xgb
from tests.project_factory import Project, add_model, molecules, refuse, write_csv


def served(project: Project) -> dict[str, str]:
    """Return the model that serves each endpoint."""
    pointer = parse_pointer(FolderStore(project.settings.home / "store").read_pointer_bytes())
    return {name: now.version.split("-")[0] for name, now in pointer.endpoints.items()}


@pytest.fixture
def broken(made: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a third model, whose training raises on the endpoint logp."""
    monkeypatch.setattr(xgb, "train", refuse)
    add_model(made.settings, "xgb")
    return made


def test_a_model_that_fails_takes_nothing_down_and_is_on_record(broken: Project) -> None:
    """A model whose training raises fails its own asset; the other models, the champions and the service are made. The
    failure is in the ledger, in the leaderboard and, as a FAILED run, in MLflow, everywhere in the same words.
    """
    report = broken.run()
    assert list(report.failed) == ["trained_model/logp/xgb"]
    others = {"trained_model/greasy/xgb", "leaderboard/logp", "champion_model/logp", "inference_service"}
    assert others <= set(report.made)
    assert set(broken.plan()) == {"trained_model/logp/xgb"}
    assert served(broken) == {"greasy": served(broken)["greasy"], "logp": "rf"}

    message = report.failed["trained_model/logp/xgb"]
    failure = broken.ledger.read("trained_model/logp/xgb").failure
    assert failure is not None
    assert failure.error == message
    assert message.startswith("xgb: its library raised RuntimeError: the booster has no trees")
    (run,) = broken.runs("FAILED")
    assert run.data.tags[keys.TAG_ASSET] == "trained_model/logp/xgb"
    node = broken.catalog().nodes["leaderboard/logp"]
    place = broken.settings.home / "leaderboard" / "logp" / keys.code_version(node) / "leaderboard.json"
    assert json.loads(place.read_text(encoding="utf-8"))["absent"] == {"trained_model/logp/xgb": message}


def test_plan_and_exit_code_tell_a_failure(
    broken: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`aidrug run` exits 1 when an asset failed, `aidrug plan` exits 2 and shows the last failure."""
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls: broken.settings))
    monkeypatch.setattr(dg.DagsterInstance, "get", staticmethod(lambda: unclosed(broken.instance)))

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            cli.aidrug.main(list(arguments), prog_name="aidrug")
        return int(str(left.value.code or 0)), capsys.readouterr().out

    assert call("run")[0] == 1
    code, out = call("plan", "--json")
    assert code == 2
    (item,) = json.loads(out)["stale"]
    assert item["asset"] == "trained_model/logp/xgb"
    assert item["failure"].splitlines()[0] in call("plan")[1]
    monkeypatch.setattr(xgb, "train", naive.train)
    assert call("run")[0] == 0
    assert call("plan")[0] == 0


def test_poor_quality_only_warns(project: Project) -> None:
    """A model below its endpoint's minimum is trained with a warning; it may not serve, and nothing is blocked."""
    project.edit("configs/endpoints/logp.yaml", "metric: rmse", "metric: rmse\n  minimum: {r2: 0.9999}")
    (project.settings.configs / "endpoints" / "greasy.yaml").unlink()
    report = project.run()
    assert report.failed == {}
    assert report.made[-1] == "inference_service"
    assert served(project) == {}
    checks = project.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(keys.asset_key("trained_model/logp/rf"), "meets_minimum")]
    )
    (record,) = checks.values()
    evaluation = record.event.dagster_event.event_specific_data  # type: ignore[union-attr]
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)  # type: ignore[union-attr]


def test_a_leak_stops_the_endpoint_now_and_later(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot with a molecule in two folds stops its endpoint's models in this run and the next, and no other's."""

    def leaky(table: pd.DataFrame, split: Split, task: Task, processes: int) -> pd.DataFrame:
        dealt = assign(table, split, task, processes)
        return dealt.assign(smiles=dealt["smiles"].iloc[0]) if task == "regression" else dealt

    monkeypatch.setattr(dataset, "assign", leaky)
    for _ in range(2):
        report = project.run()
        assert report.failed["dataset/logp"] == "blocking check failed: no_leak"
        assert project.trained() == ["trained_model/greasy/naive", "trained_model/greasy/rf"]
        assert served(project) == {"greasy": "rf"}
    nodes = project.catalog().nodes.values()
    making = ("dataset", "features", "trained_model")
    assert set(report.failed) == {node.key for node in nodes if node.kind in making and node.endpoint == "logp"}


def test_an_unreadable_source_fails_alone(made: Project) -> None:
    """An endpoint whose new data hold no usable row fails with its reason and is still served; others continue."""
    before = served(made)
    (made.root / "logp.csv").write_text("smiles,value\nnot a molecule,1\n", encoding="utf-8")
    made.change_code("model_zoo/models/rf.py")
    report = made.run()
    assert "logp.csv" in report.failed["dataset/logp"] or "usable" in report.failed["dataset/logp"]
    assert {"trained_model/greasy/rf", "champion_model/greasy", "inference_service"} <= set(report.made)
    assert served(made) == before


def test_code_that_changes_while_a_process_runs_is_not_labelled(made: Project) -> None:
    """A model whose code changes after it was loaded fails with the reason; nothing carries the old or new label."""
    made.change_code("model_zoo/models/rf.py")
    before = made.trained()
    defs = made.defs()
    made.change_code("model_zoo/models/rf.py", "2")
    assert not made.materialise("trained_model/logp/rf", defs=defs).success
    failure = made.ledger.read("trained_model/logp/rf").failure
    assert failure is not None
    assert "files changed after this process loaded them" in failure.error
    assert made.trained() == before
    made.edit("model_zoo/models/rf.py", "\nassert 2\n", "")
    assert made.materialise("trained_model/logp/rf").success
    assert made.trained() == sorted([*before, "trained_model/logp/rf"])


def test_a_syntax_error_in_another_models_file_throws_no_training_away(made: Project) -> None:
    """While a model trains, a syntax error is saved in the file of one that it has nothing to do with: it is kept."""
    made.change_code("model_zoo/models/rf.py")
    defs = made.defs()
    (made.root / "model_zoo/models/naive.py").write_text("def broken(:\n", encoding="utf-8")
    assert made.materialise("trained_model/logp/rf", defs=defs).success


def test_judging_uses_the_code_that_was_loaded(made: Project) -> None:
    """Judging code edited in the middle of `aidrug run` is not taken for what judged, and publishes nothing."""
    before = (made.settings.home / "store" / "current.json").read_bytes()
    made.change_code("model_zoo/models/rf.py")
    catalog = made.catalog()
    edited: list[str] = []

    def edit(line: str) -> None:
        if "/rf " in line and not edited:  # whichever endpoint comes first: it must not be published either
            edited.append(line)
            made.change_code("model_zoo/bundles/pointer.py")

    from ai_drug_assets.execution.progress import Lines
    from ai_drug_assets.execution.runner import bring_up_to_date

    report = bring_up_to_date(catalog, made.instance, Lines(edit))
    assert "files changed" in report.failed["inference_service"]
    assert "inference_service" in made.plan()
    assert (made.settings.home / "store" / "current.json").read_bytes() == before


def test_an_input_made_anew_meanwhile_shows_as_newer(made: Project) -> None:
    """An asset whose input is made again while it is being made counts as made from the older one."""
    from ai_drug_assets.assets.context import AssetContext

    asset_context = AssetContext(made.catalog())
    node = asset_context.catalog.nodes["inference_service"]

    @dg.asset
    def service(context) -> None:  # noqa: ANN001 - Dagster reads annotations
        with asset_context.making(context, node) as outcome:
            outcome.data_version = "new"
            upstream = made.ledger.read("champion_model/logp").made
            assert upstream is not None
            made.ledger.record_made("champion_model/logp", upstream.model_copy(update={"data_version": "newer"}))

    assert dg.materialize([service], instance=made.instance).success
    assert made.plan() == {"inference_service": {("upstream", "champion_model/logp")}}


def test_too_few_molecules_is_one_message(project: Project) -> None:
    """An endpoint with too few molecules says so in one sentence, before anything of it is trained."""
    write_csv(project.root / "logp.csv", [(text, 1.0) for text in molecules()[:3]])
    (project.settings.configs / "endpoints" / "greasy.yaml").unlink()
    report = project.run()
    assert "\n" not in report.failed["dataset/logp"]
    assert [key for key in report.made if key.startswith("trained_model/")] == []


class unclosed:  # noqa: N801 - reads as a word
    """Lends an instance to code that would close it."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def __enter__(self) -> dg.DagsterInstance:
        return self.instance

    def __exit__(self, *_: object) -> None:
        return None


def test_a_file_in_another_unit_is_held_until_it_is_accepted(made: Project) -> None:
    """A CSV in another unit trains nothing and changes no champion; one command takes it, and no other file."""
    path = made.root / "logp.csv"
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    pointer = made.settings.home / "store" / "current.json"
    served, trained = pointer.read_bytes(), made.trained()
    with pytest.raises(DataError, match="nothing to accept"):
        accept(made.settings, "logp")
    write_csv(path, [(smiles, 1000 * float(value)) for smiles, value in rows])

    failed = made.run().failed
    assert "values are 1000 times what they were (another unit?)" in str(failed)
    assert "aidrug accept logp" in str(failed)
    assert (pointer.read_bytes(), made.trained()) == (served, trained)

    assert "values are 1000 times" in accept(made.settings, "logp")
    assert made.materialise("dataset/logp").success
    write_csv(path, [(smiles, 1e9 * float(value)) for smiles, value in rows])
    assert not made.materialise("dataset/logp").success


def test_a_salt_measured_twice_is_counted_among_the_replicates(project: Project) -> None:
    """Its reason continues after the spread, with what was left out of the structure."""
    raw = project.root / "logp.csv"
    with raw.open("a", encoding="utf-8") as file:
        file.write("NC1CCCCC1.Cl,2.5\nNC1CCCCC1,2.9\n")
    result = project.materialise("dataset/logp")
    (made,) = result.asset_materializations_for_node("dataset__logp")
    assert str(made.metadata["replicates"].value).startswith("1 molecule measured more than once; spread 0.4 ")
