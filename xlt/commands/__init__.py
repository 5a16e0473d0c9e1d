"""Groups of commands; see xlt.cli."""
