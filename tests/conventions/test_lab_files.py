"""Files as labs have them: every one becomes what an independent count says, and the document says so."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.hostile_files import Refused
from tests.lab_files import FOLDER, LabFile, large_folder
from tests.lab_files_report import ALL, DOCUMENT, REFUSED, document, faults, look, looked_at_large, refusal


@pytest.mark.parametrize("file", ALL, ids=lambda file: file.name)
def test_a_file_is_read_as_an_independent_count_reads_it(file: LabFile, tmp_path: Path) -> None:
    """Counts by reason, kept and merged rows are equal, and no value differs by more than 1e-9; with no edit."""
    expected, found = look(file, tmp_path / "file")

    assert faults(expected, found) == []


@pytest.mark.parametrize("file", REFUSED, ids=lambda file: file.name)
def test_a_file_that_cannot_be_read_rightly_is_refused(file: Refused, tmp_path: Path) -> None:
    """Nothing is written, and the message names what is wrong or which option decides."""
    assert file.message in refusal(file, tmp_path / "file")


def test_the_document_tells_what_becomes_of_these_files() -> None:
    """`docs/own-files.md` is made by `python -m tests.lab_files_report`, of seventy files or more."""
    assert len({file.name for file in (*ALL, *REFUSED)}) == len((*ALL, *REFUSED)) >= 70
    assert DOCUMENT.read_text(encoding="utf-8") == document()


@pytest.mark.slow(
    alone="AIDRUG_LAB_FILES names the folder of the large files; quick tests read a small one of each kind"
)
def test_no_value_of_a_large_public_file_differs(tmp_path: Path) -> None:
    """Read from the folder that AIDRUG_LAB_FILES names: thousands of rows, wide, packed, with bounds."""
    if large_folder() is None:
        warnings.warn(f"large public files are NOT CHECKED: no {FOLDER} names their folder", stacklevel=1)
        pytest.skip(f"{FOLDER} names no folder")
    for path, wrong, _, _ in looked_at_large(tmp_path):
        assert wrong == [], path
