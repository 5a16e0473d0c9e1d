"""The one type for a text with annotation; everything else in xlt may import it."""
