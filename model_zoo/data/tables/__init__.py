"""Tables in files: what a file is, and its rows as they came, whatever its format.

Belongs here: guessing a file's format, encoding, delimiter and columns, and reading CSV, TSV, SMILES, SDF, XLSX and
Parquet, packed or not: for training, for uploads, for commands.
Does not belong here: what a column means (see `data/assays/`), judging a row (see `curation.py`).
"""
