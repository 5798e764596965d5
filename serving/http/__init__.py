"""What HTTP is made of: bodies, headers, problems, limits.

Belongs here: forms that several handlers share.
Does not belong here: handlers (see `api/`, `page/`), who may ask (see `auth/`).
"""
