"""Word alignment behind one interface: see `base.Aligner`."""
