"""The families of RDKit's 2D descriptors, each computed from intermediates that are made once per molecule.

Belongs here: one module per family, equal to RDKit's own Python code to the last bit.
Does not belong here: which families make up a feature matrix (see `model_zoo.featurizers.rdkit_descriptors`).
"""
