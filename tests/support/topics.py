"""Topics of tests that are over."""

from aiokafka.admin import AIOKafkaAdminClient

_AT_ONCE_MS = 1


async def drop_topics(bootstrap: str, prefix: str) -> None:
    """Have the broker delete every topic with this prefix, and do not wait for it.

    A broker that keeps thousands of partitions of tests that are over is slow to all others: a
    client without an assignment asks for all of them.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if names:
            await admin.delete_topics(names, timeout_ms=_AT_ONCE_MS)
    finally:
        await admin.close()
