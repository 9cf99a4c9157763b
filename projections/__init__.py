"""Floor 4: read models, one file a table: a fold of events into rows, and the reads."""
