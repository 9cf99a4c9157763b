"""A record as bytes, read anew: what it says of its payment or request, or that it says nothing.

Stricter readers exist (schemas/); this one asks only for what a proof uses and for the frame that
makes an event of a record. It shares no line with them, so that a mistake there shows here.
"""

from binascii import unhexlify
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from proof.body import MALFORMED, MONEY, ZERO_ID, Fact, Said, id_of, said_of, us_of
from runtime.limits import CHAIN_AGE_DAYS_MAX, CHAIN_AHEAD_DAYS_MAX

_DAY_US: Final = 86_400_000_000

# A time as text begins with its year.
_OLDEST: Final = b"2000"
_NEWEST: Final = b"2200"


class Read(NamedTuple):
    """An event, as far as a proof uses it. Times are microseconds since 1970."""

    subject: bytes
    started_us: int
    event_id: bytes
    idempotency_id: bytes
    cause: bytes | None
    source: bytes
    time_us: int
    said: Said
    facts: tuple[Fact, ...]
    handle: tuple[bytes, int] | None
    """Of a change in the directory: the handle's digest and its version."""
    client: str | None
    """Who asked for it, if it says so."""


class TopicReader:
    """Reads the records of one topic of the map."""

    def __init__(self, topic: str, *, key_fields: Iterable[str]) -> None:
        self._topic = topic
        self._type = topic.encode()
        self._key_fields = tuple(key_fields)
        self._subject, self._started = (
            ("payment_id", "accepted_at")
            if topic.startswith("payment.")
            else ("request_id", "requested_at")
        )
        self._said = MONEY.get(topic)
        self._sources: set[bytes] = set()

    def read(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]],
    ) -> Read | None:
        """The event in a record; None if the record is no event."""
        try:
            attributes: dict[str, Any] = dict(headers)
            if attributes["ce_type"] != self._type or key is None or value is None:
                return None
            body = from_json(value)
            if key != _key_of(body, self._key_fields):
                return None
            source = attributes["ce_source"]
            if source not in self._sources:
                source.decode()
                self._sources.add(source)
            if (traceparent := attributes.get("traceparent")) is not None:
                traceparent.decode()
            if not _OLDEST <= attributes["ce_time"] < _NEWEST:
                return None
            cause = attributes.get("causation_id")
            event_id = _raw_id(attributes["ce_id"])
            idempotency = attributes["idempotency_id"]
            facts: tuple[Fact, ...] = ()
            handle = None
            if self._said is not None:
                said = self._said(body)
            else:
                said, facts, handle = said_of(self._topic, body)
            return Read(
                id_of(body[self._subject]),
                us_of(body[self._started]),
                event_id,
                event_id if idempotency == attributes["ce_id"] else _raw_id(idempotency),
                None if cause is None else _raw_id(cause),
                source,
                us_of(attributes["ce_time"].decode()),
                said,
                facts,
                handle,
                body.get("client_id"),
            )
        except MALFORMED:
            return None


def read_outcome(topic: str, outcome: str) -> tuple[bytes, int, Said, tuple[Fact, ...]] | None:
    """What an inbox's stored outcome says, before it is an event: subject, start, rest."""
    try:
        body = from_json(outcome)
        said, facts, _ = said_of(topic, body)
        if topic.startswith("payment."):
            return id_of(body["payment_id"]), us_of(body["accepted_at"]), said, facts
        return id_of(body["request_id"]), us_of(body["requested_at"]), said, facts
    except MALFORMED:
        return None


def is_plausible(started_us: int, appended_ms: int, *, slack_days: int = 1) -> bool:
    """Whether a chain that began then can have a record appended at that time.

    A stage compares calendar days by its own clock: about a day more or less on either side.
    """
    appended_us = appended_ms * 1_000
    return (
        appended_us - (CHAIN_AGE_DAYS_MAX + slack_days) * _DAY_US
        <= started_us
        <= appended_us + (CHAIN_AHEAD_DAYS_MAX + slack_days) * _DAY_US
    )


def _key_of(body: dict[str, Any], fields: Iterable[str]) -> bytes:
    for name in fields:
        if name in body:
            return str(body[name]).encode()
    return str(body["payment_id"]).encode()


def _raw_id(text: bytes) -> bytes:
    raw = unhexlify(text.replace(b"-", b""))
    if len(raw) != len(ZERO_ID):
        raise ValueError(text)
    return raw
