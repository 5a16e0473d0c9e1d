"""From files and cards to records, and from records to batches."""
