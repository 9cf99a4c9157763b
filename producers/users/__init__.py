"""Users: what people tell of themselves, how they prove it, and who looks after that."""
