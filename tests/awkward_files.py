"""Twenty awkward files, what the product says of each, and why: `docs/awkward-files.md` is made from them.

Belongs here: files as people have them, read and curated by the product's own path. Run as a module it writes the
document; `tests/conventions/test_awkward_files.py` checks that it is true.
Does not belong here: awkward molecules, and the rules themselves.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from rdkit import Chem

from model_zoo.data.curation import Curation, curate
from model_zoo.data.sources import Source, read_source
from model_zoo.errors import AidrugError

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "awkward-files.md"
HEAD = """# Awkward files

What does curation make of files as people have them? `python -m tests.awkward_files` runs each file through the product
and writes this page; the rules are in [data.md](data.md). Values are pIC50, converted from nM unless the row says
otherwise.

| file | result | why |
| --- | --- | --- |
"""


class Case(NamedTuple):
    """A file, how its endpoint's YAML names it, and why the answer is right."""

    title: str
    why: str
    content: bytes
    name: str = "a.csv"
    source: dict[str, Any] | None = None
    rules: dict[str, Any] | None = None


def _sdf(*records: tuple[str, dict[str, str]]) -> bytes:
    parts = []
    for smiles, properties in records:
        lines = "".join(f">  <{name}>\n{value}\n\n" for name, value in properties.items())
        parts.append(f"{Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))}{lines}$$$$\n")
    return "".join(parts).encode()


KEPT = {"censored": "keep_bound"}
SDF = {"format": "sdf", "value_column": "IC50"}
CASES = (
    Case("a byte order mark", "Excel writes one", b"\xef\xbb\xbfsmiles,value\nCCO,100\n"),
    Case(
        "no UTF-8", "guessing an encoding would guess a structure", "smiles,value,n\nCCO,100,\xfc\n".encode("latin-1")
    ),
    Case("a decimal comma in quotes", "1,5 may be 1.5 or 15", b'smiles,value\nCCO,"1,5"\nCCN,100\n'),
    Case("a decimal comma without quotes", "the row has a cell too many: 1 would be wrong", b"smiles,value\nCCO,1,5\n"),
    Case("a thousand as 1_000", "a thousand in Python, but not in a table", b"smiles,value\nCCO,1_000\nCCN,100\n"),
    Case("two columns with one name", "nobody knows which is meant", b"smiles,value,value\nCCO,1,2\n"),
    Case("only a header", "there is nothing to learn", b"smiles,value\n"),
    Case("an empty cell", "it is not a zero", b"smiles,value\nCCO,\nCCN,100\n"),
    Case("a zero as IC50", "it has no logarithm", b"smiles,value\nCCO,0\nCCN,100\n"),
    Case(
        "a zero below a limit of quantification", "it is a bound", b"smiles,value\nCCO,0\n", rules={**KEPT, "uloq": 11}
    ),
    Case("`≥ 10000`", "a bound, which the logarithm reverses", "smiles,value\nCCO,≥ 10000\n".encode(), rules=KEPT),
    Case("the same in the full-width form", "the same bound", "smiles,value\nCCO,\uff1e10000\n".encode(), rules=KEPT),
    Case(
        "an SDF with relations",
        "10000 with `>` is not a measurement",
        _sdf(("CCO", {"IC50": "10000", "rel": ">"})),
        "a.sdf",
        {**SDF, "relation_column": "rel"},
        KEPT,
    ),
    Case(
        "an SDF whose relation is misspelt in the YAML",
        "every bound would be a measurement",
        _sdf(("CCO", {"IC50": "10000", "rel": ">"})),
        "a.sdf",
        {**SDF, "relation_column": "Relation"},
    ),
    Case(
        "bounds `<100`, `<10`, `<1`",
        "the tightest one implies the others",
        b"smiles,value\nCCO,<100\nCCO,<10\nCCO,<1\n",
        rules=KEPT,
    ),
    Case("10 and `>10000`", "both cannot be true", b"smiles,value\nCCO,10\nCCO,>10000\nCCN,100\n"),
    Case(
        "`>1` and `<100`",
        "both can be true, but they are not a value",
        b"smiles,value\nCCO,>1\nCCO,<100\nCCN,100\n",
        rules=KEPT,
    ),
    Case(
        "units in a column",
        "each row is converted from its own unit, mass by molecular weight",
        b"smiles,value,unit\nCCO,100,nM\nCCN,0.1,uM\nCCC,4.41,ng/mL\nCCF,1,furlong\n",
    ),
    Case("an export of `aidrug feedback`", "it states its own unit", b"smiles,value,unit\nCCO,7.0,pIC50\n"),
    Case(
        "two species",
        "the YAML asks for one",
        b"smiles,value,species\nCCO,100,human\nCCO,9000,rat\n",
        source={"where": {"species": "human"}},
    ),
    Case(
        "replicates twenty-fold apart",
        "one of them is wrong, and nobody knows which",
        b"smiles,value\nCCO,1\nCCO,20\nCCN,9\n",
    ),
)


def outcome(case: Case) -> str:
    """Return what the product says of a file, in a cell of a table."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / case.name).write_bytes(case.content)
        try:
            source = TypeAdapter(Source).validate_python({"kind": "csv", "files": [case.name], **(case.source or {})})
            raw = read_source(source, Path(folder))
            rules = Curation.model_validate(case.rules or {})
            table, report = curate(raw, rules, task="regression", source_unit="nM", unit="pIC50")
        except AidrugError as error:
            return f"refused: {error}".replace(f"{folder}/", "")
    signs = ["" if sign == "=" else f"{sign} " for sign in table["relation"]]
    kept = [
        f"{smiles} {sign}{value:.4g}"
        for smiles, sign, value in zip(table["smiles"], signs, table["value"], strict=True)
    ]
    rows = zip(report["row"], report["action"], report["reason"], strict=True)
    dropped = [f"row {row} dropped: {reason}" for row, action, reason in rows if action == "dropped"]
    return "; ".join([*kept, *dropped])


def document() -> str:
    """Return the document."""
    rows = [
        "| "
        + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in (case.title, outcome(case), case.why))
        + " |"
        for case in CASES
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
