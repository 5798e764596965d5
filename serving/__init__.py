"""The inference service: predictions over HTTP, and a page for the chemist.

Belongs here: the Litestar application, the page, following the pointer to the current bundles, the
bundle store in S3.
Does not belong here: Dagster, MLflow, DVC, training libraries (the linter refuses them), and anything
that could run without a server (see `model_zoo`).
"""
