"""How much the pool does at once, and how long it waits."""

from typing import Final

# -- Delivering webhooks ------------------------------------------------------------------
IN_FLIGHT_MAX: Final = 512
"""Attempts that one process makes at once."""

ENDPOINT_IN_FLIGHT_MAX: Final = 32
"""Attempts that one process makes at one endpoint at once: a slow one holds up no other."""

CLIENT_IN_FLIGHT_MAX: Final = IN_FLIGHT_MAX // 4
"""Attempts that one process makes for one client at once, however many endpoints it has."""

ENDPOINTS_CLAIMED_MAX: Final = 64
"""Endpoints that one claim serves, those first that were served longest ago."""

LEASE_S: Final = 15
"""A claimed delivery is nobody else's for so long: more than an attempt takes."""

POLL_S: Final = 0.1
"""An idle process looks this often for what is due."""

GATHER_S: Final = 0.005
"""What ends within so short a time is written down together."""

RECORD_ATTEMPTS_MAX: Final = 500
"""Attempts that are written down together."""

REST_S: Final = 0.5
"""Pause while the database is away, with jitter."""

REPLY_KEPT_BYTES: Final = 1_024
"""Of a reply so much is kept, for the endpoint's owner."""

UPKEEP_S: Final = 0.25
"""Between two rounds of upkeep."""

REPLAY_EVENTS: Final = 50
"""Events that one round of a replay plans again: 200 a second."""

REPLAY_WAITING_MAX: Final = 1_000
"""A replay pauses while so many deliveries of its endpoint are due."""

RELEASE_S: Final = 2.0
"""Between two looks at all that waits for its turn."""

SET_ASIDE_DELIVERIES: Final = 5_000
"""Deliveries of disabled endpoints that one round sets aside."""

RETENTION_S: Final = 60.0
"""Between two rounds of forgetting what is too old."""

RETENTION_ROWS: Final = 5_000
"""Rows of each kind that one round forgets."""

KEPT_DAYS: Final = 90
"""What was told is kept for so long."""

STRAY_DAYS: Final = 1
"""An event whose owner does not become known for so long has none."""

SIGNERS_MAX: Final = 10_000
"""Opened secrets that one process remembers, and as many opened URLs."""
