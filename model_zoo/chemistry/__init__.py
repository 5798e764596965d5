"""Molecules: reading them, bringing them to one form, alerts, similarity.

Belongs here: what is true of a molecule, whoever measured or predicts it.
Does not belong here: features for models (see `featurizers/`), versions of these rules (see `policies/`).
"""
