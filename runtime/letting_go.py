"""Letting go of the broker: a consumer's end, also while the broker is away.

The library cancels its fetches and awaits them. One that met a broker that is away sleeps, and
its cancellation comes out of `stop` as if whoever stops it had been cancelled: a task that nobody
wanted to end would end, without a word, and the connections would stay open. And where it awaits
its own tasks, the library forgets a cancellation that was meant for whoever stops it.
"""

import asyncio
from typing import Any, Final

_STOP_S_MAX: Final = 10.0


async def stop_consumer(consumer: Any) -> None:  # noqa: ANN401 - aiokafka has no types
    """Stop a consumer. May be repeated; is cancelled only if its caller is.

    What the library cannot end within _STOP_S_MAX is cut off.
    """
    caller = asyncio.current_task()
    assert caller is not None
    cancelled_before = caller.cancelling()
    try:
        async with asyncio.timeout(_STOP_S_MAX):
            await consumer.stop()
    except (asyncio.CancelledError, TimeoutError):
        # What `stop` does last, and did not come to; the fetches end by it.
        await consumer._client.close()  # noqa: SLF001
    if caller.cancelling() > cancelled_before:
        raise asyncio.CancelledError
