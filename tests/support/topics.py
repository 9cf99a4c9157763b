"""Topics of tests that are over."""

import asyncio
import contextlib

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

_AT_ONCE_MS = 1
_TIDYING_S_MAX = 10.0


async def drop_topics(bootstrap: str, prefix: str) -> None:
    """Have the broker delete every topic with this prefix, and do not wait for it.

    A broker that keeps thousands of partitions of tests that are over is slow to all others: a
    client without an assignment asks for all of them. One that is too busy to answer keeps these:
    no test is wrong for that.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_TIDYING_S_MAX):
                await admin.start()
                names = [name for name in await admin.list_topics() if name.startswith(prefix)]
                if names:
                    await admin.delete_topics(names, timeout_ms=_AT_ONCE_MS)
    finally:
        await admin.close()
