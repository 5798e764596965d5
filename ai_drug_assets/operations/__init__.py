"""What an installation needs beside training: backup, maintenance, data, rollback, screens.

Belongs here: the work of one command or one nightly job.
Does not belong here: making what is stale (see `execution/`), arguments and output (see `cli/`).
"""
