"""Limits on calls to the outside: each with its unit, its meaning, and what depends on it."""

from typing import Final

# -- Calls to the outside -----------------------------------------------------------------
RESOLVE_S_MAX: Final = 2.0
"""A name that is not resolved by then counts as unreachable."""

LOOKUPS_MAX: Final = 128
"""Names that one process looks up at once, each in a thread: far more than one client has hosts."""

TURN_S_MAX: Final = 1.0
"""A name waits so long for a thread; then its call is not made now, and nobody has failed."""

SILENT_REST_S: Final = 30.0
"""A name whose servers said nothing in time is unreachable for so long without being looked up."""

CONNECT_S_MAX: Final = 1.0
"""A TCP connection to the outside takes no longer."""

READ_S_MAX: Final = 5.0
"""An endpoint that is silent for so long has timed out."""

TOTAL_S_MAX: Final = 10.0
"""A whole call takes no longer: names, connection, request and answer."""

REPLY_BYTES_MAX: Final = 64 * 1024
"""Of a reply's body so much is read; the status counts all the same."""

REPLY_HEAD_BYTES_MAX: Final = 16 * 1024
"""A longer head of a reply is no HTTP."""

ANSWER_BYTES_MAX: Final = 512 * 1024
"""An answer that has not ended after so many, chunks and trailers included, is no HTTP."""

IDLE_S_MAX: Final = 5.0
"""A connection that nobody uses for so long is closed."""

IDLE_CONNECTIONS_MAX: Final = 256
"""Connections that one process keeps open for the next call."""
