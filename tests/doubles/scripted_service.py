"""A server that answers a client as a test sets it to, however a service, a proxy or a network may."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


class Request(BaseHTTPRequestHandler):
    """A request that came, with its body."""

    body: bytes


@contextmanager
def server(answer: Callable[[Request, int], Answer]) -> Iterator[tuple[str, list[Any]]]:
    """Run a server that answers as it is set to; return its address and the requests it saw."""
    seen: list[Any] = []

    class Handler(Request):
        def _answer(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
            seen.append({name.lower(): value for name, value in self.headers.items()})
            status, headers, body = answer(self, len(seen))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  names that the library looks for

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", seen
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
