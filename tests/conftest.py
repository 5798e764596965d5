"""What all tests share: the environment of the pipeline (`ai_drug_assets/__init__.py`), before any library loads."""

import os

from hypothesis import HealthCheck, settings

import ai_drug_assets  # noqa: F401 - sets how OpenMP waits; spinning made single tests take minutes on a busy machine

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes share the cores already

# A shared machine is slow at times; how fast an example is made says nothing about the code.
settings.register_profile("shared_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared_machine")
