"""Gives the stage that freezes accounts something to decide."""

from random import Random
from uuid import UUID

from runtime.clock import SystemClock
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from schemas.account import AccountFreezeRequested, FreezeReason
from tests.support.memory_stage import message_of

_PUBLISH_S_MAX = 20.0


async def ask_to_freeze(bootstrap: str, chance: Random) -> None:
    """Ask to freeze an account that nobody has: the answer is no, and harms nobody."""
    now = SystemClock().now()
    request_id, account_id = (UUID(int=chance.getrandbits(128), version=4) for _ in range(2))
    request = AccountFreezeRequested(
        request_id=request_id,
        requested_at=now,
        account_id=account_id,
        is_frozen=True,
        reason=FreezeReason.SETTLED,
        actor="matrix",
    )
    publisher = KafkaPublisher(bootstrap, prefix="", settings=Settings(), role="matrix")
    await publisher.start()
    try:
        await publisher.publish([message_of(request, now=now)], deadline_s=_PUBLISH_S_MAX)
    finally:
        await publisher.stop()
