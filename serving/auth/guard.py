"""Who asks, whether they may, and how often.

Belongs here: the one guard in front of every handler.
Does not belong here: making and keeping keys (see `keys.py`), counting (see `http/rate_limit.py`).

A handler says what it needs by `opt={"scope": "predict"}` (a scope of `keys.py`, or several of which one will do),
`"any"` (any valid key) or `"open"` (nothing). One that says nothing fails closed: reading needs any key, everything
else `admin`.

Without keys the service is open, on this machine only: for administration just to requests that come from this
machine itself, not from a page of another site in a browser on it. With the first key made, every request needs
one; and beyond this machine the service does not start without (see `require_protection`).
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from litestar.handlers import BaseRouteHandler
from litestar.types import Scope as AsgiScope

from model_zoo.errors import ConfigError
from serving.auth.audit import Audit
from serving.auth.keys import SCOPES, Key, KeyStore, Scope, parse
from serving.auth.origin import Connection, name_in, require_json, require_own_name, require_own_page
from serving.http.headers import note_allowance, request_id
from serving.http.problems import ProblemError
from serving.http.rate_limit import Allowance, RateLimit
from serving.settings import Settings, is_loopback

COOKIE = "aidrug_key"
"""Where the page keeps the key: no script can read it, no other site sends it, it ends with the browser."""
FRESH_SECONDS = 2.0
"""For how long a key that was looked up is believed: a revoked one is refused after that, by every worker."""
TOUCH_SECONDS = 60.0
MOST_KNOWN = 10_000
_CALLER = "aidrug_caller"

REFUSALS_PER_MINUTE = 60
"""Of one address; beyond, it has to wait, and the audit log is spared."""

Need = Scope | Literal["any", "open"] | tuple[Scope, ...]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who asks: a key's id and label, or an address; and what they may do."""

    name: str
    scopes: tuple[Scope, ...]
    is_key: bool


class Guard:
    """The rules of one service."""

    def __init__(self, settings: Settings, rate_limit: RateLimit | None = None) -> None:
        self._settings, self._rate_limit = settings, rate_limit
        self._refusals = RateLimit(REFUSALS_PER_MINUTE)
        self._keys = KeyStore(settings.keys_file) if settings.keys_file is not None else None
        self._known: dict[str, tuple[float, Key | None]] = {}
        self._touched: dict[str, float] = {}
        self._used: tuple[float, bool] = (-FRESH_SECONDS, False)

    def require_own_name(self, connection: Connection) -> None:
        """Refuse a request under a name that is not the service's.

        Raises
        ------
        ProblemError
            `forbidden`.
        """
        require_own_name(connection, self._settings.allowed_hosts, on_loopback=self._settings.on_loopback)

    def needs_key(self) -> bool:
        """Return whether predictions need a key."""
        return not self._settings.open_access and (not self._settings.on_loopback or self._has_keys())

    def admit(self, connection: Connection, need: Need) -> Caller | None:
        """Return who asks; nobody needs to be known where all is open.

        Raises
        ------
        ProblemError
            `unauthorized` when a key is needed and none that is valid was shown, `forbidden` when it does not allow
            this or it comes from another site's page or under a foreign name, `too-many-requests` when the allowance
            is used up, `keys-unavailable` when it cannot be known which keys are valid.
        """
        shown, from_cookie = _shown(connection)
        if from_cookie or shown is None:
            require_own_page(connection)
        if need == "open":
            return None
        caller = self._caller_by(shown)
        if caller is None and shown is not None and not from_cookie:
            raise ProblemError(
                "unauthorized", "this key is not valid: unknown, revoked or expired", {"WWW-Authenticate": "Bearer"}
            )
        if caller is None:
            caller = self._anonymous(connection, need)
        elif need != "any" and not set(_scopes(need)) & set(caller.scopes):
            allowed = " or ".join(_scopes(need))
            raise ProblemError("forbidden", f"this key does not allow {allowed}, only {', '.join(caller.scopes)}")
        connection.scope["state"][_CALLER] = caller
        self._count(connection, caller)
        return caller

    def is_valid(self, key: str) -> bool:
        """Return whether a key would be admitted to something."""
        return self._caller_by(key) is not None

    def may_read(self, connection: Connection) -> bool:
        """Return whether a caller may know what is served, where they need not say who they are."""
        try:
            return not self.needs_key() or self._caller_by(_shown(connection)[0]) is not None
        except ProblemError:
            return False

    def require_patience(self, connection: Connection) -> None:
        """Count a refusal, and refuse callers more briefly that had too many.

        Raises
        ------
        ProblemError
            `too-many-requests`.
        """
        allowance = self._refusals.take(_network(address(connection, behind_proxy=self._settings.behind_proxy)))
        if allowance.retry_seconds:
            raise _too_many("refused requests", allowance)

    def _anonymous(self, connection: Connection, need: Need) -> Caller:
        local = self._settings.on_loopback and not self._has_keys() and self._settings.admin_token is None
        if need == "admin" and not local:
            raise _unauthorized("admin")
        if need != "admin" and self.needs_key():
            raise _unauthorized(need)
        if need == "admin" and not is_loopback(name_in(connection.headers.get("host", ""))):
            raise ProblemError("forbidden", "expected a request to this machine by its own name or address")
        return Caller(address(connection, behind_proxy=self._settings.behind_proxy), (), is_key=False)

    def _caller_by(self, shown: str | None) -> Caller | None:
        """Return the caller that shows a valid key."""
        if shown is None:
            return None
        token = self._settings.admin_token
        if token is not None and hmac.compare_digest(shown.encode(), token.encode()):
            return Caller("admin token", SCOPES, is_key=True)
        parts = parse(shown)
        key = self._find(parts[0]) if parts else None
        if key is None or parts is None or not key.opens(parts[1]) or not key.is_valid(datetime.now(UTC)):
            return None
        return Caller(f"{key.id} {key.label}", key.scopes, is_key=True)

    def _find(self, id_: str) -> Key | None:
        now = time.monotonic()
        since, key = self._known.get(id_, (-FRESH_SECONDS, None))
        if now - since < FRESH_SECONDS:
            return key
        with _telling():
            key = self._keys.find(id_) if self._keys is not None else None
        if len(self._known) >= MOST_KNOWN:  # somebody tries ids
            self._known.clear()
        self._known[id_] = (now, key)
        if key is not None and self._keys is not None and now - self._touched.get(id_, -TOUCH_SECONDS) >= TOUCH_SECONDS:
            self._touched[id_] = now
            with suppress(ConfigError):  # a file that cannot be written must not keep a valid key out
                self._keys.touch(id_)
        return key

    def _has_keys(self) -> bool:
        now = time.monotonic()
        since, used = self._used
        if not used and self._keys is not None and now - since >= FRESH_SECONDS:
            with _telling():
                self._used = now, self._keys.is_used()
        return self._used[1]

    def _count(self, connection: Connection, caller: Caller) -> None:
        if self._rate_limit is None:
            return
        allowance = self._rate_limit.take(caller.name)
        note_allowance(connection.scope, allowance)
        if allowance.retry_seconds:
            raise _too_many("requests", allowance)


def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Admit a request to a handler, or refuse it; Litestar calls this before it reads the body."""
    need: Need = handler.opt.get("scope") or ("any" if connection.scope.get("method") in ("GET", "HEAD") else "admin")
    guard: Guard = connection.app.state.guard
    try:
        guard.require_own_name(connection)
        guard.admit(connection, need)
        require_json(connection, handler)
    except ProblemError as error:
        if error.code in ("unauthorized", "forbidden"):
            guard.require_patience(connection)
            if need == "admin":
                _note(connection, handler.handler_name, connection.scope["path"], error.code)
        raise


def caller_of(scope: AsgiScope) -> Caller | None:
    """Return the caller that the guard admitted."""
    caller: Caller | None = scope["state"].get(_CALLER)
    return caller


def holder_of(scope: AsgiScope) -> str:
    """Return the owner of what a caller makes: the id of their key, or nobody without a key."""
    caller = caller_of(scope)
    return caller.name.partition(" ")[0] if caller is not None and caller.is_key else ""


@contextmanager
def audited(connection: Connection, action: str, target: str) -> Iterator[None]:
    """Put what an administrator does, and what came of it, into the audit log."""
    result = "internal"
    try:
        yield
        result = "done"
    except ProblemError as error:
        result = error.code
        raise
    finally:
        _note(connection, action, target, result)


def _note(connection: Connection, action: str, target: str, result: str) -> None:
    audit: Audit = connection.app.state.audit
    caller = caller_of(connection.scope)
    where = connection.client.host if connection.client else "unknown"
    who = caller.name if caller else "nobody"
    audit.note(action, target, who=who, where=where, result=result, request_id=request_id(connection.scope))


def require_protection(settings: Settings) -> None:
    """Refuse to serve other machines without keys, unless a setting says so plainly, and with keys that are damaged."""
    used = settings.keys_file is not None and KeyStore(settings.keys_file).is_used()
    if used or settings.on_loopback or settings.open_access or settings.admin_token is not None:
        return
    raise ConfigError(
        f"AIDRUG_SERVICE_HOST={settings.host} lets other machines in, and no key protects the service: make one with "
        "`aidrug keys create LABEL --scope predict`, or set AIDRUG_OPEN_ACCESS=on to let everybody predict"
    )


def _shown(connection: Connection) -> tuple[str | None, bool]:
    """Return the key that a request shows, if any, and whether it came as the page's cookie."""
    scheme, _, text = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip(), False
    if cookie := connection.cookies.get(COOKIE):
        return cookie, True
    return None, False


@contextmanager
def _telling() -> Iterator[None]:
    """Report a damaged file of keys to callers, and its place to the log: nobody is admitted by it."""
    try:
        yield
    except ConfigError as error:
        logger.error("%s", error)  # noqa: TRY400  what to do, not a trace
        raise ProblemError(
            "keys-unavailable", "the service cannot read who may use it; its log says what to do", {"Retry-After": "30"}
        ) from error


def _too_many(what: str, allowance: Allowance) -> ProblemError:
    return ProblemError(
        "too-many-requests",
        f"expected at most {allowance.limit} {what} per minute",
        {"Retry-After": str(int(allowance.retry_seconds) + 1)},
    )


def _network(address: str) -> str:
    """Return what one household or machine has: an address of IPv4, a network of 2^64 addresses of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def _scopes(need: Need) -> tuple[str, ...]:
    return need if isinstance(need, tuple) else (need,)


def _unauthorized(need: Need) -> ProblemError:
    which = "a key" if need == "any" else f"a key that allows {' or '.join(_scopes(need))}"
    return ProblemError(
        "unauthorized", f"expected {which} in the header Authorization: Bearer", {"WWW-Authenticate": "Bearer"}
    )


def address(connection: Connection, *, behind_proxy: bool) -> str:
    """Return the caller's address; behind a proxy of our own, the one that it names last."""
    forwarded = connection.headers.get("x-forwarded-for", "").rpartition(",")[2].strip() if behind_proxy else ""
    return forwarded or (connection.client.host if connection.client else "unknown")
