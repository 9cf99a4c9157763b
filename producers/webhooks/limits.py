"""What one client may ask of webhooks."""

from typing import Final

# -- Webhooks, of one client --------------------------------------------------------------
ENDPOINTS_MAX: Final = 50
"""Endpoints of one client."""

RATE_PER_S_MAX: Final = 10_000
"""The highest rate that an endpoint may ask for."""

OVERLAP_S_DEFAULT: Final = 86_400
"""After a rotation the old secret signs beside the new one for so long, if nobody says."""

OVERLAP_S_MAX: Final = 7 * 86_400
"""Longest time for which two secrets sign."""

SECRETS_MAX: Final = 2
"""Secrets of one endpoint that hold at once."""

TESTS_PER_MINUTE_MAX: Final = 10
"""Test events of one client."""

RETRY_PAUSE_S: Final = 5
"""One delivery is retried by hand this often at most."""

REPLAYS_RUNNING_MAX: Final = 2
"""Replays of one client that run at once."""

KEPT_DAYS: Final = 90
"""What was told is kept for so long, and can be told again."""
