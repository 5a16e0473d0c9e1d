"""YAML that says where each value was written: read, written, and its mistakes explained."""
