"""Limits of notifications, each with its unit and meaning."""

from typing import Final

DEVICES_MAX: Final = 20
"""Devices of one person; the one that came first makes room."""

TOKEN_CHARACTERS_MAX: Final = 4_096
"""Of a device's token."""

UNREAD_MAX: Final = 999
"""Unread notifications are counted up to this."""

SEEN_ROWS_MAX: Final = 200
"""Notifications that a stream sends at once."""

CLAIM_ROWS_MAX: Final = 32
"""Deliveries of one channel that one process works on at once."""

CLAIM_S: Final = 60.0
"""A process that has not said by then what became of a delivery is taken for dead."""

POLL_S: Final = 0.25
"""An idle channel looks this often for what is due."""

REST_S: Final = 1.0
"""A carrier that takes nothing is let alone for so long; doubles each time."""

REST_S_MAX: Final = 60.0
"""Longest such pause, but for one that the carrier asks for."""

SWEEP_S: Final = 5.0
"""Pause between two looks for what has expired."""

ENDED_DAYS: Final = 30
"""A delivery that has ended is kept so long, for whoever asks what became of it."""

KEPT_DAYS: Final = 180
"""A notification is in its inbox so long."""

SWEEP_ROWS_MAX: Final = 1_000
"""Rows that one look expires or deletes."""

SCHEDULE_S: Final = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0)
"""Pauses after a first, second ... try that failed; the last one is repeated until it expires."""
