"""The Dagster code location and the `aidrug` command: thin glue around `model_zoo`.

Belongs here: assets, checks, automation, sensors, resources, the command line; one file per concept.
Does not belong here: anything about molecules or models (see `model_zoo`), HTTP (see `serving`).
Importing this package imports nothing: `aidrug plan` must answer without Dagster.
"""
