"""Strategies: each turns a config into the list of stages that train one target's model."""
