"""Data cards: one YAML a data set, read by xlt.data.cards."""
