"""Lab files of a few rows, grown to enough molecules for training; the form of each stays as it is.

Belongs here: rows copied with other structures, in text, workbooks, Parquet and SDF, packed or not.
Does not belong here: the files themselves (see `tests/lab_files.py` and `tests/unkind_files.py`).
"""

from __future__ import annotations

import codecs
import copy
import gzip
import io
import re
import zipfile
from collections.abc import Callable

import openpyxl
import pandas as pd
from rdkit import Chem, rdBase

from tests.lab_files import packed

HEADS = (
    "CC(C)(C)", "N#CC", "CC(=O)C", "CNC(=O)C", "C#CC", "CSC", "COC", "CS(=O)(=O)C", "CC(C)C", "c1ccccc1", "C1CC1",
    "C1CCC1", "C1CCCC1", "C1CCCCC1", "c1ccncc1", "c1ccsc1", "c1ccoc1", "C1CCOC1", "c1ccc2ccccc2c1", "c1cc[nH]c1",
    "c1ccnnc1", "c1cncnc1", "C1CCNCC1", "C1COCCN1",
)  # fmt: skip
"""What is put in front of each structure; a row becomes so many more."""
CELL = re.compile(r'[^\s,;\t"|=]+')
ROW = re.compile(r'(?:"[^"]*"|[^"\r\n])+(?:\r\n|\r|\n|$)')
"""A row of a delimited text, with line breaks in quotes."""


def grown(name: str, content: bytes) -> bytes:
    """Copy each row with a structure once per head, below its last row with one; other rows stay as they are."""
    rdBase.DisableLog("rdApp.error")  # most cells are no structures
    if name.endswith(".gz"):
        return gzip.compress(grown(name.removesuffix(".gz"), gzip.decompress(content)), mtime=0)
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (inside,) = archive.namelist()
            return packed(inside, grown(inside, archive.read(inside)))
    for ending, grow in KINDS.items():
        if name.endswith(ending):
            return grow(content)
    return _text(content)


def _text(content: bytes) -> bytes:
    encoding = "utf-16" if content.startswith(codecs.BOM_UTF16) else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        encoding, text = "cp1252", content.decode("cp1252")
    rows = ROW.findall(text)
    last = max(place for place, row in enumerate(rows) if _structures(row))
    more = [_with_head(row, head) for head in HEADS for row in rows if _structures(row)]
    return "".join([*rows[: last + 1], *more, *rows[last + 1 :]]).encode(encoding)


def _structures(row: str) -> list[str]:
    cells = [cell for cell in CELL.findall(row) if len(cell) > 2 and cell[0] in "CO"]
    return [cell for cell in cells if Chem.MolFromSmiles(cell) is not None]


def _with_head(row: str, head: str) -> str:
    found = set(_structures(row))
    return CELL.sub(lambda cell: f"{head}{cell[0]}" if cell[0] in found else cell[0], row)


def _workbook(content: bytes) -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book.worksheets[0]
    rows = [row for row in sheet.iter_rows() if any(_structures(str(cell.value)) for cell in row)]
    for head in HEADS:
        for row in rows:
            at = sheet.max_row + 1
            for cell in row:
                other = sheet.cell(at, cell.column or 1, cell.value)
                if isinstance(cell.value, str):
                    other.value = _with_head(cell.value, head)
                other.number_format = copy.copy(cell.number_format)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _parquet(content: bytes) -> bytes:
    table = pd.read_parquet(io.BytesIO(content))
    parts = [table, *(table.assign(smiles=head + table["smiles"]) for head in HEADS)]
    stream = io.BytesIO()
    pd.concat(parts).to_parquet(stream)
    return stream.getvalue()


def _sdf(content: bytes) -> bytes:
    text = content.decode()
    end = "\r\n" if "\r\n" in text else "\n"
    records = text.replace("\r\n", "\n").split("$$$$\n")[:-1]
    parts = list(records)
    for head in HEADS:
        for record in records:
            block, mark, properties = record.partition("M  END\n")
            smiles = Chem.MolToSmiles(Chem.MolFromMolBlock(block + mark))
            parts.append(Chem.MolToMolBlock(Chem.MolFromSmiles(head + smiles)) + properties)
    return "".join(f"{part}$$$$\n" for part in parts).replace("\n", end).encode()


KINDS: dict[str, Callable[[bytes], bytes]] = {".xlsx": _workbook, ".parquet": _parquet, ".sdf": _sdf}
