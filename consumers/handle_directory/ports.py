"""What the handle directory needs from outside."""

from collections.abc import Sequence
from typing import Protocol

from consumers.handle_directory.decide import Facts, Outcome, Request
from runtime.unit import Unit


class Directory(Protocol):
    """The directory of handles, within a unit."""

    async def read(self, unit: Unit, requests: Sequence[Request]) -> Facts:
        """What stands of all that these requests name; handles stay locked until the unit ends."""
        ...

    async def write(self, unit: Unit, facts: Facts, outcomes: Sequence[Outcome]) -> None:
        """Let the directory stand as these outcomes of the batch say; `facts` are what was read.

        Raises Unavailable if another unit claimed a handle that was not there to be locked.
        """
        ...
