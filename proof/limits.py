"""The limits of a proof: each with its unit and its meaning."""

from typing import Final

AGE_S_DEFAULT: Final = 60.0
"""A payment that was accepted longer ago than this must have ended."""

ADMIN_S_MAX: Final = 60.0
"""Asking the broker for offsets and settings takes no longer."""

FETCH_WAIT_MS: Final = 500
"""How long the broker may keep a fetch that has nothing to give."""

FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes of one fetch: they are in memory at once."""

SILENCE_S_MAX: Final = 30.0
"""Records that are known to lie there and do not come for this long: the broker is away."""

CONNECT_S_MAX: Final = 10.0
"""Opening a connection to the database takes no longer."""

COPY_S_MAX: Final = 1_800.0
"""Reading one table takes no longer."""

SUM_S_MAX: Final = 1_800.0
"""Adding up the ledger takes no longer."""

LOOKUP_ROWS_MAX: Final = 1_000
"""Ids asked for in one query."""

CHUNK_BYTES: Final = 16 * 1024
"""Rows gathered in memory before they are spilled to the temporary file."""

EXAMPLES_MAX: Final = 5
"""Faults of one check that are told in words; all are counted."""

OPEN_PAYMENTS_MAX: Final = 100_000
"""Unfinished payments that a report names; with more it cannot be continued by --since."""

SKEW_S: Final = 60.0
"""Clocks of Titan's processes, and the time from deciding to committing, differ by less."""

RETENTION_SLACK_S: Final = 86_400.0
"""Around the edge of a topic's retention, what may be gone by now is not missed."""
