"""The feed: what became of a client's payments, handles and accounts, to be pulled (port 8010)."""
