"""The topic map and a real broker: compare them, and bring the broker to the map.

Creates and alters, never deletes, never adds partitions; done twice it does nothing. The rules
are in `runtime/topic_plan.py`. A broker that does not answer is Unavailable.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from domain.errors import Invalid, Unavailable
from runtime import limits
from runtime.settings import Profile
from runtime.topic_plan import (
    Change,
    ChangeKind,
    FoundTopic,
    WantedTopic,
    differences,
    wanted_topics,
)
from runtime.topics import TopicMap

_ALREADY_EXISTS: Final = 36
_SET_ON_TOPIC: Final = 1
"""A setting's source in Kafka's protocol: somebody set it on this very topic."""


async def plan_topics(
    bootstrap: str, topics: TopicMap, *, prefix: str = "", profile: Profile = Profile.DEMO
) -> list[Change]:
    """How the broker differs from the map; empty if it does not."""
    wanted = wanted_topics(topics, prefix=prefix, profile=profile)
    async with _admin(bootstrap) as admin:
        found = await _found(admin, prefix)
    return differences(wanted, found, prefix=prefix)


async def apply_topics(
    bootstrap: str, topics: TopicMap, *, prefix: str = "", profile: Profile = Profile.DEMO
) -> list[Change]:
    """Create and alter what the map says, then wait until the broker shows it.

    The answer lists all differences found, the refused and the extra ones as well: those are left
    as they are. Invalid if the broker refuses a setting, or stays as it was.
    """
    wanted = wanted_topics(topics, prefix=prefix, profile=profile)
    async with _admin(bootstrap) as admin:
        changes = differences(wanted, await _found(admin, prefix), prefix=prefix)
        births = {change.topic for change in changes if change.kind is ChangeKind.CREATE}
        await _create(admin, [topic for topic in wanted if topic.name in births])
        alterations = [change for change in changes if change.kind is ChangeKind.ALTER]
        await _alter(admin, {change.topic: change.config for change in alterations})
        if births or alterations:
            await _until_done(admin, wanted, prefix)
    return changes


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap,
        client_id="titan-topics",
        request_timeout_ms=limits.TOPIC_ADMIN_REQUEST_MS_MAX,
    )
    try:
        async with asyncio.timeout(limits.TOPIC_ADMIN_S_MAX):
            await client.start()
            yield client
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(
            f"Kafka at {bootstrap} does not answer ({type(error).__name__}): start it, or correct "
            "TITAN_KAFKA_BOOTSTRAP"
        ) from error
    finally:
        await client.close()


async def _found(admin: AIOKafkaAdminClient, prefix: str) -> list[FoundTopic]:
    # All topics, because asking for one by name would create it on a broker that does so.
    described = {
        topic["topic"]: topic["partitions"]
        for topic in await admin.describe_topics()
        if topic["topic"].startswith(prefix) and not topic["is_internal"]
    }
    if not described:
        return []
    [answer] = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in described]
    )
    found = []
    for resource in answer.to_object()["resources"]:
        name, entries = resource["resource_name"], resource["config_entries"]
        partitions = described[name]
        found.append(
            FoundTopic(
                name=name,
                partitions=len(partitions),
                replicas=min((len(each["replicas"]) for each in partitions), default=0),
                config={each["config_names"]: each["config_value"] for each in entries},
                is_led=all(each["leader"] >= 0 for each in partitions),
                own=frozenset(
                    each["config_names"]
                    for each in entries
                    if each["config_source"] == _SET_ON_TOPIC
                ),
            )
        )
    return found


async def _create(admin: AIOKafkaAdminClient, births: Sequence[WantedTopic]) -> None:
    if not births:
        return
    answer = await admin.create_topics(
        [
            NewTopic(topic.name, topic.partitions, topic.replicas, topic_configs=topic.config)
            for topic in births
        ]
    )
    # Two who apply at once both succeed: the other's topic is the same topic.
    _demand_success(answer.to_object()["topic_errors"], "topic", allowed={_ALREADY_EXISTS})


async def _alter(admin: AIOKafkaAdminClient, settings: Mapping[str, Mapping[str, str]]) -> None:
    if not settings:
        return
    [answer] = await admin.alter_configs(
        [
            ConfigResource(ConfigResourceType.TOPIC, name, dict(config))
            for name, config in settings.items()
        ]
    )
    _demand_success(answer.to_object()["resources"], "resource_name", allowed=set())


async def _until_done(
    admin: AIOKafkaAdminClient, wanted: Sequence[WantedTopic], prefix: str
) -> None:
    # The controller has answered, but a broker learns of it a moment later; a producer that comes
    # first would see an unknown topic.
    left: list[Change] = []
    try:
        async with asyncio.timeout(limits.TOPIC_READY_S_MAX):
            while True:
                found = await _found(admin, prefix)
                left = [
                    change
                    for change in differences(wanted, found, prefix=prefix)
                    if change.kind in {ChangeKind.CREATE, ChangeKind.ALTER}
                ]
                if not left and all(topic.is_led for topic in found):
                    return
                await asyncio.sleep(limits.TOPIC_READY_POLL_S)
    except TimeoutError:
        raise Invalid(
            "topics_not_applied",
            f"the broker took the change, but {len(left)} topics do not show it yet",
        ) from None


def _demand_success(answers: list[dict[str, Any]], name: str, *, allowed: set[int]) -> None:
    faults = [
        f"{answer[name]}: {answer['error_message'] or answer['error_code']}"
        for answer in answers
        if answer["error_code"] not in {0, *allowed}
    ]
    if faults:
        raise Invalid("topics_refused", f"the broker refused {'; '.join(faults)}")
