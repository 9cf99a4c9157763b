"""A figure: what was measured, in which unit, what it should be, and what shared the machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. `target` is a bound: the lowest or highest value that is good enough.

    A value of None was not measured; the name then says why.
    """

    group: str
    name: str
    value: float | None
    unit: str
    target: float | None = None
    more_is_better: bool = False
    shared: str
    """What ran on the same machine while this was measured."""

    @property
    def meets_target(self) -> bool | None:
        """Whether the value is as good as the target; None without one."""
        if self.target is None or self.value is None:
            return None
        return self.value >= self.target if self.more_is_better else self.value <= self.target


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
