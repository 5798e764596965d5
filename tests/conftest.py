"""What all tests share: the environment of the pipeline (`ai_drug_assets/__init__.py`), before any library loads."""

import ai_drug_assets  # noqa: F401 - sets how OpenMP waits; spinning made single tests take minutes on a busy machine
