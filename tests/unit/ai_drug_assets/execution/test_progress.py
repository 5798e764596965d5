"""Progress of a run: what it says, to whom, and how it comes to its estimates."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ai_drug_assets.execution.progress import JsonLines, Lines, RunProgress, time_left
from ai_drug_assets.planning.estimates import Estimates
from model_zoo.bundles.progress import Progress, as_bytes, parse_progress
from model_zoo.bundles.store import FolderStore
from tests.unit.ai_drug_assets.planning.test_catalog_plan import Project

NEWS = Progress(began="2026-01-31T12:00:00+00:00", at="2026-01-31T12:01:00+00:00", done=1, total=9, remaining_s=170)
NOON = datetime.fromisoformat("2026-01-31T12:01:00+00:00")


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff", b'{"began": 1}', as_bytes(NEWS)[:40]])
def test_no_news_is_no_fault(content: bytes | None) -> None:
    """An absent, damaged or half-written file is no news."""
    assert parse_progress(content) is None


def test_news_of_a_killed_run_end_by_themselves(tmp_path: Path) -> None:
    """A file that nobody refreshed for a minute is no news; one that says more than this reader knows is read."""
    assert parse_progress(as_bytes(NEWS), NOON + timedelta(seconds=59)) == NEWS
    assert parse_progress(as_bytes(NEWS), NOON + timedelta(seconds=61)) is None
    newer = json.dumps({**json.loads(as_bytes(NEWS)), "mood": "good"}).encode()
    assert parse_progress(newer, NOON) == NEWS


def test_a_store_keeps_the_news_and_forgets_it(tmp_path: Path) -> None:
    """The file is beside the pointer and goes with the run."""
    store = FolderStore(tmp_path)
    assert store.read_progress_bytes() is None
    store.write_progress(as_bytes(NEWS))
    assert parse_progress(store.read_progress_bytes(), NOON) == NEWS
    store.write_progress(None)
    assert store.read_progress_bytes() is None
    store.write_progress(None)


def test_a_run_says_what_is_done_running_and_next(tmp_path: Path) -> None:
    """Endpoints and models have their states; what is left shrinks; the service learns that, and the end."""
    project = Project(tmp_path)
    catalog = project.catalog()
    published: list[bytes | None] = []
    lines: list[str] = []
    estimates = Estimates(catalog)
    stale = list(catalog.nodes.values())
    with RunProgress(catalog, estimates, stale, ["logs", "logd"], 1, Lines(lines.append), published.append) as progress:
        progress.started(["dataset/logs", "trained_model/logs/naive"])
        progress.done("dataset/logs", None, 2.0)
        progress.done("trained_model/logs/naive", "no numbers\nand more", 1.0)
        progress.ended({"dataset/logs": None, "trained_model/logs/naive": "no numbers\nand more"})
        news = progress.news()
    assert [(one.name, one.state) for one in news.endpoints] == [("logs", "making"), ("logd", "waiting")]
    assert {one.name: one.state for one in news.endpoints[0].models} == {"naive": "failed", "rf": "waiting"}
    assert (news.done, news.total) == (2, len(stale))
    assert news.remaining_s is not None
    assert not news.learnt
    assert lines[0] == f"{len(stale)} of {len(stale)} assets are stale"
    assert "dataset/logs" in lines[1]
    assert "left (a first guess)" in lines[1]
    assert lines[2].endswith("FAILED: no numbers")
    assert published[-1] is None
    first = parse_progress(published[0])
    assert first is not None
    assert first.done == 0


def test_estimates_learn(tmp_path: Path) -> None:
    """What an asset took it takes again; its like on another endpoint takes as many times its guess; a damaged file is
    none.
    """
    project = Project(tmp_path)
    project.write("data/logs.csv", "smiles,value\n" + "CCO,1\n" * 9)
    catalog = project.catalog()
    nodes = catalog.nodes
    estimates = Estimates(catalog)
    guess, other = (estimates.seconds(nodes[f"trained_model/{name}/rf"]) for name in ("logd", "logs"))
    assert 0 < guess < other
    assert not estimates.learnt(nodes["trained_model/logd/rf"])

    estimates.record("trained_model/logd/rf", 4.0)
    again = Estimates(catalog)
    assert again.seconds(nodes["trained_model/logd/rf"]) == 4.0
    assert again.seconds(nodes["trained_model/logs/rf"]) == pytest.approx(4.0 / guess * other)
    assert again.learnt(nodes["trained_model/logs/rf"])
    assert not again.learnt(nodes["trained_model/logs/naive"])

    (project.settings.home / "durations.json").write_text("{")
    assert Estimates(catalog).seconds(nodes["trained_model/logd/rf"]) == guess


def test_the_most_similar_asset_in_rows_counts_most(tmp_path: Path) -> None:
    """What ten rows take, nearly all of it overhead, says little of ten thousand."""
    project = Project(tmp_path)
    for name, rows in {"logd": 10, "logs": 8_000, "logp": 10_000}.items():
        project.configure("endpoints", name, project.endpoint(name))
        project.write(f"data/{name}.csv", "smiles,value\n" + "CCO,1\n" * rows)
    estimates = Estimates(project.catalog())
    large = project.catalog().nodes["trained_model/logp/rf"]
    guess = estimates.seconds(large)
    estimates.record("trained_model/logs/rf", 200.0)
    estimates.record("trained_model/logd/rf", 0.1)
    assert guess < 200 < estimates.seconds(large) < 300


def test_the_time_left_learns_during_a_run(tmp_path: Path) -> None:
    """After one forest the others are not a first guess any more, and what is left is as many times longer."""
    project = Project(tmp_path)
    catalog = project.catalog()
    stale = [catalog.nodes[f"trained_model/{name}/rf"] for name in ("logd", "logs")]
    with RunProgress(
        catalog, Estimates(catalog), stale, ["logs", "logd"], 1, Lines(lambda _: None), lambda _: None
    ) as run:
        before = run.news()
        run.done("trained_model/logd/rf", None, 500.0)
        after = run.news()
    assert (before.learnt, after.learnt) == (False, True)
    assert before.remaining_s is not None
    assert after.remaining_s is not None
    assert after.remaining_s > 50 * before.remaining_s


def test_a_program_gets_json(tmp_path: Path) -> None:
    """With --json each asset that is done is one object, with the state of every endpoint."""
    printed: list[str] = []
    lines = JsonLines(printed.append)
    lines.begun(9, 12)
    lines.done(NEWS, "dataset/logs", None, 1.23456)
    assert json.loads(printed[0]) == {"stale": 9, "assets": 12}
    assert json.loads(printed[1])["asset"] == "dataset/logs"
    assert json.loads(printed[1])["remaining_s"] == 170


def test_nothing_is_promised_at_the_end() -> None:
    """When all is done no time is left; before anything is known nothing is said."""
    assert time_left(NEWS.model_copy(update={"done": 9})) == ""
    assert time_left(NEWS.model_copy(update={"remaining_s": None})) == ""
