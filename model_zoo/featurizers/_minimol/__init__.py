"""The parts of the featurizer `minimol`: a molecule as the network's inputs, and the network."""
