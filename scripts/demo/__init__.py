"""`make demo`: one transfer from start to end, with nothing but what is in the package."""
