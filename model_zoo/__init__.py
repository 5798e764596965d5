"""Pure Python core: molecules, curation, splits, featurizers, models, signatures, bundles.

Belongs here: everything that could run in a notebook or a test without a server.
Does not belong here: Dagster, MLflow, Litestar or boto3 (the linter refuses them).
"""
