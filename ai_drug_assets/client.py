"""Asking the running service for predictions, from the command line.

Belongs here: one request and its answer as text. Does not belong here: predicting (the service does).
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from model_zoo.errors import AidrugError


class ServiceError(AidrugError):
    """The service does not answer, or refuses the request."""


def ask(service_url: str, smiles: Sequence[str], endpoints: Sequence[str] = ()) -> dict[str, Any]:
    """Send molecules to `POST /v1/predict` of the service.

    Raises
    ------
    ServiceError
        When nothing answers, or the service refuses; with its own explanation.
    """
    body: dict[str, Any] = {"smiles": list(smiles)}
    if endpoints:
        body["endpoints"] = list(endpoints)
    request = urllib.request.Request(
        f"{service_url}/v1/predict",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **key_header()},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.loads(error.read() or b"{}")
        raise ServiceError(f"the service refused: {problem.get('detail') or error.reason}") from error
    except OSError as error:
        raise ServiceError(
            f"no service answers at {service_url} ({error}). Start it with `make run`, or set AIDRUG_SERVICE_PORT or "
            "AIDRUG_SERVICE_URL."
        ) from error
    return content


def key_header() -> dict[str, str]:
    """Give the header that shows the key in `AIDRUG_API_KEY`; none when it is not set."""
    key = os.environ.get("AIDRUG_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def as_text(answer: dict[str, Any]) -> str:
    """Lay an answer out for people: a block per molecule, a line per endpoint."""
    lines = []
    for item in answer["predictions"]:
        lines.append(item["smiles"])
        if "error" in item:
            lines.append(f"  {item['error']['code']}: {item['error']['detail']}")
            continue
        for name, value in item["endpoints"].items():
            interval = value.get("interval")
            span = f"  90 % interval {interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
            lines.append(f"  {name:<24} {value['value']:>8.2f} {value['unit']:<12} {value['champion']}{span}")
    return "\n".join(lines)
