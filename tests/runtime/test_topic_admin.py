"""The topic map against a real broker."""

import asyncio

import pytest

from domain.errors import Invalid, Unavailable
from runtime.selfcheck import Finding, demand_fit, topic_findings
from runtime.settings import Profile, Settings
from runtime.topic_admin import apply_topics, plan_topics
from runtime.topic_plan import ChangeKind
from runtime.topics import TopicMap, topic_map
from titan.servers import Endpoints
from titan.servers.ports import LOOPBACK, free_port

pytestmark = pytest.mark.real

OPENINGS = [topic for topic in topic_map().topics if topic.name.startswith("account.open")]
SMALL = topic_map().model_copy(update={"topics": OPENINGS})
NAME = SMALL.topics[0].name


def with_config(topics: TopicMap, **config: str) -> TopicMap:
    named = {name.replace("_", "."): value for name, value in config.items()}
    changed = [topic.model_copy(update={"config": named}) for topic in topics.topics]
    return topics.model_copy(update={"topics": changed})


async def test_applied_once_everything_is_there_and_again_nothing_is_done(
    endpoints: Endpoints, topic_prefix: str
) -> None:
    bootstrap = endpoints.kafka_bootstrap
    first = await apply_topics(bootstrap, SMALL, prefix=topic_prefix)
    assert {change.kind for change in first} == {ChangeKind.CREATE}
    assert f"{topic_prefix}{NAME}.account-opening.dlq" in {change.topic for change in first}
    assert await plan_topics(bootstrap, SMALL, prefix=topic_prefix) == []
    assert await apply_topics(bootstrap, SMALL, prefix=topic_prefix) == []


async def test_two_who_apply_at_once_both_succeed(endpoints: Endpoints, topic_prefix: str) -> None:
    bootstrap = endpoints.kafka_bootstrap
    await asyncio.gather(*(apply_topics(bootstrap, SMALL, prefix=topic_prefix) for _ in range(3)))
    assert await plan_topics(bootstrap, SMALL, prefix=topic_prefix) == []


async def test_a_changed_setting_is_altered_and_the_rest_stays(
    endpoints: Endpoints, topic_prefix: str
) -> None:
    bootstrap = endpoints.kafka_bootstrap
    await apply_topics(bootstrap, with_config(SMALL, flush_ms="9"), prefix=topic_prefix)
    changed = with_config(SMALL, retention_ms="7200000")
    changes = await apply_topics(bootstrap, changed, prefix=topic_prefix)
    assert {change.kind for change in changes} == {ChangeKind.ALTER}
    assert await plan_topics(bootstrap, changed, prefix=topic_prefix) == []
    # The map no longer names flush.ms, so it is somebody else's business now, and kept.
    both = with_config(SMALL, retention_ms="7200000", flush_ms="9")
    assert await plan_topics(bootstrap, both, prefix=topic_prefix) == []


async def test_a_setting_that_the_broker_refuses_is_told(
    endpoints: Endpoints, topic_prefix: str
) -> None:
    with pytest.raises(Invalid, match="the broker refused"):
        await apply_topics(
            endpoints.kafka_bootstrap,
            with_config(SMALL, retention_ms="soon"),
            prefix=topic_prefix,
        )


async def test_partitions_stay_and_topics_of_others_are_left_alone(
    endpoints: Endpoints, topic_prefix: str
) -> None:
    bootstrap = endpoints.kafka_bootstrap
    narrow = SMALL.topics[0].model_copy(update={"partitions": 1, "consumers": []})
    other = SMALL.topics[0].model_copy(update={"name": "somebody.else.v1", "consumers": []})
    await apply_topics(
        bootstrap, SMALL.model_copy(update={"topics": [narrow, other]}), prefix=topic_prefix
    )
    for _ in range(2):
        changes = await apply_topics(bootstrap, SMALL, prefix=topic_prefix)
        kinds = {change.topic: change.kind for change in changes if not change.config}
        assert kinds == {
            topic_prefix + NAME: ChangeKind.REFUSED,
            f"{topic_prefix}somebody.else.v1": ChangeKind.EXTRA,
        }


async def test_a_process_refuses_to_start_on_topics_that_are_missing_or_other(
    endpoints: Endpoints, topic_prefix: str
) -> None:
    settings = Settings(topic_prefix=topic_prefix)
    bootstrap = endpoints.kafka_bootstrap

    async def findings() -> list[Finding]:
        return await topic_findings(bootstrap, SMALL, settings=settings, only=[NAME])

    with pytest.raises(Invalid, match=f"topic {topic_prefix}{NAME} is missing"):
        demand_fit(await findings())
    await apply_topics(bootstrap, SMALL, prefix=topic_prefix)
    [said] = demand_fit(await findings())
    assert said.startswith("demo: topics have one replica")


async def test_production_refuses_a_single_replica(endpoints: Endpoints, topic_prefix: str) -> None:
    settings = Settings(topic_prefix=topic_prefix, profile=Profile.PRODUCTION)
    await apply_topics(endpoints.kafka_bootstrap, SMALL, prefix=topic_prefix)
    findings = await topic_findings(endpoints.kafka_bootstrap, SMALL, settings=settings)
    with pytest.raises(Invalid, match=r"has 1 replicas, the map demands 3.*min\.insync\.replicas"):
        demand_fit(findings)


async def test_a_broker_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await plan_topics(f"{LOOPBACK}:{free_port()}", SMALL)
