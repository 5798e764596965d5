"""Fitted models as data: the formats that a bundle may hold.

Belongs here: loading and running what was fitted, without any training library.
Does not belong here: fitting (see `models/`, where every module is a recipe).
"""
