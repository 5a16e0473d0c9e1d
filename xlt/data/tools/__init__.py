"""Formats of annotation tools: spans by the characters of a text (stand-off), for any task."""
