"""Many endpoints on a machine that others want, too: slow answers, and no ordinary molecule refused."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from model_zoo.bundles.store import FolderStore
from tests.bundle_factory import write
from tests.real_molecules import drugs
from tests.server_process import running_service

PROPRANOLOL = "CC(C)NCC(O)COc1cccc2ccccc12"
BURNERS = 3
"""Processes beside the service that only compute, for each core."""
STEP_S = 0.01
"""Processor time that a step of a batch may take here, for each endpoint: by the clock, beside others, a batch takes
longer."""


@contextmanager
def busy_machine() -> Iterator[None]:
    """Let other processes want every core."""
    code = f"import os\nwhile os.getppid() == {os.getpid()}: sum(range(100_000))"
    burners = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(BURNERS * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def publish(folder: Path, endpoints: int) -> None:
    """Publish so many endpoints on descriptors: each has a model of its own to ask, and likeness to look up."""
    store, versions = FolderStore(folder / "store"), {}
    for number in range(endpoints):
        name = f"endpoint_{number:03d}"
        versions[name] = store.put_bundle(write(folder / name, endpoint=name, onnx_bias=float(number)).folder)
    store.update_pointer(lambda now: now.appoint(versions, by="test"))


def molecules(count: int) -> list[str]:
    """Return ordinary molecules."""
    small = (smiles for smiles in drugs() if "." not in smiles and 10 < len(smiles) < 60)
    return list(itertools.islice(small, count))


@pytest.mark.slow(sibling="test_batches::test_a_slow_machine_makes_no_molecule_hopeless")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("endpoints", [50, 200])
def test_ordinary_molecules_are_answered_however_busy_the_machine(tmp_path: Path, endpoints: int) -> None:
    """Three requests of 256 molecules at once, then a beta blocker alone: all are answered whole, none is given up."""
    publish(tmp_path, endpoints)
    asked = molecules(768)
    assert len(asked) == 768

    async def ask(address: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=address, timeout=500) as client:
            parts = [asked[start : start + 256] for start in range(0, 768, 256)]
            several = await asyncio.gather(*(client.post("/v1/predict", json={"smiles": part}) for part in parts))
            return [*several, await client.post("/v1/predict", json={"smiles": [PROPRANOLOL]})]

    environment = {"AIDRUG_WORKERS": "1", "AIDRUG_BATCH_SECONDS": str(STEP_S * endpoints), "AIDRUG_RECORD": "off"}
    environment["AIDRUG_REQUEST_SECONDS"] = "300"  # a turn may be late: the first batch opens all bundles
    with running_service(tmp_path, tmp_path / "log", **environment) as (address, _), busy_machine():
        responses = asyncio.run(ask(address))

    assert [response.status_code for response in responses] == [200] * 4, [each.text[:300] for each in responses]
    answers = [answer for response in responses for answer in response.json()["predictions"]]
    assert len(answers) == 769
    for answer in answers:
        assert answer.get("error") is None, answer["error"]
        assert len(answer["endpoints"]) == endpoints
        assert all(each.get("value") is not None for each in answer["endpoints"].values())
    assert "given up" not in (tmp_path / "log").read_text()
