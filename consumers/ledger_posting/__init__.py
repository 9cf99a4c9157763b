"""Post screened payments to the ledger."""
