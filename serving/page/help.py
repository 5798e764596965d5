"""The page that says what the words of the other pages mean; see `docs/help_page.py`."""

from __future__ import annotations

from litestar import MediaType, get
from litestar.types import ControllerRouterHandler

from serving.page.templates import render


@get("/help", media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def show_help() -> str:
    """Explain words and tools."""
    return render("help.html", here="help")


HELP_HANDLERS: list[ControllerRouterHandler] = [show_help]
