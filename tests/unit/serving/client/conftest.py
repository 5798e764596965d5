"""A service for the tests of its Python client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from model_zoo.bundles.store import FolderStore
from serving.client import Client
from tests.bundle_factory import publish
from tests.server_process import running_service


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a service with two endpoints; give its address."""
    home = tmp_path_factory.mktemp("service")
    store = FolderStore(home / "store")
    publish(store, home / "b1", onnx_bias=0.0)
    publish(store, home / "b2", endpoint="bbb", value=0.8, binary=True)
    with running_service(home, home / "log", AIDRUG_JOB_CHUNK_ROWS="3") as (url, _):
        yield url


@pytest.fixture
def client(address: str) -> Client:
    """Return a client of it."""
    return Client(address)
