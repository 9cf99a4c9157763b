"""Sights of handles in this process: the few that are asked for all the time.

They are dropped by the changes that the tail brings, count only while the tail is fresh, and end
by themselves soon: should an event ever be lost, its harm ends too.
"""

from collections import OrderedDict

from producers.handles.cached import Freshness
from producers.handles.sight import Sight
from runtime import limits
from runtime.clock import Clock


class NearSights:
    """A bounded number of sights, of which the one longest unused goes first."""

    def __init__(self, size_max: int, *, clock: Clock) -> None:
        self._size_max = size_max
        self._clock = clock
        self._sights: OrderedDict[str, tuple[Sight, float]] = OrderedDict()
        self._tail: Freshness | None = None

    def follow(self, tail: Freshness) -> None:
        """Believe what is here only while this tail is fresh."""
        self._tail = tail

    def get(self, handle: str) -> Sight | None:
        """The sight, if there is one that can be believed just now."""
        found = self._sights.get(handle)
        if found is None or self._tail is None or not self._tail.is_fresh:
            return None
        sight, until_s = found
        if self._clock.monotonic_s() >= until_s:
            del self._sights[handle]
            return None
        self._sights.move_to_end(handle)
        return sight

    def put(self, handle: str, sight: Sight) -> None:
        """Keep a sight that no change has overtaken."""
        until_s = self._clock.monotonic_s() + self._clock.jitter(limits.NEAR_SIGHT_S)
        self._sights[handle] = (sight, until_s)
        if len(self._sights) > self._size_max:
            self._sights.popitem(last=False)

    def forget(self, handle: str) -> None:
        """Drop what a change has overtaken."""
        self._sights.pop(handle, None)

    def clear(self) -> None:
        """Drop everything: changes may have been missed."""
        self._sights.clear()
