"""Measurements: sources, units, curation, splits, and the snapshot that comes of them.

Belongs here: all between a file of measurements and the rows that models learn from and are scored on.
Does not belong here: the YAML that asks for it (see `config/`), features (see `features/`).
"""
