"""A table whose rows tests wait for, in memory."""

from collections.abc import Callable, Mapping, Sequence

CHANNEL = "tests_changed"
NEVER_S = 3600.0
LONG_S = 10.0


class Table:
    """Values by key, and each query that was made for them."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.queries: list[set[str]] = []
        self.failure: Exception | None = None

    async def load(self, keys: Sequence[str]) -> Mapping[str, int]:
        self.queries.append(set(keys))
        if self.failure is not None:
            raise self.failure
        return {key: self.values[key] for key in keys if key in self.values}


def at_least(wanted: int) -> Callable[[int], bool]:
    return lambda value: value >= wanted
