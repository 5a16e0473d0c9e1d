"""Alignment and projection against gold: see `__main__`."""
