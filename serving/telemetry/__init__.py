"""Logs, traces and the access log.

Belongs here: what is reported of requests, around the whole application.
Does not belong here: the counters themselves (see `metrics.py`), the prediction log (see
`inference/prediction_logger.py`).
"""
