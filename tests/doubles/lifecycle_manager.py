"""A stand-in for Amazon's Data Lifecycle Manager, which moto does not have.

Belongs here: keeping policies as the AWS provider writes and reads them. Does not belong here: making snapshots.
"""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote


class LifecycleManager:
    """A server with lifecycle policies in memory."""

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, Any]] = {}
        store = self.policies

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:
                """Stay silent."""

            def do_POST(self) -> None:
                body = self._body()
                if self.path.startswith("/tags/"):
                    store[_policy_id(self.path)]["Tags"] |= body["Tags"]
                    return self._answer({})
                policy_id = f"policy-{len(store):017x}"
                arn = f"arn:aws:dlm:eu-north-1:123456789012:policy/{policy_id}"
                store[policy_id] = {"PolicyId": policy_id, "PolicyArn": arn, "Tags": {}, **body}
                return self._answer({"PolicyId": policy_id})

            def do_GET(self) -> None:
                policy = store.get(_policy_id(self.path))
                if policy is None:
                    return self._answer({"Message": "no such policy"}, 404)
                return self._answer({"Tags": policy["Tags"]} if self.path.startswith("/tags/") else {"Policy": policy})

            def do_PATCH(self) -> None:
                store[_policy_id(self.path)] |= self._body()
                self._answer({})

            def do_DELETE(self) -> None:
                store.pop(_policy_id(self.path), None)
                self._answer({})

            def _body(self) -> dict[str, Any]:
                content: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                return content

            def _answer(self, content: dict[str, Any], status: int = 200) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status == 404:
                    self.send_header("X-Amzn-ErrorType", "ResourceNotFoundException")
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _policy_id(path: str) -> str:
    found = re.search(r"policy-[0-9a-f]{17}", unquote(path))
    return found.group() if found else ""
