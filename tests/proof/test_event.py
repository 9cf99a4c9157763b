import pytest

from proof.event import TopicReader
from tests.support.events import screened
from tests.support.memory_stage import message_of


@pytest.mark.parametrize(
    ("time", "is_event"),
    [
        (b"2000-01-01T00:00:00Z", True),
        (b"2199-12-31T23:59:59.999999Z", True),
        (b"0001-01-01T00:00:00+14:00", False),
        (b"1999-12-31T23:59:59Z", False),
        (b"2200-01-01T00:00:00Z", False),
        (b"9999-12-31T23:59:59Z", False),
    ],
)
def test_an_event_is_of_a_time_that_can_be_reckoned_with(time: bytes, *, is_event: bool) -> None:
    message = message_of(screened())
    headers = {**dict(message.headers), "ce_time": time}
    reader = TopicReader(message.topic, key_fields=["payer_account_id"])

    read = reader.read(message.key, message.value, headers.items())

    assert (read is not None) == is_event
