"""Hold payments against their payer's limits."""
