"""Models of equal shape made into one by arithmetic on their weights."""
