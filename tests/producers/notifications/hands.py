"""A clock whose hands the test moves."""

from datetime import datetime, timedelta

from tests.support.memory_stage import NOW, FixedClock


class Hands(FixedClock):
    """Both clocks stand where the test puts them."""

    def __init__(self, now: datetime = NOW) -> None:
        super().__init__(now)
        self.seconds = 1_000.0

    def monotonic_s(self) -> float:
        return self.seconds

    def pass_s(self, seconds: float) -> None:
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)
