"""xlt: transfer NLP models from languages with labels to languages without.

Importing this package is cheap: torch, transformers and datasets are imported by the modules
that use them, when they are used.
"""

__version__ = "0.1.0"
"""The one place where the version stands; the metadata take it from here."""
