"""Members that join a consumer group and leave it again, and do no work."""

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from runtime.letting_go import stop_consumer
from runtime.topics import group_of, topic_map
from titan.chaos.target import HEARTBEAT_MS, SESSION_MS


async def haunt(stage: str, *, bootstrap: str, times: int, stay_s: float) -> int:
    """Join the stage's group and leave it, so often; how often that came about.

    Each visit makes the group hand its partitions round twice. A ghost reads nothing and commits
    nothing, so what it was given waits until it has gone.
    """
    group = group_of(stage)
    topics = [topic.name for topic in topic_map().of_group(group)]
    visits = 0
    for _ in range(times):
        ghost = AIOKafkaConsumer(
            *topics,
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=SESSION_MS * 10,
        )
        try:
            await ghost.start()
            await asyncio.sleep(stay_s)
            visits += 1
        except KafkaError:
            continue
        finally:
            await stop_consumer(ghost)
    return visits
