"""Limits of streams of events, each with its unit and meaning."""

from typing import Final

# -- Streams of events ----------------------------------------------------------------------
STREAM_HEARTBEAT_S: Final = 15.0
"""A stream that is silent this long gets a comment, so that nothing on the way cuts it."""

STREAM_S_MAX: Final = 600.0
"""A stream ends after this long; the client comes back with Last-Event-ID."""

STREAM_ASK_S: Final = 0.5
"""A stream asks this often whether its caller is still let in, and ends if not."""

STREAMS_MAX: Final = 500
"""Streams that one edge process serves at once (503 beyond)."""

STREAMS_OF_CLIENT_MAX: Final = 50
"""Of these one client may hold so many (429 beyond): a program may follow a payment with each."""

STREAMS_RETRY_AFTER_S: Final = 5
"""What Retry-After says to a client that holds too many streams."""
