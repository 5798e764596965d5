"""Who serves an endpoint: criteria, ranking, election.

Belongs here: comparing candidates that were scored on the same folds.
Does not belong here: a challenger in use (see `monitoring/`).
"""
