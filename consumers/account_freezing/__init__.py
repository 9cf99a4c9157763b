"""Freeze accounts in the ledger, and let them go again."""
