"""`aidrug mcp`: tools of the service for language models."""

from __future__ import annotations

import click
from model_zoo.errors import AidrugError


@click.command()
@click.option("--url", help="Address of the service; if omitted, AIDRUG_SERVICE_URL or else port 8000 of this machine.")
def mcp(url: str | None) -> None:
    """Return a language model tools to predict, explain, compare and report, over standard input and output.

    An agent's configuration starts this command. The tools may do what the key in AIDRUG_API_KEY allows.
    """
    from serving.client import Client

    try:
        from serving.agents.stdio import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise AidrugError("the package mcp is missing: pip install 'ai-drug-assets[agents]'") from None
    try:
        client = Client(url)
    except ValueError as error:
        raise AidrugError(f"--url, or AIDRUG_SERVICE_URL and AIDRUG_API_KEY: {error}") from None
    run(client)
