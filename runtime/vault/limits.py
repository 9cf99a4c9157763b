"""Limits of the vault: each with its unit, its meaning, and what depends on it."""

from typing import Final

# -- The vault ------------------------------------------------------------------------------
KEY_S_MAX: Final = 300.0
"""A person's data key is kept in memory no longer, whatever happens."""

KEYS_MAX: Final = 10_000
"""Data keys that one process keeps: some 10 MB. The one used least recently goes first."""

EPOCH_S: Final = 1.0
"""While keys are in use, the store is asked so often whether one was destroyed or replaced."""

EPOCH_WAIT_S_MAX: Final = 0.5
"""That question waits no longer; without an answer the keys in memory serve until they are old."""

EPOCH_REST_S: Final = 5.0
"""A store that did not answer it is not asked again for so long."""

MESSAGES_RESERVED: Final = 1_024
"""Messages under a key that a process reserves at once, so that none of them goes uncounted."""

MESSAGES_ALARM: Final = 2**28
"""From so many messages on a key gets a successor. SP 800-38D ends at 2**32 (random nonces)."""

CREATE_ATTEMPTS_MAX: Final = 3
"""Rounds of making a person's key and reading it back; more mean that the store is not sane."""

HOUSE_COUNT_S: Final = 60.0
"""So often a process writes down how much it has sealed under the house's key."""

HOUSE_COUNT_S_MAX: Final = 1.0
"""Writing that down takes no longer; else it is left to the next time."""

PROVIDER_S_MAX: Final = 5.0
"""A key provider answers by then, or counts as down."""

PROVIDER_CALLS_MAX: Final = 16
"""Questions to a remote key provider under way at once."""

REWRAP_ROWS: Final = 500
"""Data keys that are wrapped anew in one transaction."""

POOL_CONNECTIONS: Final = 2
"""Of the vault's own in a process: one who holds another must not wait for these."""
