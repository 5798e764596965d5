"""`aidrug endpoint`: endpoints out of files that a lab has, and endpoints that go.

Belongs here: from a file to YAMLs in `configs/endpoints/`, written whole or not at all and never over another; removal.
Does not belong here: the guesses themselves (see `model_zoo/data/assays/`), asking (see `cli/endpoint.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from model_zoo.config.endpoint import Endpoint
from model_zoo.config.files import read_config
from model_zoo.data.assays.proposal import Answers, Proposal, propose
from model_zoo.data.assays.roles import Roles, find_roles
from model_zoo.data.assays.whole_table import WholeTable, read_whole
from model_zoo.data.assays.yaml_text import as_yaml
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.guessing import Said
from model_zoo.errors import ConfigError, DataError, StoreError

from ai_drug_assets.settings import Settings

ORIGIN = "Guessed by `aidrug endpoint new`: check it; `aidrug curate {name}` shows what becomes of each row."
EXAMPLES = ("bbb_permeability", "brain_blood_ratio", "hydration_free_energy", "nav17_pic50", "solubility_logs")


@dataclass(frozen=True)
class FileIs:
    """What is said of how a file is written; the rest is guessed."""

    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    smiles: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class Look:
    """What a file holds, and the endpoints that it proposes."""

    table: WholeTable
    roles: Roles
    proposals: list[Proposal]

    def as_text(self) -> str:
        """Show every guess with its evidence."""
        form, lines = self.table.form, []
        written: list[str] = [form.format]
        if form.format in ("csv", "tsv"):
            written += [f"separated by {form.delimiter!r}", form.encoding.removesuffix("-sig")]
        lines.append(f"{self.table.path.name}: {', '.join(written)}; {len(self.table.rows)} rows")
        lines += [f"  note: {note}" for note in self.table.notes]
        for name, why in self.roles.left_out.items():
            lines.append(f"  left out: {name!r}, for {why} (name it with --columns to take it)")
        for each in self.proposals:
            content = each.content
            source = content["source"]
            lines.append(
                f"{each.name}: {content['task']} of {source['value_column']!r}, {each.why['source.value_column']}"
            )
            units = content["unit"] + (f" from {content['source_unit']}" if "source_unit" in content else "")
            lines.append(
                f"    {each.why['task']}; unit {units}; {content['direction']} is better".replace(
                    "none is better", "no direction"
                )
            )
            lines += [
                f"    {key.removeprefix('source.')}: {source[key.removeprefix('source.')]!r}, {why}"
                for key, why in each.why.items()
                if key.startswith("source.") and key != "source.value_column" and key.removeprefix("source.") in source
            ]
            lines += [
                f"    {key}: {why}"
                for key, why in each.why.items()
                if key in ("transform", "unit", "curation.censored")
            ]
            lines += [f"    OPEN: {question}" for question in each.questions]
        return "\n".join(lines)


def look_at(settings: Settings, path: Path, columns: Sequence[str], answers: Answers, file: FileIs) -> Look:
    """Guess what a file holds.

    Raises
    ------
    DataError
        When it cannot be read, or holds no measurements; with what to say.
    """
    said = Said(delimiter=file.delimiter, column=file.smiles, header=file.header)
    try:
        table = read_whole(path, said, file.encoding, file.sheet, (answers.numerals or ".")[0])
    except TableError as error:
        advice = " (with --smiles COLUMN)" if error.kind == "unclear-column" else ""
        raise DataError(f"{path}: {error}{advice}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: its text is no {file.encoding}: {error.reason}. Say another --encoding") from error
    named = [*columns, *(column for column, _ in answers.where)]
    unknown = [name for name in named if name not in table.names]
    if unknown:
        raise DataError(f"{path}: expected columns among {', '.join(map(repr, table.names))}, got {unknown[0]!r}")
    twice = [name for name in columns if table.names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: the column {twice[0]!r} stands there twice: rename one of them")
    roles = find_roles(table, tuple(columns), answers.numerals)
    if not roles.values:
        shown = ", ".join(map(repr, table.names))
        raise DataError(f"{path}: expected a column of numbers or of two labels, found none among {shown}")
    bad = [value.name for value in roles.values if not (value.labels or value.numerals.is_numeric)]
    if bad:
        raise DataError(f"{path}: {bad[0]!r} holds neither numbers nor two known labels such as active and inactive")
    return Look(table, roles, propose(table, roles, _file_name(settings, path), answers))


def write(settings: Settings, proposals: Sequence[Proposal]) -> list[Path]:
    """Write the YAML of each endpoint, all or none; give their paths.

    Raises
    ------
    ConfigError
        When one of that name is there already, or a YAML is not valid.
    """
    folder = settings.configs / "endpoints"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{each.name}.yaml" for each in proposals]
    taken = [path for path in paths if path.exists()]
    if taken:
        raise ConfigError(f"{taken[0]} is there already, and nothing is overwritten: say another --name")
    texts = [as_yaml(each, ORIGIN.format(name=each.name)) for each in proposals]
    with tempfile.TemporaryDirectory() as checked:
        for path, text in zip(paths, texts, strict=True):
            (Path(checked) / path.name).write_text(text, encoding="utf-8")
            read_config(Path(checked) / path.name, Endpoint)
    for path, text in zip(paths, texts, strict=True):
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    return paths


def remove(settings: Settings, name: str, reason: str) -> list[str]:
    """Remove an endpoint: its YAML goes, and what serves it is withdrawn; say so in sentences.

    Its measurements and its history stay.

    Raises
    ------
    ConfigError
        When there is no such endpoint.
    """
    from ai_drug_assets.operations.retirement import retire

    path = settings.configs / "endpoints" / f"{name}.yaml"
    if not path.is_file():
        known = sorted(each.stem for each in path.parent.glob("[!.]*.yaml"))
        raise ConfigError(f"expected one of {', '.join(known) or 'none: there is no endpoint'}, got {name!r}")
    said = []
    path.unlink()
    said.append(f"{name}: {path} is removed; its measurements and its history stay")
    with suppress(StoreError):  # nothing serves it
        said.append(retire(settings, name, reason))
    return said


def examples(settings: Settings) -> list[str]:
    """Name the embedded examples that are still there."""
    return [name for name in EXAMPLES if (settings.configs / "endpoints" / f"{name}.yaml").is_file()]


def _file_name(settings: Settings, path: Path) -> str:
    """Name a file as an endpoint's YAML does: from the checkout on where it lies there."""
    whole = path.resolve()
    return whole.relative_to(settings.root).as_posix() if whole.is_relative_to(settings.root) else str(whole)
