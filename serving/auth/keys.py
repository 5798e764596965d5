"""API keys: random, scoped, revocable, in one small SQLite file that keeps their hashes only.

The command `aidrug keys` uses it too, so it imports neither Litestar nor anything heavy.

A key reads `aidrug_<id>_<secret>`: the id names it in lists and logs, the secret has 256 random bits, so that
one round of SHA-256 is enough to keep it by.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from model_zoo.errors import ConfigError

Scope = Literal["predict", "jobs", "feedback", "admin"]
"""What a key allows: predictions, batch jobs, measured values, changing champions and whatever else."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
LONGEST_LABEL = 80
_PREFIX = "aidrug"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL, label TEXT NOT NULL, scopes TEXT NOT NULL,
    created TEXT NOT NULL, expires TEXT, last_used TEXT, revoked TEXT
)"""


@dataclass(frozen=True)
class Key:
    """What is on record of a key; times are ISO 8601 in UTC."""

    id: str
    """Names the key; no secret."""
    digest: bytes
    label: str
    scopes: tuple[Scope, ...]
    """What it allows."""
    created: str
    expires: str | None
    last_used: str | None
    revoked: str | None
    """`expires`, `last_used` and `revoked`: none for never. `last_used` is kept to the minute or so."""

    def is_valid(self, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < datetime.fromisoformat(self.expires))

    def opens(self, secret: str) -> bool:
        """Return whether a secret is this key's, in a time that says nothing of how nearly it is."""
        return hmac.compare_digest(_digest(secret), self.digest)


class KeyStore:
    """The file of keys.

    Parameters
    ----------
    path
        The SQLite file; made, readable for its owner only, with the first key. It is there whole or not at all: one
        that cannot be read is damage, and does not count as one without keys.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> store = KeyStore(Path(mkdtemp()) / "keys.sqlite")
    >>> store.is_used()
    False
    >>> key, text = store.create("bench", ["predict"])
    >>> id_, secret = parse(text)
    >>> store.find(id_).opens(secret), store.find(id_).opens(secret + "x")
    (True, False)
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, label: str, scopes: Sequence[str], *, valid_days: int | None = None) -> tuple[Key, str]:
        """Make a key; return its record and the key itself, which is shown only once.

        Raises
        ------
        ConfigError
            When a scope is unknown, the label is empty, too long or more than a line, or the file cannot be written.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise ConfigError(
                f"scopes: expected some of {', '.join(SCOPES)}, got {', '.join(map(repr, unknown)) or 'none'}"
            )
        if not 1 <= len(label.strip()) <= LONGEST_LABEL:
            raise ConfigError(f"label: expected 1 to {LONGEST_LABEL} characters, got {len(label.strip())}")
        if not label.isprintable():
            raise ConfigError(f"label: expected one line of text, got {label!r}")
        now = datetime.now(UTC)
        secret = secrets.token_urlsafe(32)
        key = Key(
            id=secrets.token_hex(5),
            digest=_digest(secret),
            label=label.strip(),
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            created=_text(now),
            expires=None if valid_days is None else _text(now + timedelta(days=valid_days)),
            last_used=None,
            revoked=None,
        )
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",
                (key.id, key.digest, key.label, " ".join(key.scopes), key.created, key.expires),
            )
        return key, f"{_PREFIX}_{key.id}_{secret}"

    def revoke(self, id_: str) -> Key:
        """Make a key void for good; revoking it twice changes nothing.

        Raises
        ------
        ConfigError
            When there is no such key.
        """
        with self._writing() as connection:
            connection.execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (_now(), id_))
        key = self.find(id_)
        if key is None:
            known = ", ".join(each.id for each in self.all()) or "none"
            raise ConfigError(f"no key has the id {id_!r}: those on record are {known}")
        return key

    def all(self) -> list[Key]:
        """Return every key, oldest first, void ones included."""
        return self._read("SELECT * FROM keys ORDER BY created, rowid")

    def find(self, id_: str) -> Key | None:
        """Return the key of an id, void or not."""
        return next(iter(self._read("SELECT * FROM keys WHERE id = ?", id_)), None)

    def is_used(self) -> bool:
        """Return whether a key was ever made: from then on nobody gets in without, even when all are void."""
        return bool(self._read("SELECT * FROM keys LIMIT 1"))

    def touch(self, id_: str) -> None:
        """Note that a key was used just now."""
        with self._writing() as connection:
            connection.execute("UPDATE keys SET last_used = ? WHERE id = ?", (_now(), id_))

    def _read(self, query: str, *values: str) -> list[Key]:
        if not self.path.exists():
            return []
        try:
            with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=2)) as connection:
                return [_key(row) for row in connection.execute(query, values)]
        except sqlite3.Error as error:
            raise ConfigError(
                f"{self.path}: expected a readable file of keys, got: {error}. Put it back from a backup; or remove it "
                "and make new keys with `aidrug keys create LABEL --scope predict`: until then nobody is admitted"
            ) from error

    def _make(self) -> None:
        """Make the file without a key, whole: a full disk, or a crash, leaves none."""
        handle, made = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        os.close(handle)
        try:
            with closing(sqlite3.connect(made)) as connection:
                connection.execute(_SCHEMA)
            with suppress(FileExistsError):  # somebody else was quicker
                os.link(made, self.path)
        finally:
            for name in (made, f"{made}-journal"):
                Path(name).unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                self._make()
            with closing(sqlite3.connect(self.path, timeout=2)) as connection, connection:
                connection.execute(_SCHEMA)
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{self.path}: the keys cannot be written: {error}") from error


def parse(text: str) -> tuple[str, str] | None:
    """Split a key into id and secret; none when it has not the form of one.

    Examples
    --------
    >>> parse("aidrug_0123456789_abc_d"), parse("abc")
    (('0123456789', 'abc_d'), None)
    """
    prefix, _, rest = text.partition("_")
    id_, _, secret = rest.partition("_")
    return (id_, secret) if prefix == _PREFIX and id_ and secret else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(row: tuple[str, bytes, str, str, str, str | None, str | None, str | None]) -> Key:
    id_, digest, label, scopes, created, expires, last_used, revoked = row
    known = tuple(scope for scope in SCOPES if scope in scopes.split())
    return Key(id_, digest, label, known, created, expires, last_used, revoked)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _now() -> str:
    return _text(datetime.now(UTC))
