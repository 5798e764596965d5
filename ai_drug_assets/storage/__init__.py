"""Files in a folder or in S3, and databases.

Belongs here: what is true of any file or database.
Does not belong here: what is in them.
"""
