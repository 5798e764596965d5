"""Molecules: reading them, bringing them to one form, alerts, similarity.

Belongs here: what is true of a molecule, independent of measurements and models.
Does not belong here: features for models (see `featurizers/`), versions of these rules (see `policies/`).
"""
