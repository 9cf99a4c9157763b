"""Floor 5: the stages, one folder each; they meet on topics, never by import."""
