"""The parts of the featurizer `minimol`."""
