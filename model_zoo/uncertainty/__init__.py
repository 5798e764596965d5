"""How far to trust a prediction: intervals, calibration, the applicability domain.

Belongs here: rules that are fitted on out-of-fold predictions, and their use.
Does not belong here: how they are explained to people (see `bundles/model_card.py`).
"""
