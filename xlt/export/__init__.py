"""A trained model made smaller for use: fewer subwords, 8-bit weights, other file formats."""
