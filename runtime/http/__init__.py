"""What every edge shares: strict reading, problems, idempotency keys, the caller, the app."""
