"""Limits on documents: each with its unit, its meaning, and what depends on it."""

from typing import Final

CONNECT_S_MAX: Final = 1.0
"""Opening a connection to the bucket of documents takes no longer."""

READ_S_MAX: Final = 5.0
"""The bucket says something within so long."""

BODY_S_MAX: Final = 60.0
"""A document that has not arrived whole by then is given up (408)."""

UPLOADS_MAX: Final = 8
"""Documents that one process receives and reads at once, one of a person: each is in memory."""

UPLOAD_RETRY_AFTER_S: Final = 5
"""What Retry-After says to who sends a document while another of theirs arrives (429)."""

WORKERS_MAX: Final = 2
"""Processes that clean documents at once, each on a core and with memory of its own."""

TURN_S_MAX: Final = 15.0
"""A document waits so long for its turn to be cleaned (503)."""

CLEAN_S_MAX: Final = 20.0
"""Cleaning one takes no longer; past it the document counts as too complex."""

CLEAN_CPU_S_MAX: Final = 10
"""Seconds of a core that it takes, at most."""

CLEAN_BYTES_MAX: Final = 1024 * 1024 * 1024
"""Address space of the process that cleans one: the largest image takes a third of it."""

LINK_S: Final = 60
"""A reviewer's link to a document is good for so long."""
