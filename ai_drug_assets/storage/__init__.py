"""Databases: SQLite in a file, PostgreSQL on a host.

Belongs here: what is true of any database.
Does not belong here: what is in it.
"""
