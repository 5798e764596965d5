"""The families of RDKit's 2D descriptors, each computed from intermediates that are made once per molecule."""
