"""Task plugins, imported as xlt.tasks: the only place where a task has a name."""
