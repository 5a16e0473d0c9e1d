"""Labels carried through translation: each with a confidence, or lost for a stated reason."""
