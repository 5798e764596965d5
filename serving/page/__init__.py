"""The page for chemists: what it shows, in which words and pictures.

Belongs here: handlers that answer HTML, and what they print (mark-up is in `page/templates/`, style and scripts in
`page/static/`).
Does not belong here: predicting, the JSON interface (see `serving/api/handlers.py`).
"""
