"""What all tests share: the environment of the pipeline (`ai_drug_assets/__init__.py`), before any library loads."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from litestar.testing import TestClient

import ai_drug_assets  # noqa: F401 - sets how OpenMP waits; spinning made single tests take minutes on a busy machine

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes share the cores already

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a shell. Dagster gives SIGTERM the fate of SIGINT after each run, and children inherit both.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The service answers to this machine's names and addresses only, as tests ask it unless they name another.
_made = TestClient.__init__
_made.__defaults__ = tuple(
    "http://127.0.0.1:8000" if each == "http://testserver.local" else each for each in _made.__defaults__ or ()
)

# A shared machine is slow at times; how fast an example is made says nothing about the code.
settings.register_profile("shared_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared_machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests of whole processes first: one of half a minute that begins last keeps the other cores waiting."""
    items.sort(key=lambda item: "tests/integration/" not in item.nodeid)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what imports made from the collector of garbage: looking at it again and again was a tenth of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def without_importances() -> Iterator[None]:
    """Let forests have no importances: their converter asks for each attribute by name and reads none of these, which
    are made in threads, each time again, and take longer than to fit the few trees.
    """
    from sklearn.ensemble._forest import BaseForest

    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(BaseForest, "feature_importances_")
        yield


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with tables and nothing in them: making one takes seconds, copying it nothing."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    from mlflow.tracking import MlflowClient

    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path
