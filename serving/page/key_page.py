"""The page that asks for a key, when keys are on.

The key goes into a cookie of the session that no script can read and no other site can make the browser
send; so forms, pictures and event streams carry it without any script of ours.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from litestar import MediaType, Response, get, post
from litestar.datastructures import Cookie
from litestar.params import QueryParameter, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from serving.auth.guard import COOKIE, Guard
from serving.http.parameters import HttpRequest
from serving.page.templates import render

SHARED = re.compile(r"/shared/[A-Za-z0-9_-]{20,64}")


class KeyForm(Struct, frozen=True):
    """What the form sends; an empty key means to forget it."""

    key: str = ""
    next: str = ""

    @property
    def goal(self) -> str:
        """Where to continue: only to a result that was shared, never to another site."""
        return self.next if SHARED.fullmatch(self.next) else ""


@get("/key", media_type=MediaType.HTML, include_in_schema=False, opt={"scope": "open"})
async def show_key_page(goal: Annotated[str, QueryParameter(name="next")] = "") -> str:
    """Ask for a key."""
    return render("key.html", here="key", fault="", next=KeyForm(next=goal).goal)


@post("/key", media_type=MediaType.HTML, include_in_schema=False, status_code=200, opt={"scope": "open"})
async def take_key(request: HttpRequest, data: URLEncodedBody[KeyForm]) -> Response[Any]:
    """Keep a valid key for the page; forget it when none comes."""
    guard: Guard = request.app.state.guard
    key = data.key.strip()
    if key and not guard.is_valid(key):
        html = render(
            "key.html", here="key", fault="This key is not valid: unknown, revoked or expired.", next=data.goal
        )
        return Response(html, status_code=403, media_type=MediaType.HTML)
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    cookie = Cookie(key=COOKIE, value=key, httponly=True, samesite="strict", secure=secure, max_age=None if key else 0)
    return Redirect((data.goal or "/") if key else "/key", status_code=303, cookies=[cookie])


KEY_HANDLERS: list[ControllerRouterHandler] = [show_key_page, take_key]
