"""The user's own data under DVC: tracked, pushed, pulled before the dataset is made, and part of the signature."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from ai_drug_assets import cli
from ai_drug_assets.settings import Settings
from tests.checkout_copy import ENDPOINT, MEASUREMENTS, CheckoutCopy
from tests.project_factory import little_judging, project_settings

TRACKED = ENDPOINT.replace("kind: csv, files: [toy.csv]", "kind: dvc, files: [data/assay.csv]")


class Checkout(CheckoutCopy):
    """A checkout whose commands run in this process, by its settings: most of a command's time is its imports."""

    def aidrug(self, *arguments: str, code: int = 0) -> str:
        """Run `aidrug` as its process would, expect its exit code, and return what it printed."""
        settings = project_settings(self.folder)
        with (
            chdir(self.folder),
            patch.dict(os.environ, self.environment),
            patch.object(Settings, "from_env", classmethod(lambda cls: settings)),
            patch.object(sys, "argv", ["aidrug", *arguments]),
            redirect_stdout(StringIO()) as out,
            redirect_stderr(out),
            pytest.raises(SystemExit) as left,
        ):
            cli.main()
        assert (left.value.code or 0) == code, out.getvalue()
        return out.getvalue()


@pytest.fixture(autouse=True)
def _small_judging() -> Iterator[None]:
    """How models are judged has no part in where data come from."""
    with little_judging():
        yield


@pytest.fixture
def copy(tmp_path: Path, empty_mlflow: Path) -> CheckoutCopy:
    """Return a checkout whose endpoint names a file that is not tracked yet."""
    copy = Checkout(tmp_path / "checkout")
    shutil.copy(empty_mlflow, project_settings(copy.folder).folder("mlflow") / "mlflow.db")
    copy.commit()
    copy.write("configs/endpoints/toy.yaml", TRACKED)
    copy.write("data/assay.csv", MEASUREMENTS)
    return copy


def test_tracked_data_is_pulled_when_it_is_missing_and_signed_by_its_pointer(copy: CheckoutCopy) -> None:
    """`aidrug data add` tracks and pushes; a missing file is pulled; a changed pointer makes the endpoint stale."""
    message = copy.aidrug("plan", code=1)
    assert "aidrug data add" in message

    assert "git add data/assay.csv.dvc" in copy.aidrug("data", "add", "data/assay.csv")
    copy.commit("Track the assay")
    assert "data/assay.csv" not in copy.git("ls-files").splitlines()
    assert "data/assay.csv.dvc" in copy.git("ls-files").splitlines()
    (copy.folder / "data" / "assay.csv").unlink()
    (copy.folder / ".dvc" / "cache").rename(copy.folder / "lost_cache")

    copy.aidrug("run")

    assert (copy.folder / "data" / "assay.csv").read_text() == MEASUREMENTS
    assert "0 stale" in copy.aidrug("plan")

    copy.write("data/assay.csv", MEASUREMENTS + "CCCCCCCCF,8\n")
    assert "0 stale" in copy.aidrug("plan")  # the pointer still says the old content
    copy.aidrug("data", "add", "data/assay.csv")
    plan = copy.aidrug("plan", code=2)
    assert "data     data/assay.csv changed" in plan


def test_a_remote_that_is_named_is_the_one_that_is_used(copy: CheckoutCopy, tmp_path: Path) -> None:
    """A folder of this machine is the remote until another one is named; then that one gets the data."""
    copy.aidrug("data", "add", "data/assay.csv")
    copy.aidrug("data", "remote", str(tmp_path / "shared"))
    copy.write("data/assay.csv", MEASUREMENTS + "CCCCCCCCF,8\n")

    copy.aidrug("data", "add", "data/assay.csv")

    assert [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]


def test_an_untracked_edit_is_refused_not_overwritten(copy: CheckoutCopy) -> None:
    """A file that differs from its pointer is somebody's work: the dataset fails and says so; the edit stays."""
    copy.aidrug("data", "add", "data/assay.csv")
    copy.write("data/assay.csv", "smiles,value\nCCO,1\n")

    message = copy.aidrug("run", code=1)

    assert "differs from its DVC pointer" in message
    assert (copy.folder / "data" / "assay.csv").read_text() == "smiles,value\nCCO,1\n"


def test_a_file_outside_the_checkout_is_refused(copy: CheckoutCopy, tmp_path: Path) -> None:
    """DVC tracks files of the checkout; another one is refused with what to do."""
    outside = tmp_path / "outside.csv"
    outside.write_text(MEASUREMENTS)

    assert "copy it to data/ first" in copy.aidrug("data", "add", str(outside), code=1)


HIDES_THE_FOLDER = "/data/*\n!/data/*.dvc\nhome/\n.dvc_site_cache/\n"
"""A `.gitignore` by which DVC finds no pointer in `data/`; Git does (DVC issues 5396, 10461, 10925, 10987)."""


@pytest.mark.parametrize("ignored", [None, HIDES_THE_FOLDER], ids=["ours", "hides the folder"])
def test_pulling_brings_what_is_missing_and_deletes_nothing(copy: CheckoutCopy, ignored: str | None) -> None:
    """Whatever `.gitignore` says, and after a checkout of a revision without the pointer: no measurement is deleted."""
    if ignored is not None:
        copy.write(".gitignore", ignored)
    second = "data/second.csv" if ignored else "data/programme/second.csv"  # DVC refuses a pointer that Git ignores
    copy.write(second, MEASUREMENTS + "CCCCF,4\n")
    before = copy.commit("Not tracked yet")
    copy.aidrug("data", "add", "data/assay.csv", second)
    tracked = copy.commit("Track both")
    files = [copy.folder / "data/assay.csv", copy.folder / second]
    contents = [file.read_bytes() for file in files]

    assert "2 tracked files" in copy.aidrug("data", "pull")
    assert [file.read_bytes() for file in files] == contents
    copy.git("checkout", "--quiet", before)
    copy.aidrug("data", "pull")
    assert [file.read_bytes() for file in files] == contents

    copy.git("checkout", "--quiet", tracked)
    files[1].unlink()
    assert f"brought {second}" in copy.aidrug("data", "pull")
    assert [file.read_bytes() for file in files] == contents


def test_pulling_follows_a_pointer_that_moved_and_leaves_an_edit_alone(copy: CheckoutCopy) -> None:
    """What the cache holds gives way to the pointer; what is nowhere else stays, is named, and the rest is brought."""
    copy.aidrug("data", "add", "data/assay.csv")
    first = copy.commit("First")
    copy.write("data/assay.csv", MEASUREMENTS + "CCCCF,4\n")
    copy.aidrug("data", "add", "data/assay.csv")
    copy.commit("Second")
    copy.git("checkout", "--quiet", first)

    assert "brought data/assay.csv" in copy.aidrug("data", "pull")
    assert (copy.folder / "data" / "assay.csv").read_text() == MEASUREMENTS

    copy.write("data/assay.csv", "smiles,value\nCCO,1\n")
    assert "data/assay.csv: expected the content" in copy.aidrug("data", "pull", code=1)
    assert (copy.folder / "data" / "assay.csv").read_text() == "smiles,value\nCCO,1\n"


def test_a_file_that_the_remote_does_not_have_is_an_error(copy: CheckoutCopy) -> None:
    """In a clone whose remote lacks the file, pulling fails and says so: "up to date" would be a lie."""
    copy.aidrug("data", "add", "data/assay.csv")
    for lost in (copy.folder / ".dvc" / "cache", copy.home / "dvc_remote"):
        lost.rename(lost.with_name("lost"))
    (copy.folder / "data" / "assay.csv").unlink()

    assert "dvc pull data/assay.csv.dvc failed" in copy.aidrug("data", "pull", code=1)
