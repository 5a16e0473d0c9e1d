"""The data cards of published data sets, from tables of their files."""
