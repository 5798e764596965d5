"""Files in a folder or in S3, for the service and the pipeline: named files, and the bundle store in S3.

Belongs here: whatever speaks to S3, each thing once.
Does not belong here: the bundle store in a folder, which the pure core needs (see `model_zoo/bundles/store.py`).
"""
