"""One request to the service and its answer, for its Python client.

Only the standard library is imported.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from model_zoo.errors import AidrugError
from serving.client.answers import read

T = TypeVar("T")
LONGEST_PAUSE_SECONDS = 60.0
PIECE_BYTES = 1 << 16
BUSY = (429, 503)
LATIN_1 = 256
"""The end of the signs that a header can contain."""


class ServiceError(AidrugError):
    """The service refused a request, or its answer cannot be read.

    Attributes
    ----------
    code
        Stable code of the problem, such as `unknown-endpoints`; `unknown` where none came (as from a proxy),
        `unreadable-answer` where something else than the service answers.
    status
        Status of the answer.
    request_id
        By which the service's log knows the request.
    """

    def __init__(self, detail: str, code: str, status: int, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.status, self.request_id = code, status, request_id


class NotReachableError(ServiceError):
    """Nothing answers at the address, or not in time, or the connection broke. Its code is `not-reachable`."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, "not-reachable", 0)


class Transport:
    """Sends requests to one service."""

    def __init__(self, url: str, api_key: str | None, timeout_seconds: float, retries: int) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"expected an address such as http://127.0.0.1:8000, got {url!r}")
        if api_key is not None and not (api_key.isprintable() and all(ord(sign) < LATIN_1 for sign in api_key)):
            raise ValueError("expected a key as it was shown, got one with signs that no header can contain")
        self.url, self._key = url, api_key
        self._timeout, self._retries = timeout_seconds, retries
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if _is_local(parts.hostname):
            handlers.append(urllib.request.ProxyHandler({}))  # no proxy knows this machine
        self._opener = urllib.request.build_opener(*handlers)

    def json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        again: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Send a request and decode its answer, which is JSON; see `send`."""
        headers = {"Accept": "application/json", **(headers or {})}
        content = None
        if body is not None:
            content, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        with self.send(method, path, (lambda: content) if content is not None else None, headers, again=again) as got:
            return _decoded(b"".join(pieces(got)))

    def read(self, kind: type[T], method: str, path: str, body: object = None, *, again: bool = False) -> T:
        """Send a request and read its answer as one of the client's values; see `send`."""
        return _understood(kind, self.json(method, path, body, again=again))

    def send(
        self,
        method: str,
        path: str,
        body: Callable[[], bytes | IO[bytes]] | None = None,
        headers: dict[str, str] | None = None,
        *,
        again: bool = False,
        extra_seconds: float = 0.0,
    ) -> http.client.HTTPResponse:
        """Send a request; give the answer, to be read and closed.

        Parameters
        ----------
        body
            Gives the body, again for each time the request is sent.
        again
            Whether it is safe to send it again when the connection broke in the middle.
        extra_seconds
            How much longer than usual the answer may take to begin.

        Raises
        ------
        ServiceError
            When the service refuses, or is still busy after all retries.
        NotReachableError
            When nothing answers.
        """
        for left in range(self._retries, -1, -1):
            content = body() if body is not None else None  # a file that cannot be read is no fault of the service
            try:
                return self._once(method, path, content, headers or {}, self._timeout + extra_seconds)
            except urllib.error.HTTPError as error:
                fault = _fault(error)
                pause = _pause(error, self._retries - left)
                if left == 0 or (error.code not in BUSY and fault.code != "idempotency-in-use"):
                    raise fault from None
            except (OSError, http.client.HTTPException) as error:
                why = " ".join(str(getattr(error, "reason", None) or error).split())
                detail = f"no service answers at {self.url} ({why})"
                if not again or left == 0:
                    raise NotReachableError(detail) from error
                pause = _backoff(self._retries - left)
            time.sleep(pause)
        raise AssertionError("the last round returns or raises")

    def _once(
        self, method: str, path: str, body: bytes | IO[bytes] | None, headers: dict[str, str], seconds: float
    ) -> http.client.HTTPResponse:
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=seconds)
        finally:
            if body is not None and not isinstance(body, bytes):
                body.close()
        return answer


def pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield an answer's body piece by piece.

    Raises
    ------
    NotReachableError
        When the connection breaks before the end.
    """
    try:
        while piece := answer.read(PIECE_BYTES):
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise NotReachableError(f"the answer ended early: {type(error).__name__}") from error
    if answer.length:  # of an answer whose length was announced, the library takes any end for the end
        raise NotReachableError(f"the answer ended early: {answer.length} bytes are missing")


def understood(kind: type[T], content: bytes | str) -> T:
    """Read a piece of JSON as one of the client's values.

    Raises
    ------
    ServiceError
        When it is something else: what answers is not this service.
    """
    return _understood(kind, _decoded(content))


def lines(answer: http.client.HTTPResponse) -> Iterator[str]:
    """Yield a text's lines as they come, without their ends; an end of the connection ends them."""
    try:
        while line := answer.readline():
            yield line.decode().rstrip("\r\n")
    except (OSError, http.client.HTTPException) as error:
        raise NotReachableError(f"the answer ended early: {type(error).__name__}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The service never redirects; a server that does must not get the key."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _decoded(content: bytes | str) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise _unreadable("it is not JSON") from error


def _understood(kind: type[T], content: Any) -> T:
    try:
        return read(kind, content)
    except TypeError as error:
        raise _unreadable(str(error)) from error


def _unreadable(why: str) -> ServiceError:
    return ServiceError(f"the answer is not one of the service's ({why})", "unreadable-answer", 200)


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fault(error: urllib.error.HTTPError) -> ServiceError:
    """Read problem details; any other answer is described by its status."""
    try:
        problem = json.loads(error.read() or b"{}")
    except (ValueError, OSError, http.client.HTTPException):
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    detail = problem.get("detail") or f"the answer was {error.code} {error.reason}, without an explanation"
    return ServiceError(str(detail), str(problem.get("code") or "unknown"), error.code, problem.get("request_id"))


def _pause(error: urllib.error.HTTPError, sent: int) -> float:
    """Return the pause that the service asks for, else one that grows."""
    asked = error.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE_SECONDS) if asked.isdecimal() else _backoff(sent)


def _backoff(sent: int) -> float:
    """Return a pause that grows and differs from client to client, so that they do not all come back at once."""
    return min(0.25 * 2.0**sent, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311  no secret
