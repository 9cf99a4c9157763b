from domain.payment import TRANSITIONS
from runtime.topics import topic_map
from titan.drawing import flow_mermaid, flow_text, payment_flow_text, states_mermaid


def test_the_flow_names_every_topic_and_every_room() -> None:
    text = flow_text(topic_map())
    for topic in topic_map().topics:
        assert topic.name in text
        for reader in topic.consumers:
            assert reader.stage.removeprefix("consumers.") in text


def test_the_money_takes_one_step_to_the_right_at_each_stage() -> None:
    lines = flow_text(topic_map()).splitlines()
    places = [
        next(line.index(name) for line in lines if f"{name} ─>" in line or line.endswith(name))
        for name in (
            "payment.requested.v1",
            "payment.resolved.v1",
            "payment.screened.v1",
            "payment.posted.v1",
        )
    ]
    assert places == sorted(set(places))


def test_a_stage_is_drawn_out_once_and_a_looker_on_is_listed_apart() -> None:
    lines = flow_text(topic_map()).splitlines()
    assert sum(line.endswith("handle.claimed.v1") for line in lines) == 1
    [looker] = [line for line in lines if "payment_projection" in line]
    assert looker.startswith("payment_projection reads payment.{requested,resolved,")


def test_the_road_of_a_payment_is_a_part_of_the_flow_with_all_who_read_along() -> None:
    *road, lookers = payment_flow_text(topic_map()).splitlines()
    assert set(road) <= set(flow_text(topic_map()).splitlines())
    for name in ("payment.posted.v1", "handle.claimed.v1"):
        assert any(line.endswith(name) for line in road)
    assert "payment_projection" in lookers


def test_the_chart_has_an_arrow_for_each_writer_reader_and_looker_on() -> None:
    chart = flow_mermaid(topic_map().topics).splitlines()
    topics = topic_map().topics
    assert sum("-->" in line for line in chart) == sum(
        len(topic.producers) + len(topic.consumers) for topic in topics
    )
    assert sum("-.->" in line for line in chart) == sum(len(topic.tails) for topic in topics)


def test_every_state_and_every_road_is_drawn() -> None:
    chart = states_mermaid(TRANSITIONS)
    for state, following in TRANSITIONS.items():
        for after in following:
            assert f"    {state} --> {after}\n" in chart
        assert (f"{state} --> [*]" in chart) is not bool(following)
