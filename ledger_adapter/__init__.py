"""Floor 3: the only door to the ledger. `ports` says what it is; `memory` and `postgres` are it."""
