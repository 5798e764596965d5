"""A Docker engine and the two images on it, for the tests of this folder.

Belongs here: running commands, building the images once, asking the service behind the proxy.
Does not belong here: what should hold (see the tests).
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.request
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.server_process import ROOT

opt_in = [
    pytest.mark.skipif(
        os.environ.get("AIDRUG_TEST_IMAGES") != "1",
        reason="builds images and runs a host, half an hour: run `make test-images`",
    ),
    pytest.mark.timeout(7200),  # the first one builds the images
]
PREFIX, SHA = "aidrug-test", "0123456789abcdef0123456789abcdef01234567"
ADMIN = "the-admin-token"
INSECURE = ssl._create_unverified_context()  # noqa: S323  the proxy's own authority signs for localhost


def run(
    *command: str | Path, codes: tuple[int, ...] = (0,), given: str = "", environment: Mapping[str, str] | None = None
) -> str:
    """Run a command in the checkout, and return what it printed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in codes, f"{' '.join(map(str, command))}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


@cache
def build() -> None:
    """Build and check the images; the bills of materials that the check leaves are removed."""
    script = ("sh", ".github/scripts/images.sh")
    run(*script, "build", PREFIX, environment={"GITHUB_SHA": SHA})
    try:
        print(run(*script, "check", PREFIX, environment={"GITHUB_SHA": SHA}))
    finally:
        for name in ("serving.cdx.json", "pipeline.cdx.json"):
            (ROOT / name).unlink(missing_ok=True)


def predict(key: str = ADMIN) -> dict[str, Any]:
    """Ask for a prediction through the proxy."""
    body = json.dumps({"smiles": ["CCCCO", "not a molecule"]}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request("https://localhost/v1/predict", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60, context=INSECURE) as answer:
        content: dict[str, Any] = json.load(answer)
        return content
