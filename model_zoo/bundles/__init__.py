"""Bundles: what the service loads, from assembly to the store.

Belongs here: the bundle's files, its manifest and card, where bundles and the pointer to the current ones live.
Does not belong here: single parts of a bundle (see `fitted_models/`, `uncertainty/`, `explanation/`).
"""
