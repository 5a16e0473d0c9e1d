"""`make demo`: transfers from start to end, with nothing but what is in the package."""
