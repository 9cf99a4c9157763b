"""How much of a processor strangers' passwords may take: a bucket of seconds of hashing.

Niceness does not hold across sessions or containers, where the kernel shares by group; this does.
Time is counted as it passes on the wall: on a busy machine a hash takes longer, and so does the
rest after it, which leaves the processor to others just when they need it.
"""

from producers.auth import limits
from runtime.clock import Clock


class HashAllowance:
    """`share` of one processor in the long run, and HASH_BURST_S at once."""

    def __init__(self, share: float, *, clock: Clock) -> None:
        self._share = share
        self._clock = clock
        self._left_s = limits.HASH_BURST_S
        self._filled_s = clock.monotonic_s()

    def spend(self, took_s: float) -> float:
        """Count a hash; how long to rest until there is something left again, 0 if there is."""
        now_s = self._clock.monotonic_s()
        self._left_s += (now_s - self._filled_s) * self._share
        self._left_s = min(self._left_s, limits.HASH_BURST_S) - took_s
        self._filled_s = now_s
        return max(0.0, -self._left_s / self._share)
