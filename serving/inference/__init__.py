"""From a text to an answer: the engine and its parts.

Belongs here: all that handlers, pages and jobs share when they answer.
Does not belong here: handlers (see `api/`, `page/`): nothing but the application imports them.
"""
