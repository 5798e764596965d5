"""Fitting models and scoring them: cross-validation, transfer, tuning.

Belongs here: what every recipe goes through.
Does not belong here: the recipes (see `models/`), metrics (see `metrics.py`), electing one (see `selection/`).
"""
