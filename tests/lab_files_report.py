"""What the product makes of files as labs have them, beside an independent count: `docs/own-files.md` is made of it.

Run as a module it writes the document; `tests/conventions/test_lab_files.py` checks that it is true.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner, Result

from ai_drug_assets.cli import aidrug
from model_zoo.config.endpoint import Endpoint
from model_zoo.config.reading import read_config
from model_zoo.data.curation import curate
from model_zoo.data.reasons import reason_kind
from model_zoo.data.sources import read_source
from model_zoo.errors import DataError
from tests.hostile_files import HOSTILE, Refused
from tests.hostile_files import REFUSED as REFUSED_FIRST
from tests.lab_files import FILES, LARGE, Expected, LabFile, large_folder, large_table
from tests.silent_files import REFUSED_TOO, SILENT
from tests.unkind_files import UNKIND

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "own-files.md"
TOLERANCE = 1e-9
ALL = (*FILES, *UNKIND, *HOSTILE, *SILENT)
REFUSED = (*REFUSED_FIRST, *REFUSED_TOO)
HEAD = """# Files as labs have them

What `aidrug endpoint new` and curation make of files from programs that people use, each compared row by row with an
independent count by pandas and RDKit, which knows how the file is written. Two commands (`endpoint new`, `run`) and
no edit; where two readings would give different values, an option answers. `tests/integration/test_own_files_served.py`
takes the first 43, with more molecules in the same form, to answers of the service. Made by
`python -m tests.lab_files_report`; the rules are in [data.md](data.md).

| file | what it is | said beside `--yes` | endpoint | rows | kept | merged | dropped, by reason | as counted |
| --- | --- | --- | --- | ---: | ---: | ---: | --- | --- |
"""


class Found(NamedTuple):
    """What the product made of one endpoint of a file.

    Attributes
    ----------
    kinds, values
        Per row the kind of the reason why it was dropped, empty for the others; and the values of these, one per
        measurement.
    kept, merged, dropped
        What becomes of the rows when the endpoint is curated by its YAML.
    """

    unit: str
    kinds: list[str]
    values: list[float]
    kept: int
    merged: int
    dropped: int


REFUSALS = """
## Refused, or asked

Of these nothing is written, for any reading could be a wrong one.

| file | what it is | said |
| --- | --- | --- |
"""


def refusal(file: Refused, home: Path) -> str:
    """Return what the command says of a file that it refuses; it writes nothing."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / file.name
    path.write_bytes(file.content)
    done = _new(path, (), home)
    assert isinstance(done.exception, DataError), f"{file.name}: {done.exception!r} {done.output}"
    assert not (home / "configs").exists(), file.name
    return str(done.exception).replace(f"{path}: ", "")


def product(path: Path, options: tuple[str, ...], home: Path) -> dict[str, Found]:
    """Let the command make endpoints of a file, and curate them."""
    done = _new(path, options, home)
    assert done.exit_code == 0, f"{path.name}: {done.exception!r} {done.output}"
    made = sorted((home / "configs" / "endpoints").glob("*.yaml"))
    return {each.stem: _curated(read_config(each, Endpoint)) for each in made}


def _new(path: Path, options: tuple[str, ...], home: Path) -> Result:
    env = {"AIDRUG_CONFIGS": str(home / "configs"), "AIDRUG_HOME": str(home)}
    return CliRunner().invoke(aidrug, ["endpoint", "new", str(path), "--yes", *options], env=env)


def _curated(endpoint: Endpoint) -> Found:
    config = endpoint.dataset
    raw = read_source(config.source, ROOT)
    settings = {"task": config.task, "source_unit": config.source_unit, "unit": config.unit}
    _, report = curate(raw, config.curation, **settings)  # type: ignore[arg-type]
    each = config.curation.model_copy(update={"replicates": "keep", "max_spread": None, "valid_range": None})
    table, alone = curate(raw, each, **settings)  # type: ignore[arg-type]
    kinds = [
        reason_kind(reason) if action == "dropped" else ""
        for reason, action in zip(alone["reason"], alone["action"], strict=True)
    ]
    counts = report["action"].value_counts()
    return Found(
        config.unit,
        kinds,
        list(table["value"]),
        int(counts.get("kept", 0)),
        int(counts.get("merged", 0)),
        int(counts.get("dropped", 0)),
    )


def faults(expected: Mapping[str, Expected], found: Mapping[str, Found], *, structures: bool = True) -> list[str]:
    """Say where the product differs from the independent count; nothing where they agree.

    Parameters
    ----------
    expected, found
        Per endpoint.
    structures
        Whether the count of structures is compared too: those of large files are judged by more rules than RDKit's.
    """
    if set(expected) != set(found):
        return [f"expected the endpoints {sorted(expected)}, got {sorted(found)}"]
    differences = []
    for name, count in expected.items():
        got = found[name]
        wanted = ["" if not isinstance(what, str) else what for _, what in count.rows]
        if structures and wanted != got.kinds:
            differ = next(i for i, pair in enumerate(zip(wanted, got.kinds, strict=True)) if pair[0] != pair[1])
            differences.append(f"{name} row {differ + 1}: expected {wanted[differ]!r}, got {got.kinds[differ]!r}")
            continue
        numbers = iter(got.values)
        for row, ((_, what), kind) in enumerate(zip(count.rows, got.kinds, strict=True), start=1):
            if kind:
                continue
            value = next(numbers)
            if isinstance(what, str) or abs(value - what) > TOLERANCE:
                differences.append(f"{name} row {row}: expected {what!r}, got {value!r}")
                break
        outcome = count.outcome(got.unit)
        if structures and outcome != (got.kept, got.merged, got.dropped):
            differences.append(
                f"{name}: expected {outcome} kept, merged, dropped, got {got.kept, got.merged, got.dropped}"
            )
    return differences


def look(file: LabFile, folder: Path) -> tuple[Mapping[str, Expected], dict[str, Found]]:
    """Write a file, and give the independent count and what the product makes of it."""
    folder.mkdir(parents=True, exist_ok=True)
    content = file.content()
    (folder / file.name).write_bytes(content)
    return file.expected(content), product(folder / file.name, file.options, folder)


def looked_at_large(home: Path) -> Iterator[tuple[str, list[str], dict[str, Found], float]]:
    """Look at each large file: its name, faults, what was found, and the seconds it took."""
    folder = large_folder()
    assert folder is not None
    for number, (path, endpoints, options) in enumerate(LARGE):
        began = time.perf_counter()
        found = product(folder / path, options, home / str(number))
        seconds = time.perf_counter() - began
        table = large_table(folder / path)
        expected = {name: count(table) for name, count in endpoints.items()}
        yield path, faults(expected, found, structures=False), found, seconds


def document() -> str:
    """Return the document."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(ALL):
            expected, found = look(file, Path(folder) / str(number))
            wrong = faults(expected, found)
            options = " ".join(f"`{each}`" for each in file.options)
            for name, got in found.items():
                reasons = {kind: got.kinds.count(kind) for kind in dict.fromkeys(got.kinds) if kind}
                counts = ", ".join(f"{count} {kind}" for kind, count in reasons.items())
                verdict = "yes" if not wrong else "**no**: " + "; ".join(wrong)
                cells = (
                    f"`{file.name}`", file.title, options, f"`{name}`", len(got.kinds), got.kept, got.merged, counts,
                    verdict,
                )  # fmt: skip
                lines.append(_line(cells))
        refused = [
            _line((f"`{each.name}`", each.title, refusal(each, Path(folder) / each.name))) for each in REFUSED
        ]  # fmt: skip
    return HEAD + "\n".join(lines) + "\n" + REFUSALS + "\n".join(refused) + "\n"


def _line(cells: Sequence[object]) -> str:
    texts = (re.sub(r"\s+", " ", str(cell)).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(texts)} |"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
