"""The text of a file: unpacked, decoded, line by line, and never more of it than is allowed.

A file that is packed by gzip, or is the only one in a ZIP archive, is read as what is in it: its first
bytes decide, not its name.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from model_zoo.data.tables.fault import TableError

MAX_ROW_CHARACTERS = 1_000_000
HEAD_BYTES = 65_536
ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Older workbooks begin with it, and those that a password protects."""
UTF8 = "utf-8-sig"
"""UTF-8 with a byte order mark or without."""


@contextmanager
def open_bytes(path: Path, max_bytes: int | None = None, *, archives: bool = False) -> Iterator[io.BufferedReader]:
    """Open a file, unpacked.

    Parameters
    ----------
    path
        The file.
    max_bytes
        How long it may be after unpacking.
    archives
        Whether a ZIP archive of one file is opened too.

    Raises
    ------
    TableError
        When it is too long, a broken archive, or one that holds several files.
    """
    with path.open("rb") as raw, _whole():
        start = raw.read(4)
        raw.seek(0)
        stream: IO[bytes] = raw
        if start.startswith(b"\x1f\x8b"):
            stream = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
        elif archives and start == ZIP and (member := _member(raw)):
            stream = zipfile.ZipFile(raw).open(member)  # noqa: SIM115  closed with `raw`
        yield io.BufferedReader(_Bounded(stream, max_bytes), HEAD_BYTES)


def is_workbook(path: Path) -> bool:
    """Return whether a file is an Excel workbook (XLSX), by its content."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def unpacked_size(path: Path) -> int:
    """Return how many bytes a ZIP archive says that it holds; a workbook is one."""
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())


def guess_encoding(path: Path, max_bytes: int | None = None, *, archives: bool = False) -> str:
    """Return a text's encoding: by its byte order mark, UTF-8 if all of it is, else that of older Windows programs.

    Raises
    ------
    TableError
        See `open_bytes`.
    """
    decoder = codecs.getincrementaldecoder(UTF8)()
    try:
        with open_bytes(path, max_bytes, archives=archives) as stream:
            block = stream.read(1 << 20)
            if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            while block:
                decoder.decode(block)
                block = stream.read(1 << 20)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return UTF8


def read_lines(
    path: Path, encoding: str, max_bytes: int | None = None, *, strict: bool = False, archives: bool = False
) -> Iterator[str]:
    """Read a text line by line, with its line ends.

    A byte that its encoding does not know is kept as a mark, or raises `UnicodeDecodeError` where `strict`.

    Raises
    ------
    TableError
        For a line that is too long; see also `open_bytes`.
    """
    with open_bytes(path, max_bytes, archives=archives) as stream:
        text = io.TextIOWrapper(stream, encoding, errors="strict" if strict else "replace", newline="")
        for line in iter(lambda: text.readline(MAX_ROW_CHARACTERS + 1), ""):
            if len(line) > MAX_ROW_CHARACTERS:
                raise TableError("unreadable", f"expected lines of at most {MAX_ROW_CHARACTERS} characters")
            yield line


class _Bounded(io.RawIOBase):
    """A stream of bytes that ends with an error when it is longer than it may be."""

    def __init__(self, stream: IO[bytes], max_bytes: int | None) -> None:
        self._stream, self._left, self._max = stream, max_bytes, max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        content = self._stream.read(len(buffer))
        if self._left is not None:
            self._left -= len(content)
            if self._left < 0:
                raise TableError("too-large", f"expected at most {self._max} bytes after unpacking")
        buffer[: len(content)] = content
        return len(content)


def _member(raw: IO[bytes]) -> str:
    """Name the one file in an archive; empty for a workbook."""
    names = zipfile.ZipFile(raw).namelist()
    raw.seek(0)
    if "xl/workbook.xml" in names:
        return ""
    # What macOS adds to every archive is no file of the user's.
    files = [name for name in names if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(files) != 1:
        shown = ", ".join(files[:10]) or "none"
        raise TableError("unreadable", f"expected one file in the ZIP archive, got {shown}: unpack it, and name one")
    return files[0]


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise TableError("unreadable", f"the file is not a whole gzip file: {error}") from error
    except zipfile.BadZipFile as error:
        raise TableError("unreadable", f"the file is not a whole ZIP archive: {error}") from error
