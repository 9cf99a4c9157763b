import pytest

from domain.errors import Invalid
from runtime import limits
from runtime.selfcheck import PINNED_SETTINGS, Finding, demand_fit, setting_findings
from runtime.settings import Profile, Settings
from runtime.topics import topic_map

DEMO = Settings()
PRODUCTION = Settings(profile=Profile.PRODUCTION, instance_id="posting-0")
OTHERS: dict[str, object] = {
    "producer_acks": "1",
    "producer_idempotence": False,
    "producer_request_timeout_ms": 40_000,
    "consumer_session_timeout_ms": 10_000,
    "consumer_heartbeat_interval_ms": 1_000,
    "consumer_rebalance_timeout_ms": 60_000,
    "consumer_auto_offset_reset": "latest",
}


def test_the_defaults_are_the_pinned_settings() -> None:
    assert setting_findings(DEMO, joins_group=True) == []
    assert setting_findings(PRODUCTION, joins_group=True) == []


def test_every_pinned_setting_is_tried() -> None:
    assert OTHERS.keys() == PINNED_SETTINGS.keys()


@pytest.mark.parametrize(("name", "value"), OTHERS.items())
def test_another_setting_is_said_in_a_demo_and_refused_in_production(
    name: str, value: object
) -> None:
    [said] = demand_fit(setting_findings(DEMO.model_copy(update={name: value}), joins_group=True))
    assert f"TITAN_{name.upper()} is {value}, pinned to {PINNED_SETTINGS[name]}" in said
    with pytest.raises(Invalid, match=f"TITAN_{name.upper()}"):
        demand_fit(setting_findings(PRODUCTION.model_copy(update={name: value}), joins_group=True))


def test_production_demands_a_stable_name_of_whoever_joins_a_group() -> None:
    nameless = PRODUCTION.model_copy(update={"instance_id": None})
    with pytest.raises(Invalid, match="TITAN_INSTANCE_ID"):
        demand_fit(setting_findings(nameless, joins_group=True))
    assert setting_findings(nameless, joins_group=False) == []


def test_all_fatal_findings_are_named_at_once_in_one_line() -> None:
    with pytest.raises(Invalid) as caught:
        demand_fit(
            [
                Finding("first", is_fatal=True),
                Finding("small", is_fatal=False),
                Finding("second", is_fatal=True),
            ]
        )
    assert caught.value.message == "first; second"


def test_the_waits_nest_so_that_a_rebalance_never_overtakes_a_batch() -> None:
    rebalance_s = DEMO.consumer_rebalance_timeout_ms / 1000
    assert limits.BATCH_S_MAX < limits.REVOKE_WAIT_S < rebalance_s
    assert limits.BATCH_S_MAX < limits.GRACEFUL_STOP_S
    assert limits.STAGE_PUBLISH_S_MAX <= limits.BATCH_S_MAX
    assert limits.DATABASE_COMMAND_S_MAX < limits.BATCH_S_MAX
    session_ms = DEMO.consumer_session_timeout_ms
    assert 3 * DEMO.consumer_heartbeat_interval_ms <= session_ms


def test_the_inbox_remembers_longer_than_any_topic_keeps() -> None:
    topics = topic_map()
    day_ms = 24 * 60 * 60 * 1000
    kept_ms = [
        int({**topics.defaults.config, **topic.config}["retention.ms"]) for topic in topics.topics
    ]
    letters_ms = int(topics.defaults.dead_letter["retention.ms"])
    assert max(*kept_ms, letters_ms) < limits.CHAIN_AGE_DAYS_MAX * day_ms
