"""What a served model does in use: its record of predictions and measured values, and what follows from it.

Belongs here: the record's file (`record.py`), and drift, live accuracy and the verdict on a challenger (`review.py`).
Does not belong here: answering requests (see `serving`), the asset that shows a review (see `ai_drug_assets`).
"""
