"""Machine translation behind one interface: see `base.Translator`."""
