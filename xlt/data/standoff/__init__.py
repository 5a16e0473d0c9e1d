"""Formats of annotation tools: spans by the characters of a text, whatever task they are for."""
