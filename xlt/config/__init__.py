"""The one YAML a user writes: `schema` says what may stand in it, `load` reads it."""
