"""Kill something, and wait until the supervisor has it back."""

from functools import partial

from tests.support.waiting import eventually
from titan.chaos.target import RECOVERY_S_MAX, Target
from titan.supervisor import Child


async def kill_child(storm: Target, child: Child) -> None:
    await storm.kill_child(child)
    await eventually(partial(storm.is_up, child), RECOVERY_S_MAX)


async def kill_server(storm: Target, name: str) -> None:
    heard = len(storm.said)
    await storm.kill_server(name)

    def is_back() -> bool:
        return any(line.startswith(f"{name} is back") for line in storm.said[heard:])

    await eventually(is_back, RECOVERY_S_MAX)
