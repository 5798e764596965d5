"""Features of many molecules: rows on disk, and blocks that several models share.

Belongs here: keeping and finding what featurizers computed.
Does not belong here: computing it (see `featurizers/`, where every module is a featurizer).
"""
