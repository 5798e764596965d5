"""The endpoints that a lab's table proposes: what each key of their YAML should say, why, and what must be asked.

Never is one of two readings taken in silence where they give different values: such a question keeps a proposal open
until somebody answers it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_zoo.data.assays.directions import direction_of
from model_zoo.data.assays.doubts import HIGHEST, LOWEST, doubt_about
from model_zoo.data.assays.names_of_columns import is_potency_kind, replicates_of, unit_in
from model_zoo.data.assays.numerals_of_columns import numerals_of
from model_zoo.data.assays.roles import Roles, Value, classes_in
from model_zoo.data.assays.scales import scale_of
from model_zoo.data.assays.units_of_columns import UNKNOWN, is_potency, stated_unit, units_of
from model_zoo.data.assays.whole_table import ANY, WholeTable
from model_zoo.data.source_files import ENCODINGS, UNIT_COLUMN
from model_zoo.data.tables.form import DELIMITERS
from model_zoo.data.units import is_unit, sign_before, split_unit, unit_name
from model_zoo.type_aliases import Json

MAX_NAME = 60
_ENCODING_NAMES = {codec: name for name, codec in ENCODINGS.items()}
_DELIMITER_NAMES = {sign: name for name, sign in DELIMITERS.items()}
POTENCY_RANGE = [LOWEST, HIGHEST]


@dataclass
class Proposal:
    """One endpoint as a table proposes it."""

    name: str
    """Its name."""
    content: dict[str, Any]
    """What its YAML says."""
    why: dict[str, str] = field(default_factory=dict)
    """The evidence for a key, by the key's path."""
    questions: list[str] = field(default_factory=list)
    """What must be answered before it is written: two readings that differ."""

    def guess(self, key: str) -> str:
        """Return what a key, by its path, is guessed to be, and the evidence.

        Examples
        --------
        >>> made = Proposal("logs", {"source": {"decimal": ","}}, {"source.decimal": "all so"})
        >>> made.guess("source.decimal")
        "decimal: ',', all so"
        """
        found: Any = self.content
        for part in key.split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        return f"{key.removeprefix('source.')}: " + (f"{found!r}, " if found else "") + self.why[key]


@dataclass(frozen=True)
class Answers:
    """What the owner of the table says; what is none is guessed."""

    name: str | None = None
    unit: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    where: tuple[tuple[str, str], ...] = ()

    @property
    def numerals(self) -> str | None:
        """How numbers are written."""
        if self.decimal is None and self.thousands is None:
            return None
        return (self.decimal or ("," if self.thousands == "." else ".")) + (self.thousands or "")


def propose(table: WholeTable, roles: Roles, file: str, answers: Answers) -> list[Proposal]:
    """Propose an endpoint for each column of measurements."""
    stem, several = stem_of(table.path), len(roles.values) > 1
    bare = Counter(unit_in(value.name)[1] for value in roles.values)
    made = []
    for value in roles.values:
        rest = unit_in(value.name)[1]
        alone = answers.name or stem
        name = slug(f"{answers.name or ''} {rest}" if several else alone)
        each = Proposal(name, {}, {"task": _task_words(value, table)})
        source = {
            "kind": "csv",
            "files": [file],
            **_form_keys(table, each),
            **_numeral_keys(table, roles, value, answers, each),
        }
        source |= _column_keys(table, roles, value, answers, each)
        source |= _where(roles, answers, each)
        meant = table.rows_with(source.get("where", {}))
        unit, source_unit = (
            ("probability", "") if value.labels else units_of(meant, roles, value, answers.unit, answers.where)
        )
        if not value.labels and answers.unit is None:
            _ask_units(meant, value, each)
            if unit == UNKNOWN:
                _ask_classes(value, each)
        # The unit is stated beside it, and may be another one: a column of nM becomes pIC50.
        title = rest if rest and bare[rest] == 1 else value.name
        each.content = {
            "name": name,
            "title": title if several else f"{title} ({stem})",
            "description": f"Measured values of {value.name!r} in {table.path.name}.",
            "task": "binary" if value.labels else "regression",
            "unit": unit,
            **({"source_unit": source_unit} if source_unit else {}),
            "direction": direction_of(value.name, stem, unit),
            "source": source,
        }
        if value.labels:
            _add_labels(value, each)
        else:
            if doubt := doubt_about(value.numerals.values, stated_unit(meant, roles, value, answers.where), unit):
                each.why["source_unit" if source_unit else "unit"] = doubt
            _add_value_rules(meant, value, unit, each)
        # The absolute error: a few wild values of an assay would decide the squared one, and blends that aim at it do
        # better on a programme's new clusters and scaffolds (docs/programmes.md).
        each.content["champion"] = {"metric": "auroc" if value.labels else "mae"}
        made.append(each)
    for number, each in enumerate(made, start=1):
        if [other.name for other in made].count(each.name) > 1:
            each.name = each.content["name"] = f"{each.name[: MAX_NAME - 4]}_{number}"
    return made


def _form_keys(table: WholeTable, made: Proposal) -> dict[str, Json]:
    """Say how the file is written, where it is written otherwise than usual."""
    form = table.form
    keys: dict[str, Any] = {} if form.format == "csv" else {"format": form.format}
    if form.format in ("csv", "tsv") and form.delimiter != ("\t" if form.format == "tsv" else ","):
        keys["delimiter"] = _DELIMITER_NAMES.get(form.delimiter, form.delimiter)
    if (encoding := _ENCODING_NAMES[form.encoding]) != "utf-8":
        keys["encoding"] = encoding
        made.why["source.encoding"] = "its bytes are no UTF-8; look at names and units that are not English"
    if form.sheet:
        keys["sheet"] = form.sheet
    if form.skip_rows:
        keys["skip_rows"] = form.skip_rows
    if not form.header:
        keys["header"] = False
    return keys


def _column_keys(table: WholeTable, roles: Roles, value: Value, answers: Answers, made: Proposal) -> dict[str, Json]:
    keys: dict[str, Any] = {}
    if table.structure:
        keys["smiles_column"] = table.structure
        filled = sum(map(bool, table.column(table.structure)))
        made.why["source.smiles_column"] = f"{filled} of {len(table.rows)} cells filled"
    keys["value_column"] = value.name
    odd = 0 if value.labels else value.numerals.filled - value.numerals.numbers
    made.why["source.value_column"] = f"{value.filled} of {len(table.rows)} cells filled" + (
        f", {odd} of them no numbers: `aidrug curate` says which" if odd else ""
    )
    if runs := replicates_of(value.name, [other.name for other in roles.values]):
        made.why["source.value_column"] += (
            f"; if {', '.join(map(repr, runs))} is the same measurement again, put all runs below each other in one "
            "column: repeated values of a molecule become one"
        )
    if answers.unit is not None and not value.units and UNIT_COLUMN in table.names:
        keys["unit"] = answers.unit  # else the column of this name would count
    for key, column in {
        "relation_column": value.relations,
        "unit_column": value.units,
        "date_column": roles.day,
        "group_column": roles.series,
        "split_column": roles.part,
        "weight_column": roles.weight,
    }.items():
        if column:
            keys[key] = column
            made.why[f"source.{key}"] = _counted([cell for cell in table.column(column) if cell])
    return keys


def _where(roles: Roles, answers: Answers, made: Proposal) -> dict[str, Json]:
    """Choose the kind of potency that is most frequent, and ask for anything else that some rows differ in."""
    where = dict(answers.where)
    for column, texts in roles.choosing.items():
        if column in where:
            continue
        if any(map(is_potency_kind, texts)):
            where[column] = texts.most_common(1)[0][0]
            made.why["source.where"] = f"the most frequent of {_counted_texts(texts)}"
        else:
            made.questions.append(
                f"{column!r} holds {_counted_texts(texts)}. Which rows are meant? "
                f"Say --where '{column}=TEXT', or --where '{column}=*' for all of them"
            )
    where = {column: text for column, text in where.items() if text != ANY}
    return {"where": where} if where else {}


def _numeral_keys(table: WholeTable, roles: Roles, value: Value, answers: Answers, made: Proposal) -> dict[str, Json]:
    numerals = "." if value.labels else _numerals(table, roles, value, answers, made)
    return ({"decimal": numerals[0]} if numerals[0] != "." else {}) | (
        {"thousands": numerals[1]} if numerals[1:] else {}
    )


def _numerals(table: WholeTable, roles: Roles, value: Value, answers: Answers, made: Proposal) -> str:
    """Choose how numbers are written: by what is known, by the whole column, by the file; or ask."""
    if answers.numerals is not None:
        return answers.numerals
    numerals, others = value.numerals, roles.values
    if table.form.format == "xlsx" and (texts := [text for text in table.column(value.name) if "," in text]):
        alone = numerals_of(texts)  # a cell that is a number says nothing of how those that are texts are written
        numerals, others = (alone, ()) if alone.is_numeric else (numerals, others)
    readings = numerals.readings
    if len(readings) == 1:
        if readings[0] != ".":
            made.why["source.decimal"] = f"{numerals.numbers} numbers of the column, which fit no other reading"
        return readings[0]
    by_commas = table.form.format == "csv" and table.form.delimiter == ","
    if readings[0] == "." and (by_commas or table.form.format in ("sdf", "parquet", "xlsx")):
        return (
            "."  # who writes 1,5 writes 1.000 for a thousand, and separates no cells by commas; software writes points
        )
    decided = {each for other in others if (each := _decimal(table, other))}
    agreed = [each for each in readings if {each[0]} == decided]
    if len(agreed) == 1:
        made.why["source.decimal"] = f"as in other columns; else {numerals.shown()}"
        return agreed[0]
    options = " or ".join(
        f"--decimal '{each[0]}'" + (f" --thousands '{each[1]}'" if each[1:] else "") for each in readings
    )
    made.questions.append(f"{value.name!r}: {numerals.shown()}. Say which: {options}")
    return readings[0]


def _decimal(table: WholeTable, value: Value) -> str:
    """Return the sign before decimals, where the column shows it: whole numbers do not."""
    readings = value.numerals.readings
    if value.labels or len(readings) > 1:
        return ""
    return readings[0][0] if any(readings[0][0] in cell for cell in table.column(value.name)) else ""


def _ask_units(table: WholeTable, value: Value, made: Proposal) -> None:
    """Ask which unit some rows have, where others say theirs, in another column or in the cell."""
    beside = table.column(value.units) if value.units else [""] * len(table.rows)
    cells = [
        (cell, split_unit(cell)[1] or unit)
        for cell, unit in zip(table.column(value.name), beside, strict=True)
        if any(sign.isdigit() for sign in cell)
    ]
    silent = [cell for cell, unit in cells if not unit]
    others = Counter(text for text in beside if is_unit(text))
    if value.unit and others and value.unit not in map(unit_name, others):
        made.questions.append(
            f"{value.name!r} is in {value.unit} by its heading, and {value.units!r} holds {_counted_texts(others)}: "
            "correct one of them"
        )
    if value.unit or not silent or len(silent) == len(cells):
        return
    units = Counter(unit for _, unit in cells if unit)
    made.questions.append(
        f"{value.name!r}: {len(silent)} values such as {silent[0]!r} say no unit, others {_counted_texts(units)}. "
        "Which is theirs? Say --unit UNIT for all that say none, or --where COLUMN=TEXT for the rows that are meant"
    )


def _ask_classes(value: Value, made: Proposal) -> None:
    if classes := classes_in(value.numerals):
        made.questions.append(
            f"{value.name!r} holds only {classes}, as classes do. Write 1 for the positive class, 0 for the other and "
            "nothing for what is undecided; if these are measurements, say --unit UNIT"
        )


def _add_labels(value: Value, made: Proposal) -> None:
    labels = {text: label for text, label in (value.labels or {}).items() if text not in ("0", "1", "0.0", "1.0")}
    if labels:
        made.content["curation"] = {"labels": labels}


def _add_value_rules(table: WholeTable, value: Value, unit: str, made: Proposal) -> None:
    numbers = [number for number in value.numerals.values if number == number]  # noqa: PLR0124  NaN
    curation: dict[str, Any] = {}
    if is_potency(unit):
        curation["valid_range"] = POTENCY_RANGE
    signs = [*(table.column(value.relations) if value.relations else []), *table.column(value.name)]
    signs = [text for text in signs if sign_before(text) in ("<", ">")]
    if signs:
        curation["censored"] = "drop"
        made.why["curation.censored"] = (
            f"{len(signs)} {'value is' if len(signs) == 1 else 'values are'} only known as bounds; "
            "`keep_bound` trains on them too, and never scores them"
        )
    if curation:
        made.content["curation"] = curation
    transform, why = scale_of(numbers, unit)
    if transform:
        made.content["transform"], made.why["transform"] = transform, why


def _task_words(value: Value, table: WholeTable) -> str:
    if value.labels is not None:
        return _counted([cell for cell in table.column(value.name) if cell])
    numbers = [number for number in value.numerals.values if number == number]  # noqa: PLR0124  NaN
    return f"{len(numbers)} numbers from {min(numbers):g} to {max(numbers):g}" if numbers else "no numbers"


def _counted(texts: list[str]) -> str:
    return _counted_texts(Counter(texts))


def _counted_texts(counts: Any) -> str:
    shown = [f"{text!r} {count}x" for text, count in counts.most_common(5)]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} others" if more > 0 else "")


def stem_of(path: Path) -> str:
    """Return a file's name without its endings."""
    return path.name.partition(".")[0]


def slug(text: str) -> str:
    """Make a name of a text.

    Examples
    --------
    >>> slug("LOG HLM_CLint"), slug("5-HT2A pKi"), slug("Löslichkeit (µM)")
    ('log_hlm_clint', 'x5_ht2a_pki', 'loslichkeit_um')
    """
    plain = unicodedata.normalize("NFKD", text.casefold().replace("μ", "u"))  # a letter, and its accent by itself
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    name = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")[:MAX_NAME].strip("_") or "assay"
    return name if name[0].isalpha() else f"x{name}"[:MAX_NAME]
