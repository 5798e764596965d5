"""Batch jobs: many molecules at once, answered later, kept over a restart.

Belongs here: everything between an upload and its result. `api.py` speaks HTTP, `intake.py` brings an upload to
disk, `reading.py` reads it (see `model_zoo/data/tables/`), `database.py` and `folder.py` keep it, `runner.py` predicts
it,
`writing.py` and `parquet.py` write the result, `retention.py` deletes it.
Does not belong here: predicting (the same predictor answers requests and jobs, see `model_zoo/inference/predictor.py`).
"""
