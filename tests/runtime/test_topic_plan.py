from dataclasses import replace

import pytest

from runtime.settings import Profile
from runtime.topic_plan import (
    Change,
    ChangeKind,
    FoundTopic,
    WantedTopic,
    differences,
    wanted_topics,
)
from runtime.topics import DEAD_LETTER_PARTITIONS, topic_map

PREFIX = "here-"
WANTED = WantedTopic(
    name="here-payment.posted.v1",
    partitions=12,
    replicas=1,
    config={"retention.ms": "1000", "cleanup.policy": "delete"},
)
FOUND = FoundTopic(
    name=WANTED.name,
    partitions=12,
    replicas=1,
    config={"retention.ms": "1000", "cleanup.policy": "delete", "flush.ms": "7"},
    own=frozenset({"retention.ms"}),
)


def diff(*found: FoundTopic) -> list[Change]:
    return differences([WANTED], found, prefix=PREFIX)


def test_a_broker_that_is_as_the_map_says_needs_nothing() -> None:
    assert diff(FOUND) == []


def test_a_missing_topic_is_created_with_its_settings() -> None:
    [change] = diff()
    assert change.kind is ChangeKind.CREATE
    assert change.config == WANTED.config


def test_a_setting_that_differs_is_altered_and_what_others_set_is_kept() -> None:
    config = {**FOUND.config, "retention.ms": "5"}
    [change] = diff(replace(FOUND, config=config, own=frozenset({"retention.ms", "flush.ms"})))
    assert change.kind is ChangeKind.ALTER
    assert change.detail == "retention.ms: 5 -> 1000"
    assert change.config == {**WANTED.config, "flush.ms": "7"}


@pytest.mark.parametrize("partitions", [11, 13])
def test_partitions_of_a_keyed_topic_are_never_changed(partitions: int) -> None:
    [change] = diff(replace(FOUND, partitions=partitions))
    assert change.kind is ChangeKind.REFUSED
    assert f"has {partitions} partitions, the map says 12" in change.detail


def test_too_few_replicas_are_refused_and_more_are_welcome() -> None:
    assert diff(replace(FOUND, replicas=3)) == []
    [change] = differences([replace(WANTED, replicas=3)], [FOUND], prefix=PREFIX)
    assert change.kind is ChangeKind.REFUSED


def test_only_topics_of_this_deployment_can_be_extra() -> None:
    others = [replace(FOUND, name=name) for name in ("there-x", "__consumer_offsets", "here-old")]
    assert [(change.kind, change.topic) for change in diff(FOUND, *others)] == [
        (ChangeKind.EXTRA, "here-old")
    ]


def test_without_a_prefix_the_brokers_own_topics_are_not_extra() -> None:
    own = replace(FOUND, name="__consumer_offsets")
    assert differences([WANTED], [FOUND, own], prefix="") == []


def test_each_reader_of_a_topic_has_a_dead_letter_of_one_partition_that_is_kept_longer() -> None:
    wanted = {
        topic.name: topic
        for topic in wanted_topics(topic_map(), prefix=PREFIX, profile=Profile.DEMO)
    }
    topic = wanted["here-payment.requested.v1"]
    for group in ("handle-resolution", "payment-projection"):
        letter = wanted[f"here-payment.requested.v1.{group}.dlq"]
        assert letter.partitions == DEAD_LETTER_PARTITIONS
        assert int(letter.config["retention.ms"]) > int(topic.config["retention.ms"])


def test_production_demands_replicas_in_sync_and_the_demo_has_one_node() -> None:
    production = wanted_topics(topic_map(), prefix="", profile=Profile.PRODUCTION)
    demo = wanted_topics(topic_map(), prefix="", profile=Profile.DEMO)
    assert {topic.replicas for topic in production} == {3}
    assert {topic.config["min.insync.replicas"] for topic in production} == {"2"}
    assert {topic.config["unclean.leader.election.enable"] for topic in production} == {"false"}
    assert {topic.replicas for topic in demo} == {1}
    assert all("min.insync.replicas" not in topic.config for topic in demo)


def test_ages_are_measured_from_the_append() -> None:
    wanted = wanted_topics(topic_map(), prefix="", profile=Profile.DEMO)
    assert {topic.config["message.timestamp.type"] for topic in wanted} == {"LogAppendTime"}
