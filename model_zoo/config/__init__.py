"""The YAML files under `configs/`: their schemas, and reading them.

Belongs here: what people write. Sections that change a trained model are defined beside the code that reads them, so
that a new key here retrains nothing.
"""
