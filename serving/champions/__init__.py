"""Which champions are served: the registry, and keeping it in step with the store.

Belongs here: what is in the pointer and what of it is loaded.
Does not belong here: predicting with champions (see `inference/`).
"""
