"""What came out, as pages to look at: the errors of a run, several runs side by side."""
