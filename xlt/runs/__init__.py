"""Run directories: what was asked, what ran, what came out."""
