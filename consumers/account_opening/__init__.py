"""Open accounts in the ledger."""
