"""Backbones, task layers, vocabulary trimming and exact decoding."""
