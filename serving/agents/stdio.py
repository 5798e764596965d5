"""The tools over standard input and output, for an agent on the same machine that starts them itself."""

from __future__ import annotations

from serving.agents.asking import OverNetwork
from serving.agents.tools import make_server
from serving.client import Client


def run(client: Client) -> None:
    """Answer until standard input ends."""
    asking = OverNetwork(client.transport)
    make_server(lambda _: asking).run("stdio")
