"""What made something: digests of definitions, signatures, records.

Belongs here: which code, configuration, data and libraries can change what is made.
Does not belong here: what was made when (see `ai_drug_assets/planning/ledger.py`).
"""
