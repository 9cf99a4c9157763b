"""Floor 5: every edge that puts a first event on a topic; one folder each."""
