"""The JSON interface: handlers, each a few lines between HTTP and the engine.

Belongs here: handlers. Nothing but the application imports them.
Does not belong here: what two of them share (see `inference/`, `champions/`, `http/`).
"""
