"""The Dagster code location and the `aidrug` command: thin glue around `model_zoo`.

Belongs here: assets, checks, automation, sensors, resources, the command line; one file per concept.
Does not belong here: anything about molecules or models (see `model_zoo`), HTTP (see `serving`).
Importing this package imports nothing heavy: `aidrug plan` must answer without Dagster.
"""

import os
from pathlib import Path

from ai_drug_assets.execution.byte_code import check_sources

# Threads of OpenMP that wait do so asleep. By default they spin, and where anything else wants the processors they spin
# their turns away: fitting 400 small trees with XGBoost took 84 s spinning and 1.6 s asleep, in one run on two
# busy cores. Read when a library that uses OpenMP is loaded, so it is set before any is.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Before any of it is imported: what is signed is what runs.
check_sources(Path(__file__).parent.parent / "model_zoo")
