"""Dead letters on a real broker, through the command line."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.errors import Invalid
from runtime import limits
from runtime.dead_letter import DeadLetter, dead_letter_message
from runtime.dead_letter_log import DeadLetterLog
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from schemas.event import Position
from tests.support.memory_stage import NOW
from tests.support.topics import drop_topics
from titan.cli import app
from titan.dlq_command import hexdump
from titan.servers import Endpoints

TOPIC = "payment.screened.v1"
GROUP = "ledger-posting"
LETTERS = f"{TOPIC}.{GROUP}.dlq"
HEADERS: list[tuple[str, bytes | None]] = [("ce_id", b"one"), ("odd", b"\xff\xfe"), ("none", None)]


@dataclass(frozen=True)
class Failed:
    """A record as a stage could not understand it."""

    offset: int
    key: bytes | None = b"alice"
    value: bytes | None = b"{not json\x00"
    partition: int = 0
    topic: str = TOPIC
    timestamp: int = 1_764_000_000_000
    headers: tuple[tuple[str, bytes | None], ...] = tuple(HEADERS)


@dataclass(frozen=True)
class Place:
    """Where the test's topics are."""

    bootstrap: str
    prefix: str

    async def bury(self, *records: Failed, code: str = "invalid_event", group: str = GROUP) -> None:
        messages = [
            dead_letter_message(
                DeadLetter(record, Invalid(code, "does not fit the schema at: body")),
                topic=topic_map()[TOPIC].dead_letter(group),
                group=group,
                original_topic=TOPIC,
                now=NOW,
            )
            for record in records
        ]
        publisher = KafkaPublisher(
            self.bootstrap, prefix=self.prefix, settings=Settings(), role="tests"
        )
        await publisher.publish(messages, deadline_s=limits.STAGE_PUBLISH_S_MAX)
        await publisher.stop()

    async def titan(self, *arguments: str) -> tuple[int, Any]:
        """A command's exit code and its JSON."""
        environment = {
            "TITAN_KAFKA_BOOTSTRAP": self.bootstrap,
            "TITAN_TOPIC_PREFIX": self.prefix,
        }
        result = await asyncio.to_thread(
            CliRunner().invoke, app, ["dlq", *arguments, "--json"], env=environment
        )
        return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr

    async def counts(self, *arguments: str) -> dict[str, int]:
        _, rows = await self.titan("list", *arguments)
        return {row["code"]: row["count"] for row in rows}

    async def redriven(self) -> list[tuple[bytes, bytes, dict[str, bytes]]]:
        """What lies on the original topic: key, value, headers."""
        # The reader of dead letters reads any topic; here, the one to which they went back.
        log = DeadLetterLog({TOPIC: 12}, bootstrap=self.bootstrap, prefix=self.prefix)
        await log.start()
        found = [letter async for letter in log.read(redriven_too=True)]
        await log.stop()
        return [(each.key, each.value, dict(each.headers)) for each in found]


@pytest.fixture
async def place(endpoints: Endpoints, topic_prefix: str) -> AsyncIterator[Place]:
    await apply_topics(endpoints.kafka_bootstrap, topic_map(), prefix=topic_prefix)
    yield Place(endpoints.kafka_bootstrap, topic_prefix)
    await drop_topics(endpoints.kafka_bootstrap, topic_prefix)


@pytest.mark.real
async def test_letters_are_counted_by_topic_and_code(place: Place) -> None:
    assert await place.titan("list") == (0, [])
    await place.bury(Failed(1), Failed(2))
    await place.bury(Failed(3), code="wrong_key")
    await place.bury(Failed(3), code="wrong_key", group="payment-projection")
    _, rows = await place.titan("list")
    assert [(row["topic"], row["code"], row["count"]) for row in rows] == [
        (LETTERS, "invalid_event", 2),
        (LETTERS, "wrong_key", 1),
        (f"{TOPIC}.payment-projection.dlq", "wrong_key", 1),
    ]
    assert await place.counts("--group", "payment-projection") == {"wrong_key": 1}
    assert await place.counts("--code", "invalid_event") == {"invalid_event": 2}
    assert await place.counts("--topic", "payment.posted.v1") == {}


@pytest.mark.real
async def test_a_letter_is_shown_without_its_payload_unless_asked(place: Place) -> None:
    await place.bury(Failed(7))
    _, [row] = await place.titan("list")
    code, shown = await place.titan("show", row["position"])
    assert code == 0
    assert "value_base64" not in shown
    assert shown["headers"]["x-original-offset"] == "7"
    assert shown["headers"]["x-error-code"] == "invalid_event"
    assert shown["headers"]["odd"] == "\\xff\\xfe"
    _, shown = await place.titan("show", row["position"], "--payload")
    assert shown["value_base64"] == "e25vdCBqc29uAA=="
    for position in (f"{LETTERS}/0/999", f"{LETTERS}/99/0"):
        assert (await place.titan("show", position))[0] == 1
    for position in ("payment.invented.v1/0/1", f"{LETTERS}/0", "x"):
        assert (await place.titan("show", position))[0] == 2


@pytest.mark.real
async def test_a_redriven_record_is_the_original_and_says_that_it_was_redriven(
    place: Place,
) -> None:
    await place.bury(Failed(5, key=b"bob"))
    code, tally = await place.titan("redrive")
    assert (code, tally["redriven"]) == (0, 1)
    [(key, value, headers)] = await place.redriven()
    assert (key, value) == (b"bob", b"{not json\x00")
    assert {name: headers[name] for name in ("ce_id", "odd", "none")} == {
        "ce_id": b"one",
        "odd": b"\xff\xfe",
        "none": b"",
    }
    assert headers["x-redriven-count"] == b"1"
    assert headers["x-redriven-from"].startswith(f"{LETTERS}/".encode())
    assert not [name for name in headers if name.startswith(("x-error-", "x-original-"))]


@pytest.mark.real
async def test_what_went_back_is_not_listed_again_and_a_new_failure_is(place: Place) -> None:
    await place.bury(Failed(1), Failed(2))
    await place.titan("redrive")
    assert await place.counts() == {}
    assert await place.counts("--all") == {"invalid_event": 2}
    assert (await place.titan("redrive"))[1]["redriven"] == 0
    await place.bury(Failed(1))
    assert await place.counts() == {"invalid_event": 1}
    assert (await place.titan("redrive", "--all"))[1]["redriven"] == 2


@pytest.mark.real
async def test_a_dry_run_publishes_nothing_and_moves_no_mark(place: Place) -> None:
    await place.bury(Failed(1))
    _, tally = await place.titan("redrive", "--dry-run")
    assert (tally["dry_run"], tally["redriven"]) == (True, 1)
    assert await place.redriven() == []
    assert await place.counts() == {"invalid_event": 1}


@pytest.mark.real
async def test_the_mark_stops_before_what_was_not_selected(place: Place) -> None:
    await place.bury(Failed(1))
    await place.bury(Failed(2), code="wrong_key")
    await place.bury(Failed(3))
    _, tally = await place.titan("redrive", "--code", "invalid_event")
    assert (tally["redriven"], tally["left"]) == (2, 1)
    # The third may be redriven again: the inbox knows it. The second must not be forgotten.
    assert await place.counts() == {"wrong_key": 1, "invalid_event": 1}


@pytest.mark.real
async def test_a_record_that_failed_in_two_groups_goes_back_once(place: Place) -> None:
    await place.bury(Failed(4))
    await place.bury(Failed(4), group="payment-projection")
    _, tally = await place.titan("redrive")
    assert (tally["redriven"], tally["repeated"]) == (1, 1)
    assert len(await place.redriven()) == 1
    assert await place.counts() == {}


@pytest.mark.real
async def test_what_was_not_kept_whole_is_counted_and_not_sent(place: Place) -> None:
    large = b"x" * limits.DEAD_LETTER_BYTES_MAX
    wide = (("x", b"h" * 60_000),)
    await place.bury(
        Failed(1, value=None),
        Failed(2, value=large),
        Failed(3),
        Failed(4, value=large[:199_000], key=b"k" * 60_000),
        Failed(5, value=large[:199_000], headers=wide),
    )
    _, tally = await place.titan("redrive")
    assert (tally["redriven"], tally["not_whole"]) == (1, 4)
    assert [value for _, value, _ in await place.redriven()] == [b"{not json\x00"]


@pytest.mark.real
async def test_a_large_dead_letter_topic_goes_back_in_rounds(place: Place) -> None:
    await place.bury(*(Failed(number, key=str(number).encode()) for number in range(250)))
    _, tally = await place.titan("redrive", "--rate", "100000")
    assert tally["redriven"] == 250
    assert len(await place.redriven()) == 250
    assert await place.counts() == {}


@pytest.mark.real
async def test_a_letter_is_found_by_its_position_and_by_no_other(place: Place) -> None:
    await place.bury(Failed(1))
    log = DeadLetterLog({LETTERS: 1}, bootstrap=place.bootstrap, prefix=place.prefix)
    await log.start()
    [letter] = [each async for each in log.read()]
    assert await log.find(letter.position) == letter
    assert await log.find(Position(LETTERS, letter.position.partition, 1)) is None
    await log.stop()


async def test_a_topic_that_the_map_has_not_is_bad_input() -> None:
    nowhere = Place("127.0.0.1:1", "")
    assert (await nowhere.titan("list", "--topic", "payment.invented.v1"))[0] == 2
    assert (await nowhere.titan("list", "--group", "invented"))[0] == 2
    code, said = await nowhere.titan("list")
    assert code == 1
    assert said.count("\n") == 1


def test_a_dump_shows_bytes_and_what_of_them_can_be_read() -> None:
    assert hexdump(b"") == ""
    first, second = hexdump(b"payment\x00\xff of sixteen").splitlines()
    assert first.startswith("00000000  70 61 79 6d 65 6e 74 00 ff 20")
    assert first.endswith("payment.. of six")
    assert second.startswith("00000010  74 65 65 6e ")
