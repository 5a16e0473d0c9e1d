"""The measurements in the README: their configs, and the small encoders they start from."""
