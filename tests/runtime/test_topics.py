from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.errors import Invalid
from runtime.topics import TOPICS_FILE, load_topics, topic_map

ROOMS = Path(__file__).parents[2]


def written(tmp_path: Path, raw: object) -> Path:
    path = tmp_path / "topics.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def raw_map() -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(TOPICS_FILE.read_text("utf-8"))
    return raw


def test_the_projects_own_map_is_valid() -> None:
    assert [topic.name for topic in topic_map().of_group("ledger-posting")] == [
        "payment.screened.v1"
    ]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "payment_requested", "topics.0.name"),
        ("partitions", 0, "topics.0.partitions"),
        ("data_class", "secret", "topics.0.data_class"),
        ("colour", "red", "topics.0.colour"),
        ("schema", "schemas.payment:PaymentInvented", "there is no schemas.payment:PaymentInv"),
        ("schema", "schemas.invented:PaymentRequested", "there is no schemas.invented:PaymentReq"),
        ("schema", "schemas.payment:PaymentPosted", "its schema calls itself payment.posted.v1"),
        ("key", "payer", "its key payer is no field"),
        ("name", "payment.posted.v1", "payment.posted.v1 is named twice"),
        (
            "consumers",
            [{"group": "risk-screening", "stage": "consumers.ledger_posting"}],
            "group risk-screening is run by consumers.ledger_posting",
        ),
    ],
)
def test_a_fault_is_told_by_its_place(tmp_path: Path, field: str, value: object, told: str) -> None:
    raw = raw_map()
    raw["topics"][0][field] = value
    with pytest.raises(Invalid, match=told):
        load_topics(written(tmp_path, raw))


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    raw = raw_map()
    raw["topics"][0]["partitions"] = 0
    raw["topics"][1]["owner"] = None
    del raw["topics"][2]["slo"]
    with pytest.raises(Invalid) as caught:
        load_topics(written(tmp_path, raw))
    assert all(
        place in caught.value.message
        for place in ("topics.0.partitions", "topics.1.owner", "topics.2.slo")
    )
    assert "\n" not in caught.value.message


def test_a_file_that_is_no_map_is_told_in_one_kind_of_error(tmp_path: Path) -> None:
    for raw in ("a: [", "- 1", ""):
        path = tmp_path / "topics.yaml"
        path.write_text(raw, encoding="utf-8")
        with pytest.raises(Invalid, match=r"topics\.yaml"):
            load_topics(path)
    with pytest.raises(Invalid, match=r"absent\.yaml"):
        load_topics(tmp_path / "absent.yaml")


def test_every_room_that_the_map_names_exists_and_every_stage_is_named() -> None:
    named = {
        room
        for topic in topic_map().topics
        for room in [*topic.producers, *topic.tails, *(each.stage for each in topic.consumers)]
    }
    there = {
        f"{floor}.{path.parent.name}"
        for floor in ("producers", "consumers")
        for path in (ROOMS / floor).glob("*/__init__.py")
    }
    # The feed and the webhooks are edges that put nothing on the log.
    assert named | {"producers.feed", "producers.webhooks"} == there
