"""The signature: a digest of everything that can change what is made.

Belongs here: the digest of a record, and the differences between two records in words.
Does not belong here: the record (see `signature_record.py`), its code part (see `signed_code.py`), which parts make up
which asset (see `records.py` and `ai_drug_assets/planning/catalog.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from model_zoo.io.digests import canonical_json, json_digest
from model_zoo.provenance import signed_code
from model_zoo.provenance.signature_record import SignatureRecord
from model_zoo.type_aliases import Json

Kind = Literal["new", "code", "config", "data", "library", "upstream"]


class Reason(NamedTuple):
    """One difference between two records."""

    kind: Kind
    what: str
    """`kind` and `what`: the part, and what in it: of code the file, of configuration the key."""
    detail: str = ""
    """How it differs."""
    definition: str = ""
    via: tuple[str, ...] = ()
    line: int = 0
    """`definition`, `via` and `line`: of code: the definition that differs, qualified names on the way to it, and its
    line in the file."""

    def as_json(self) -> dict[str, Json]:
        """Return the reason for machines; only code has a definition."""
        fields = self._asdict()
        return fields if self.definition else {name: fields[name] for name in ("kind", "what", "detail")}


def signature(record: SignatureRecord) -> str:
    """Return a record's signature, 64 hexadecimal digits.

    Examples
    --------
    >>> named = SignatureRecord(code={"train": "1"}, definitions={"zoo.train": "1"})
    >>> signature(named) == signature(SignatureRecord(code={"train": "1"}))
    True
    """
    return json_digest(record.signed)


def differences(before: SignatureRecord | None, after: SignatureRecord, root: Path | None = None) -> list[Reason]:
    """Say in words what changed between two records; `new` when there is none before.

    Parameters
    ----------
    before, after
        The records.
    root
        Folder whose code `after` is the record of: given, code is named by the definition that changed and the way to
        it; else by the name that the record knows it by.

    Examples
    --------
    >>> one, other = (SignatureRecord(config={"model": {"n": n}}) for n in (1, 2))
    >>> differences(one, other)[0][:3]
    ('config', 'model.n', '1 -> 2')
    """
    if before is None:
        return [Reason("new", "never materialised")]
    if any(name.endswith(".py") for name in before.code):
        return [Reason("code", "rule", "of signatures changed")]
    if root is None:
        return part_differences(before, after)
    others = [reason for reason in part_differences(before, after) if reason.kind != "code"]
    return [*_code_reasons(before, after, root), *(_with_use(reason, before, after) for reason in others)]


def part_differences(before: SignatureRecord, after: SignatureRecord) -> list[Reason]:
    """Say by name what differs between two records of one rule."""
    reasons: list[Reason] = []
    for part, content in after.signed.items():
        old, new = _flat(before.signed[part], part), _flat(content, part)
        names = old.keys() | new.keys()
        # A mapping that was empty and got keys (or lost them) is described by its keys.
        opened = {name[:dot] for name in names for dot, sign in enumerate(name) if sign == "." and part == "config"}
        changed = [name for name in sorted(names - opened) if old.get(name) != new.get(name)]
        reasons.extend(Reason(part, name, _change(part, old.get(name), new.get(name))) for name in changed)
    return reasons


def forget() -> None:
    """Drop what was read from files, so that the next signature sees them as they are now."""
    signed_code.forget()


def _with_use(reason: Reason, before: SignatureRecord, after: SignatureRecord) -> Reason:
    """Add to a library that changed why it counts."""
    use = after.because.get(reason.what) or before.because.get(reason.what)
    return reason._replace(detail=f"{reason.detail}, {use}") if reason.kind == "library" and use else reason


def _code_reasons(before: SignatureRecord, after: SignatureRecord, root: Path) -> list[Reason]:
    gone = sorted(before.code.keys() - after.code.keys())
    return [
        *(
            Reason("code", each.path, each.detail, each.via[-1], each.via, each.line)
            for each in signed_code.changed_definitions(before, after, root)
        ),
        *(Reason("code", name, "removed") for name in gone),
    ]


def _flat(value: Any, part: str, prefix: str = "") -> dict[str, str]:
    """Name every leaf of a part, as canonical JSON like the signature; only `config` is nested on purpose."""
    if prefix and (not isinstance(value, dict) or not value or part != "config"):
        return {prefix: canonical_json(value)}
    flat: dict[str, str] = {}
    for key, inner in value.items():
        flat.update(_flat(inner, part, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def _change(part: Kind, old: str | None, new: str | None) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return f"{json.loads(old)} -> {json.loads(new)}" if part in ("config", "library") else "changed"
