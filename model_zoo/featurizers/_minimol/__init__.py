"""The parts of the featurizer `minimol`.

Belongs here: a molecule as the network's inputs, and the network that its weights' package ships.
Does not belong here: the form of the feature matrix (see `model_zoo.featurizers.minimol`).
"""
